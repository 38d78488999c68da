"""What every store of market documents promises: the same suite on SQLite and in memory."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from central.documents.encoding import sign
from central.documents.header import Document
from central.scd.database import Database
from central.scd.documents import (
    CheckedDocument,
    DocumentQuery,
    IdempotencyKey,
    Scope,
    Sight,
    checked,
)
from central.scd.documents_store import SqliteDocuments
from central.scd.ports import DocumentStore
from central.scd.stored import Outcome
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.signing import SigningKey
from tests.documents import (
    AGGREGATOR,
    ALERT,
    BASELINE,
    BRP,
    DAY,
    DSO,
    EXAMPLES,
    OFFER,
    OUTCOME,
    POD,
    REQUEST,
    uuid,
)
from tests.fakes.scd_documents import FakeDocuments

S, D, C, R = Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.REJECTED
KEY = SigningKey.generate("EdDSA")
ALL = DocumentQuery(conflicts=True)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    if request.param == "memory":
        yield FakeDocuments()
        return
    database = Database(tmp_path / "evidence.db", create=True)
    yield SqliteDocuments(database)
    database.close()


def signed(document: Document) -> CheckedDocument:
    return checked(sign(document, KEY))[0]


def arrivals(store: DocumentStore, query: DocumentQuery, scope: Scope | None = None) -> list[int]:
    return [each.arrival for each in store.documents(query, scope)]


def test_what_is_stored_is_there_as_it_came(store: DocumentStore) -> None:
    given = [signed(each) for each in EXAMPLES]
    assert store.commit_documents(given, 77) == [S] * len(EXAMPLES)
    found = store.documents(ALL)
    assert [each.arrival for each in found] == list(range(1, len(EXAMPLES) + 1))
    for document, stored in zip(given, found, strict=True):
        for name in CheckedDocument.__dataclass_fields__:
            assert getattr(stored, name) == getattr(document, name)
        assert (stored.arrived_ms, stored.is_conflict) == (77, False)
    assert found[EXAMPLES.index(OFFER)].opens_ms == OFFER.gate_closure_ms
    assert found[EXAMPLES.index(OUTCOME)].pods == (POD.code,)
    assert found[EXAMPLES.index(REQUEST)].pods == ()


def test_the_same_again_changes_nothing(store: DocumentStore) -> None:
    document = signed(BASELINE)
    assert store.commit_documents([document, document], 1) == [S, D]
    assert store.commit_documents([document], 2) == [D]
    (stored,) = store.documents(ALL)
    assert stored.arrived_ms == 1


def test_another_content_is_evidence_and_never_the_document(store: DocumentStore) -> None:
    lie = replace(BASELINE, created_ms=BASELINE.created_ms + 1)
    store.commit_documents([signed(BASELINE)], 1)
    assert store.commit_documents([signed(lie)], 2) == [C]
    assert store.commit_documents([signed(lie)], 3) == [C]
    first, evidence = store.documents(ALL)
    assert (first.is_conflict, evidence.is_conflict) == (False, True)
    assert evidence.signed == signed(lie).signed
    assert arrivals(store, DocumentQuery()) == [1]
    assert arrivals(store, DocumentQuery(mrid=BASELINE.mrid, latest=True)) == [1]
    assert store.commit_documents([signed(BASELINE)], 4) == [D]


def test_a_name_belongs_to_its_first_sender_and_kind(store: DocumentStore) -> None:
    store.commit_documents([signed(OFFER)], 1)
    stranger = replace(OFFER, revision=2, sender="aggregator-2")
    assert store.commit_documents([signed(stranger)], 2) == [R]
    other = replace(ALERT, mrid=OFFER.mrid, revision=2, sender=OFFER.sender)
    assert store.commit_documents([signed(other)], 3) == [R]
    assert arrivals(store, ALL) == [1]


def test_revisions_may_come_in_any_order(store: DocumentStore) -> None:
    one, two, three = (signed(replace(OFFER, revision=number)) for number in (1, 2, 3))
    assert store.commit_documents([three], 1) == [S]
    assert store.commit_documents([one, two], 2) == [S, S]
    assert arrivals(store, DocumentQuery(latest=True)) == [1]
    assert arrivals(store, DocumentQuery(mrid=OFFER.mrid, revision=2)) == [3]
    assert arrivals(store, DocumentQuery(mrid=OFFER.mrid)) == [1, 2, 3]


def test_questions_are_answered_by_all_that_they_say(store: DocumentStore) -> None:
    store.commit_documents([signed(each) for each in EXAMPLES], 1)
    places = {each.mrid: place for place, each in enumerate(EXAMPLES, 1)}
    ordered = [places[each.mrid] for each in EXAMPLES if each.ii == "I-09"]
    assert arrivals(store, DocumentQuery(ii=("I-09",))) == ordered
    assert len(ordered) == 2
    filed = DocumentQuery(ii=("I-03", "I-09"), sender=BRP)
    assert arrivals(store, filed) == [places[BASELINE.mrid]]
    said = [places[each.mrid] for each in EXAMPLES if each.sender == DSO]
    assert arrivals(store, DocumentQuery(sender=DSO, since=said[0])) == said[1:]
    assert len(said) > 3
    assert arrivals(store, DocumentQuery(since=3, limit=2)) == [4, 5]
    assert arrivals(store, DocumentQuery(mrid=uuid(999))) == []
    named = (signed(OFFER).document_hash, signed(BASELINE).document_hash, bytes(32))
    assert arrivals(store, DocumentQuery(hashes=named)) == sorted(
        EXAMPLES.index(each) + 1 for each in (OFFER, BASELINE)
    )
    touching = DocumentQuery(span=Interval(DAY.end_ms - 1, DAY.end_ms + 1))
    assert len(arrivals(store, touching)) == len(EXAMPLES) - 2, "two speak of one quarter only"
    after = DocumentQuery(span=Interval(DAY.end_ms, DAY.end_ms + 1))
    assert arrivals(store, after) == []
    (bare,) = store.documents(DocumentQuery(ii=("I-03",), bodies=False))
    assert bare.signed == b""
    assert bare.document_hash == signed(BASELINE).document_hash


def test_a_key_stands_for_one_document(store: DocumentStore) -> None:
    key = IdempotencyKey("token", "k1")
    assert store.commit_documents([signed(OFFER)], 1, key) == [S]
    assert store.commit_documents([signed(OFFER)], 2, key) == [D]
    later = signed(replace(OFFER, revision=2))
    with pytest.raises(Rejected) as caught:
        store.commit_documents([later], 3, key)
    assert caught.value.reason == "key_reused"
    assert arrivals(store, ALL) == [1]
    assert store.commit_documents([later], 4, IdempotencyKey("other token", "k1")) == [S]


def test_deliveries_keep_their_place(store: DocumentStore) -> None:
    assert store.delivered("one") == 0
    store.note_delivered("one", 5)
    store.note_delivered("two", 2)
    store.note_delivered("one", 7)
    assert (store.delivered("one"), store.delivered("two")) == (7, 2)


SCOPES = [
    Scope(sights=dict.fromkeys(iis, sight), party=party, pods=pods, now_ms=now_ms)
    for sight, iis, party, pods, now_ms in itertools.product(
        Sight,
        [(), ("I-05",), ("I-03", "I-05", "I-08"), tuple(f"I-{n:02}" for n in range(20))],
        [None, DSO, AGGREGATOR, "stranger"],
        [None, frozenset(), frozenset({POD.code}), frozenset({"IT002E00000009"})],
        [0, OFFER.gate_closure_ms - 1, OFFER.gate_closure_ms],
    )
]


def test_the_store_shows_exactly_what_the_scope_shows(store: DocumentStore) -> None:
    two_pods = replace(
        OUTCOME, mrid=uuid(80),
        awards=(*OUTCOME.awards, replace(OUTCOME.awards[0], pod=type(POD)("IT002E00000009"))),
    )  # fmt: skip
    store.commit_documents([signed(each) for each in (*EXAMPLES, two_pods)], 1)
    everything = store.documents(ALL)
    seen = set()
    for scope in SCOPES:
        shown = arrivals(store, ALL, scope)
        assert shown == [each.arrival for each in everything if scope.shows(each)]
        seen.add(tuple(shown))
    assert len(SCOPES) >= 700
    assert len(seen) >= 10, "the scopes are too much alike"
