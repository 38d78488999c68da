"""Documents read back: of a kind, in an interval, in the revision that was there at an instant."""

from collections.abc import Sequence
from dataclasses import replace

from central.documents.encoding import sign
from central.documents.header import Document
from central.documents.offer import FlexOffer
from central.documents.order import FlexOrder
from central.scd.documents import DocumentQuery, StoredDocument, checked
from central.sessions.shelf import newest, sent_to
from ledger.facts.interval import Interval
from ledger.signing import SigningKey
from tests.documents import DAY, EXAMPLES, OFFER, uuid
from tests.fakes.scd_documents import FakeDocuments

KEY = SigningKey.generate("EdDSA")


def filed(store: FakeDocuments, documents: Sequence[Document], arrived_ms: int) -> None:
    store.commit_documents([checked(sign(each, KEY))[0] for each in documents], arrived_ms)


def test_only_documents_of_the_kind_are_read() -> None:
    store = FakeDocuments()
    filed(store, EXAMPLES, 1)
    assert newest(store, FlexOffer, DAY) == [OFFER]
    assert [type(each) for each in newest(store, FlexOrder, DAY)] == [FlexOrder]
    assert newest(store, FlexOffer, Interval(DAY.end_ms, DAY.end_ms + 1)) == []
    assert newest(store, FlexOffer, DAY, where=lambda each: each.session == "another") == []


def test_the_newest_revision_at_an_instant_counts() -> None:
    store = FakeDocuments()
    later = replace(OFFER, revision=3, expires_ms=OFFER.expires_ms + 1)
    filed(store, [later], 10)
    filed(store, [OFFER, replace(OFFER, revision=2)], 20)
    filed(store, [replace(OFFER, revision=4)], 30)
    assert [each.revision for each in newest(store, FlexOffer, DAY)] == [4]
    assert newest(store, FlexOffer, DAY, arrived_by_ms=29) == [later]
    assert newest(store, FlexOffer, DAY, arrived_by_ms=9) == []


def test_a_revision_that_was_taken_back_is_not_seen_in_an_older_one() -> None:
    store = FakeDocuments()
    filed(store, [OFFER, replace(OFFER, revision=2, session="another")], 1)
    assert newest(store, FlexOffer, DAY, where=lambda one: one.session == OFFER.session) == []


def test_more_than_a_page_is_read() -> None:
    store = FakeDocuments()
    filed(store, [replace(OFFER, mrid=uuid(1_000 + number)) for number in range(1_003)], 1)
    found = newest(store, FlexOffer, DAY)
    assert len(found) == 1_003
    assert [each.mrid for each in found] == sorted(each.mrid for each in found)


def test_what_a_party_was_sent_is_read_once_in_all_its_revisions() -> None:
    store, known = FakeDocuments(), dict[bytes, FlexOffer]()
    both = [OFFER, replace(OFFER, revision=2)]
    filed(store, [*both, replace(OFFER, mrid=uuid(7), receiver="somebody")], 1)
    assert sent_to(store, FlexOffer, DAY, OFFER.receiver, known) == both
    assert list(known.values()) == both
    filed(store, [replace(OFFER, mrid=uuid(1_000 + number)) for number in range(600)], 2)
    read: list[int] = []
    asked = store.documents

    def counting(query: DocumentQuery, _: object = None) -> list[StoredDocument]:
        found = asked(query)
        read.append(len(found) if query.bodies else 0)
        return found

    store.documents = counting  # type: ignore[assignment,method-assign]
    assert len(sent_to(store, FlexOffer, DAY, OFFER.receiver, known)) == 602
    assert sum(read) == 600
