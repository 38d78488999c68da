"""The past: what it refuses to hold, and how it is counted."""

import numpy as np
import pytest

from central.dso.forecast.history import Customers, History, Origin, Past
from ledger.errors import InvariantBroken, Rejected
from ledger.facts.interval import QUARTER_MS, Interval

START_MS = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS
PODS = ("IT002E00000001", "IT002E00000002")


def history(origin: list[list[int]]) -> History:
    of = np.array(origin, np.uint8)
    return History(PODS, START_MS, np.where(of > 0, 100.0, 0.0), of)


@pytest.mark.parametrize(
    ("power_w", "origin"),
    [
        ([[1.0, np.nan], [0.0, 0.0]], [[3, 3], [3, 3]]),
        ([[1.0, np.inf], [0.0, 0.0]], [[3, 3], [3, 3]]),
        ([[1.0, 2.0], [0.0, 5.0]], [[3, 3], [3, 0]]),
        ([[1.0, 2.0]], [[3, 3]]),
        ([[1.0, 2.0], [0.0, 5.0]], [[3, 3, 3], [3, 3, 3]]),
    ],
)
def test_what_no_builder_builds_is_broken(
    power_w: list[list[float]], origin: list[list[int]]
) -> None:
    with pytest.raises(InvariantBroken):
        History(PODS, START_MS, np.array(power_w), np.array(origin, np.uint8))


def test_a_history_starts_on_a_quarter() -> None:
    with pytest.raises(InvariantBroken, match="not on a quarter"):
        History(PODS, START_MS + 1, np.zeros((2, 1)), np.zeros((2, 1), np.uint8))


def test_a_past_is_counted_by_where_it_comes_from() -> None:
    known = history([[0, 1, 2, 3], [3, 3, 3, 3]])
    past = Past.of(known, known.interval)
    assert past.totals.tolist() == [1, 1, 1, 5]
    assert past.missing.tolist() == [1, 0]
    assert set(Origin) == set(range(4))


def test_power_is_added_to_what_is_known() -> None:
    known = history([[0, 1, 2, 3], [3, 3, 3, 3]])
    first_ms, last_ms = START_MS, START_MS + 3 * QUARTER_MS
    added = known.with_added([
        (PODS[0], first_ms, 5.0), (PODS[0], last_ms, 7.0), (PODS[1], last_ms, -1.0),
        (PODS[1], last_ms, -2.0), (PODS[1], first_ms - QUARTER_MS, 9.0),
        (PODS[1], last_ms + QUARTER_MS, 9.0), ("nobody", first_ms, 9.0),
    ])  # fmt: skip
    assert added.power_w.tolist() == [[0.0, 100.0, 100.0, 107.0], [100.0, 100.0, 100.0, 97.0]]
    assert added.origin is known.origin
    assert known.power_w.max() == 100.0


def test_what_lies_outside_the_history_is_missing() -> None:
    known = history([[0, 1, 2, 3], [3, 3, 3, 3]])
    before = Interval(START_MS - 3 * QUARTER_MS, START_MS + QUARTER_MS)
    assert Past.of(known, before).missing.tolist() == [4, 3]
    long_ago = Interval(START_MS - 30 * QUARTER_MS, START_MS - 20 * QUARTER_MS)
    assert Past.of(known, long_ago).missing.tolist() == [10, 10]
    later = Interval(known.interval.end_ms + QUARTER_MS, known.interval.end_ms + 2 * QUARTER_MS)
    assert Past.of(known, later).missing.tolist() == [1, 1]


@pytest.mark.parametrize("wrong_w", [0.0, -3_000.0, np.nan, np.inf])
def test_a_contract_has_a_power(wrong_w: float) -> None:
    with pytest.raises(Rejected, match="POD number 1 of the history: a contractual power"):
        Customers(np.array([3_000.0, wrong_w]), ("household", "household"))


def test_every_contract_has_a_group() -> None:
    with pytest.raises(Rejected, match="1 groups"):
        Customers(np.array([3_000.0, 6_000.0]), ("household",))
