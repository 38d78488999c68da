"""The market log: only what is durable, never rewritten, always the same from the same store."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from central.documents.encoding import sign
from central.documents.header import Document
from central.errors import StoreAway
from central.scd.database import Database
from central.scd.documents import checked
from central.scd.documents_entries import SealReason
from central.scd.documents_log import MarketLog
from central.scd.documents_log_store import SqliteMarketLog
from central.scd.documents_store import SqliteDocuments
from ledger.checkpoint import verify_checkpoint
from ledger.errors import InvariantBroken, Rejected
from ledger.merkle import EMPTY_ROOT, leaf_hash, root_from_inclusion, verify_consistency
from ledger.signing import SigningKey
from tests.documents import ALERT, BASELINE, EXAMPLES, OFFER, ORDER, REQUEST
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure
from tests.fakes.scd_market_log import FakeMarketLog
from tests.scd import HandClock

ORIGIN = "certiflex.test/market"
KEY, SENDER = SigningKey.generate("EdDSA"), SigningKey.generate()
SESSION = "day-ahead 2026-10-25"


class Bench:
    """A log over documents in memory."""

    def __init__(self) -> None:
        self.documents = FakeDocuments()
        self.store = FakeMarketLog(self.documents)
        self.clock = HandClock(1_000)
        self.log = self.opened()

    def opened(self, origin: str = ORIGIN) -> MarketLog:
        return MarketLog(self.store, origin, KEY, self.clock)

    def file(self, *made: Document) -> list[bytes]:
        return filed(self.documents, made)


def filed(store: FakeDocuments | SqliteDocuments, made: Sequence[Document]) -> list[bytes]:
    all_checked = [checked(sign(each, SENDER))[0] for each in made]
    store.commit_documents(all_checked, 7_000)
    return [each.document_hash for each in all_checked]


def baselines(count: int) -> list[Document]:
    return [
        replace(BASELINE, mrid=f"{number:08}-0000-0000-0000-000000000000")
        for number in range(count)
    ]


def test_a_seal_fixes_all_that_is_durable() -> None:
    bench = Bench()
    bench.file(OFFER, ALERT, REQUEST)
    seal = bench.log.seal(SealReason.GATE_CLOSURE, SESSION)
    head = verify_checkpoint(seal.note, KEY.public)
    assert (head.origin, head.size, head.root) == (ORIGIN, 2, seal.root)
    assert (seal.reason, seal.session, seal.sealed_ms) == ("gate_closure", SESSION, 1_000)
    assert bench.store.kept == [seal]


def test_an_empty_log_is_sealed_as_such() -> None:
    assert Bench().log.seal(SealReason.GATE_CLOSURE, SESSION).root == EMPTY_ROOT


def test_each_document_is_proved_under_each_seal_it_was_there_for() -> None:
    bench = Bench()
    hashes: list[bytes] = []
    seals = []
    for document in baselines(9):
        hashes += bench.file(document)
        seals.append(bench.log.seal(SealReason.PUBLICATION, SESSION))
    for index, digest in enumerate(hashes):
        for seal in seals[:index]:
            assert bench.log.inclusion(digest, seal) is None
        for seal in seals[index:]:
            proof = bench.log.inclusion(digest, seal)
            assert proof is not None
            root = root_from_inclusion(leaf_hash(proof.entry), index, seal.size, proof.path)
            assert (proof.index, root) == (index, seal.root)
    latest = bench.log.inclusion(hashes[0])
    assert latest is not None
    assert latest.seal == seals[-1]


def test_every_seal_continues_every_seal_before_it() -> None:
    bench = Bench()
    seals = []
    for document in baselines(12):
        bench.file(document)
        seals.append(bench.log.seal(SealReason.PUBLICATION, SESSION))
    for place, newer in enumerate(seals):
        for older in seals[: place + 1]:
            proof = bench.opened().consistency(older.size, newer.size)
            verify_consistency(older.size, older.root, newer.size, newer.root, proof)


@pytest.mark.parametrize("sizes", [(0, 1), (2, 1), (1, 3), (-1, 1)])
def test_sizes_that_no_log_had_are_refused(sizes: tuple[int, int]) -> None:
    bench = Bench()
    bench.file(OFFER, REQUEST)
    bench.log.seal(SealReason.PUBLICATION, SESSION)
    with pytest.raises(Rejected) as caught:
        bench.log.consistency(*sizes)
    assert caught.value.reason == "bad_size"
    with pytest.raises(Rejected):
        bench.log.root(3)


def test_what_is_not_sealed_yet_has_no_proof() -> None:
    bench = Bench()
    (offer,) = bench.file(OFFER)
    assert bench.log.inclusion(offer) is None
    bench.log.seal(SealReason.PUBLICATION, SESSION)
    (request, alert) = bench.file(REQUEST, ALERT)
    assert bench.log.inclusion(offer) is not None
    assert bench.log.inclusion(request) is None
    bench.log.seal(SealReason.PUBLICATION, SESSION)
    assert bench.log.inclusion(request) is not None
    assert bench.log.inclusion(alert) is None, "it belongs into no log"


@pytest.mark.parametrize("how", [Failure.LOST, Failure.KEPT])
def test_a_seal_that_was_lost_or_kept_is_made_again_without_harm(how: Failure) -> None:
    bench = Bench()
    bench.file(OFFER)
    bench.store.failures = [how]
    with pytest.raises(StoreAway):
        bench.log.seal(SealReason.GATE_CLOSURE, SESSION)
    bench.file(REQUEST)
    again = bench.opened().seal(SealReason.GATE_CLOSURE, SESSION)
    assert again.size == 2
    assert len(bench.store.kept) == (1 if how is Failure.LOST else 2)
    for older in bench.store.kept:
        proof = bench.log.consistency(older.size, 2)
        verify_consistency(older.size, older.root, 2, again.root, proof)


def test_another_origin_does_not_take_over_a_log() -> None:
    bench = Bench()
    bench.file(OFFER)
    bench.log.seal(SealReason.PUBLICATION, SESSION)
    with pytest.raises(Rejected) as caught:
        bench.opened("certiflex.test/other").seal(SealReason.PUBLICATION, SESSION)
    assert caught.value.reason == "wrong_log"


def test_documents_that_were_changed_are_not_sealed_again() -> None:
    bench = Bench()
    bench.file(OFFER, REQUEST)
    bench.log.seal(SealReason.PUBLICATION, SESSION)
    bench.documents.restore([])
    forged = FakeMarketLog(bench.documents, kept=bench.store.kept)
    bench.file(ORDER, REQUEST)
    with pytest.raises(InvariantBroken, match="do not lead to its checkpoint of size 2"):
        MarketLog(forged, ORIGIN, KEY, bench.clock).seal(SealReason.PUBLICATION, SESSION)
    assert len(bench.store.kept) == 1, "nothing was signed"


def test_a_log_that_was_lost_is_derived_from_the_documents_again(tmp_path: Path) -> None:
    file = tmp_path / "evidence.db"
    database = Database(file, create=True)
    store = SqliteDocuments(database)
    second = replace(OFFER, exclusive_group="a second content")
    filed(store, [*EXAMPLES, second, *baselines(600)])
    clock = HandClock(1_000)
    before = MarketLog(SqliteMarketLog(database), ORIGIN, KEY, clock).seal(
        SealReason.PUBLICATION, SESSION
    )
    with sqlite3.connect(file) as direct:
        assert direct.execute("DELETE FROM market_entry").rowcount == before.size > 600
    direct.close()
    log = MarketLog(SqliteMarketLog(database), ORIGIN, KEY, clock)
    again = log.seal(SealReason.PUBLICATION, SESSION)
    database.close()
    assert (again.size, again.root, again.note) == (before.size, before.root, before.note)


def test_two_processes_take_in_each_document_once(tmp_path: Path) -> None:
    one = Database(tmp_path / "evidence.db", create=True)
    other = Database(tmp_path / "evidence.db")
    filed(SqliteDocuments(one), [OFFER, REQUEST])
    logs = [MarketLog(SqliteMarketLog(each), ORIGIN, KEY, HandClock(5)) for each in (one, other)]
    assert logs[0].seal(SealReason.GATE_CLOSURE, SESSION).size == 2
    filed(SqliteDocuments(other), [ORDER])
    sealed = logs[1].seal(SealReason.PUBLICATION, SESSION)
    assert sealed.size == 3
    assert logs[0].latest() == sealed
    assert logs[0].root(3) == sealed.root
    one.close()
    other.close()
