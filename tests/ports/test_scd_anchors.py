"""What every journal of the market log's orders promises: the same suite on SQLite and memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from central.scd.anchors_store import SqliteAnchors
from central.scd.database import Database
from central.scd.documents_entries import Anchored
from central.scd.ports import AnchorStore
from ledger.chain.values import Attempt, Final, Submission
from ledger.errors import Unavailable
from tests.fakes.scd_anchors import FakeAnchors

FINAL = Final(
    tx_hash=bytes(32), gas_used=41_000, block_number=7, block_hash=bytes(32), block_time_s=5
)
FIRST = Submission(
    log_id=bytes(32), sequence=1, root=bytes(32), size=3, meta=bytes(32), proof=(b"\x01" * 32,)
)
SECOND = replace(FIRST, sequence=2, size=9)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnchorStore]:
    if request.param == "memory":
        yield FakeAnchors()
        return
    database = Database(tmp_path / "evidence.db", create=True)
    yield SqliteAnchors(database)
    database.close()


def attempt(nonce: int, fee_wei: int = 10**20, prepared_ms: int = 5) -> Attempt:
    return Attempt(
        tx_hash=bytes([nonce, fee_wei % 251]) + bytes(30), raw=b"raw", nonce=nonce,
        max_fee_wei=fee_wei, priority_fee_wei=fee_wei // 7, prepared_ms=prepared_ms,
    )  # fmt: skip


def test_an_order_goes_its_way(store: AnchorStore) -> None:
    assert store.anchor_under_way() is None
    assert store.next_nonce() is None
    assert store.anchored() is None
    store.begin_anchor(FIRST, attempt(4))
    under_way = store.anchor_under_way()
    assert under_way is not None
    assert (under_way.order, under_way.attempts) == (FIRST, (attempt(4),))
    store.keep_attempt(under_way.number, attempt(4, 2 * 10**20, 6))
    under_way = store.anchor_under_way()
    assert under_way is not None
    assert under_way.attempts == (attempt(4), attempt(4, 2 * 10**20, 6)), "oldest first"
    assert store.next_nonce() == 5
    assert store.anchored() is None
    store.end_anchor(under_way.number, FIRST, FINAL, b"part")
    assert store.anchor_under_way() is None
    assert store.anchored() == Anchored(3, b"part", 41_000)


def test_the_largest_head_counts(store: AnchorStore) -> None:
    for nonce, order in enumerate((FIRST, SECOND)):
        store.begin_anchor(order, attempt(nonce))
        under_way = store.anchor_under_way()
        assert under_way is not None
        store.end_anchor(under_way.number, order, FINAL, b"")
    assert store.anchored() == Anchored(9, None, 41_000)
    assert store.next_nonce() == 2


def test_one_order_at_a_time(store: AnchorStore) -> None:
    store.begin_anchor(FIRST, attempt(0))
    with pytest.raises(Unavailable):
        store.begin_anchor(SECOND, attempt(1))
    under_way = store.anchor_under_way()
    assert under_way is not None
    assert under_way.order == FIRST


def test_a_void_order_gives_its_nonce_back(store: AnchorStore) -> None:
    store.begin_anchor(FIRST, attempt(6))
    under_way = store.anchor_under_way()
    assert under_way is not None
    store.void_anchor(under_way.number)
    assert store.anchor_under_way() is None
    assert store.next_nonce() is None
    assert store.anchored() is None
    store.begin_anchor(FIRST, attempt(6))
    assert store.next_nonce() == 7


def test_an_order_that_only_the_ledger_knew_is_written_down(store: AnchorStore) -> None:
    store.end_anchor(None, FIRST, FINAL, b"part")
    assert store.anchored() == Anchored(3, b"part", 41_000)
    assert store.anchor_under_way() is None
