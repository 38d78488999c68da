"""What every store of the market log promises: the same suite on SQLite and in memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from central.documents.encoding import sign
from central.documents.header import Document
from central.scd.database import Database
from central.scd.documents import checked
from central.scd.documents_entries import LOGGED, Seal, SealReason
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.documents_store import SqliteDocuments
from central.scd.ports import DocumentStore, MarketLogStore
from ledger.codec import decode_document_entry
from ledger.merkle import leaf_hash
from ledger.signing import SigningKey
from tests.documents import ALERT, BASELINE, EXAMPLES, MEASUREMENTS, OFFER, ORDER, REQUEST
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_market_log import FakeMarketLog

KEY = SigningKey.generate("EdDSA")
Stores = tuple[MarketLogStore, DocumentStore]


@pytest.fixture(params=["sqlite", "memory"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "memory":
        documents = FakeDocuments()
        yield FakeMarketLog(documents), documents
        return
    database = Database(tmp_path / "evidence.db", create=True)
    yield SqliteMarketLog(database), SqliteDocuments(database)
    database.close()


def filed(documents: DocumentStore, *made: Document) -> list[bytes]:
    """Store documents, and return their hashes."""
    all_checked = [checked(sign(each, KEY))[0] for each in made]
    documents.commit_documents(all_checked, 7_000)
    return [each.document_hash for each in all_checked]


def seal(size: int, session: str = "day-ahead x") -> Seal:
    return Seal(
        size=size, root=bytes(32), note=f"note {size}", reason=SealReason.PUBLICATION,
        session=session, sealed_ms=9,
    )  # fmt: skip


def test_entries_stand_in_the_order_of_arrival(stores: Stores) -> None:
    log, documents = stores
    assert log.take_in() == 0
    order, offer = filed(documents, ORDER, OFFER)
    assert log.logged(order) is None, "not before it is taken in"
    assert log.take_in() == 2
    (request,) = filed(documents, REQUEST)
    assert log.take_in() == 3
    found = [log.logged(each) for each in (order, offer, request)]
    assert [each.index for each in found if each] == [0, 1, 2]
    entries = [decode_document_entry(each.entry) for each in found if each]
    assert [each.kind for each in entries] == ["flex-order", "flex-offer", "flex-request"]
    assert [each.arrived_ms for each in entries] == [7_000] * 3
    assert log.leaf_hashes(0, 9) == [leaf_hash(each.entry) for each in found if each]
    assert log.leaf_hashes(1, 1) == log.leaf_hashes(0, 9)[1:2]
    assert log.leaf_hashes(3, 9) == []


def test_what_is_known_is_taken_in_once(stores: Stores) -> None:
    log, documents = stores
    filed(documents, OFFER)
    assert log.take_in() == log.take_in() == 1
    filed(documents, OFFER)
    assert log.take_in() == 1


def test_measures_and_what_stays_within_the_dso_have_no_entry(stores: Stores) -> None:
    log, documents = stores
    alert, baseline, *_ = filed(documents, ALERT, BASELINE, MEASUREMENTS)
    assert log.take_in() == 1
    assert log.logged(alert) is None
    found = log.logged(baseline)
    assert found is not None
    assert found.index == 0


def test_every_kind_that_clearing_rests_on_has_one(stores: Stores) -> None:
    log, documents = stores
    hashes = filed(documents, *EXAMPLES)
    wanted = [each.ii in LOGGED for each in EXAMPLES]
    assert log.take_in() == sum(wanted)
    assert [log.logged(each) is not None for each in hashes] == wanted


def test_a_second_content_is_evidence_and_has_an_entry_too(stores: Stores) -> None:
    log, documents = stores
    first, second = filed(documents, OFFER, replace(OFFER, exclusive_group="another"))
    assert log.take_in() == 2
    found = [log.logged(each) for each in (first, second)]
    marks = [decode_document_entry(each.entry).is_evidence for each in found if each]
    assert marks == [False, True]


def test_more_than_a_page_is_taken_in(stores: Stores) -> None:
    log, documents = stores
    named = (f"{number:08}-0000-0000-0000-000000000000" for number in range(1_203))
    filed(documents, *(replace(BASELINE, mrid=each) for each in named))
    assert log.take_in() == 1_203
    assert len(set(log.leaf_hashes(0, 2_000))) == 1_203


def test_seals_are_kept_in_their_order(stores: Stores) -> None:
    log, _ = stores
    assert log.latest_seal() is None
    made = [seal(3), seal(5, "other"), seal(5), seal(4)]
    for each in made:
        log.commit_seal(each)
    assert log.seals() == made
    assert log.seals("day-ahead x") == [made[0], made[2], made[3]]
    assert log.latest_seal() == made[2], "the newest of those over the most entries"
    assert log.latest_seal(4) == made[3]
    assert log.latest_seal(2) is None
