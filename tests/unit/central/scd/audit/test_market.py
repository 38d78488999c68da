"""The market log is audited: who changes an entry or a seal finds it named."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from central.scd.documents_entries import SealReason
from tests.documents import ALERT, BASELINE, OFFER, OUTCOME, REQUEST
from tests.exchange import Exchange, exchange


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Exchange]:
    with exchange(tmp_path) as made:
        log = made.world.central.market_log()
        for document in (BASELINE, ALERT, OFFER, replace(OFFER, exclusive_group="x"), REQUEST):
            made.post(document)
            log.seal(SealReason.GATE_CLOSURE, "day-ahead x")
        made.post(OUTCOME)
        yield made


def found(market: Exchange) -> set[tuple[str, str, str]]:
    return {(each.table, each.row, each.column) for each in market.world.audit().findings}


def test_a_log_that_nobody_touched_has_no_findings(market: Exchange) -> None:
    assert found(market) == set()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE market_entry SET leaf_hash = zeroblob(32) WHERE position = 2",
         ("market_entry", "position 2", "leaf_hash")),
        ("UPDATE market_entry SET arrival = 99 WHERE position = 3",
         ("market_entry", "position 3", "arrival")),
        ("DELETE FROM market_entry WHERE position = 3",
         ("market_entry", "position 3", "position")),
        ("UPDATE document SET is_conflict = 0 WHERE is_conflict",
         ("market_entry", "position 2", "leaf_hash")),
        ("UPDATE document SET arrived_ms = arrived_ms - 60000 WHERE arrival = 3",
         ("market_entry", "position 1", "leaf_hash")),
        ("DELETE FROM document WHERE arrival = 5", ("market_entry", "position 3", "leaf_hash")),
        ("DELETE FROM document WHERE arrival > 3", ("market_entry", "position 2", "arrival")),
        ("UPDATE market_seal SET root = zeroblob(32) WHERE place = 2",
         ("market_seal", "place 2 size 1", "root")),
        ("UPDATE market_seal SET size = 2 WHERE place = 5",
         ("market_seal", "place 5 size 2", "size")),
        ("UPDATE market_seal SET note = 'x' WHERE place = 4",
         ("market_seal", "place 4 size 3", "note")),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(
    market: Exchange, statement: str, named: tuple[str, str, str]
) -> None:
    with closing(sqlite3.connect(market.world.central.database.path)) as direct:
        assert direct.execute(statement).rowcount >= 1
        direct.commit()
    assert named in found(market)
