"""Days side by side: by the clock, whatever their length, and only as far as they are known."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import day_interval, day_start_ms, gate_ms, slots
from central.dso.forecast.days import Days, Layout
from central.dso.forecast.history import History, Origin, Past
from ledger.facts.interval import QUARTER_MS, Interval

SPRING, AUTUMN, USUAL = date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 10)
EVERYTHING_MS = 2**60


def three_days_around(day: date, *, missing: tuple[int, ...] = ()) -> tuple[list[date], History]:
    """Return a POD whose power in the middle day is the number of the quarter, and 500 beside."""
    days = [day + timedelta(days=apart) for apart in (-1, 0, 1)]
    powers = [np.full(96, 500.0), np.arange(len(slots(day))) * 1.0, np.full(96, 500.0)]
    power_w = np.concatenate(powers)[None]
    origin = np.full(power_w.shape, Origin.CERTIFIED, np.uint8)
    for number in missing:
        power_w[0, 96 + number], origin[0, 96 + number] = 0, Origin.MISSING
    return days, History(("IT002E00000001",), day_start_ms(days[0]), power_w, origin)


def laid(days: list[date], history: History, until_ms: int = EVERYTHING_MS) -> Days:
    end_ms = min(day_interval(days[-1]).end_ms, until_ms)
    past = Past.of(history, Interval(day_start_ms(days[0]), end_ms))
    return Layout.of(past, days, until_ms).of_pods(np.array([0]))


def test_a_usual_day_lies_as_it_is() -> None:
    found = laid(*three_days_around(USUAL))
    assert found.known is None
    assert found.power_w[0, 1].tolist() == list(range(96))
    assert (found.power_w[:, [0, 2]] == 500).all()


def test_the_hour_that_spring_skips_is_not_known() -> None:
    found = laid(*three_days_around(SPRING))
    assert found.known is not None
    assert np.flatnonzero(~found.known[0, 1]).tolist() == [8, 9, 10, 11]
    assert found.power_w[0, 1, [7, 12, 95]].tolist() == [7, 8, 91]
    assert (found.power_w[:, [0, 2]] == 500).all()


def test_the_hour_that_autumn_has_twice_is_averaged() -> None:
    found = laid(*three_days_around(AUTUMN))
    assert found.power_w[0, 1, 7:13].tolist() == [7, 10, 11, 12, 13, 16]
    assert found.known is not None
    assert found.known.all()


def test_of_two_quarters_in_a_slot_the_known_one_counts() -> None:
    found = laid(*three_days_around(AUTUMN, missing=(8, 13)))
    assert found.power_w[0, 1, 8:10].tolist() == [12, 9]
    both = laid(*three_days_around(AUTUMN, missing=(8, 12)))
    assert both.known is not None
    assert np.flatnonzero(~both.known[0, 1]).tolist() == [8]
    assert both.power_w[0, 1, 8] == 0


def test_a_missing_quarter_is_not_known() -> None:
    found = laid(*three_days_around(USUAL, missing=(5,)))
    assert found.known is not None
    assert np.argwhere(~found.known).tolist() == [[0, 1, 5]]


@pytest.mark.parametrize("day", [USUAL, SPRING, AUTUMN])
def test_nothing_after_the_gate_is_known(day: date) -> None:
    days, history = three_days_around(day)
    found = laid(days, history, gate_ms(days[2]))
    assert not found.power_w[:, 2].any()
    assert not found.power_w[0, 1, 40:].any()
    assert found.power_w[0, 1, 39] == np.flatnonzero(slots(day) == 39)[0]


def test_a_quarter_that_ends_after_the_instant_is_not_known() -> None:
    days, history = three_days_around(USUAL)
    until_ms = day_start_ms(USUAL) + 10 * QUARTER_MS
    assert laid(days, history, until_ms - 1).power_w[0, 1, :11].tolist() == [*range(9), 0, 0]
    assert laid(days, history, until_ms).power_w[0, 1, :11].tolist() == [*range(10), 0]


def test_days_outside_the_history_are_not_known() -> None:
    days, history = three_days_around(USUAL)
    wider = [days[0] - timedelta(days=2), days[0] - timedelta(days=1), *days]
    wider.append(days[-1] + timedelta(days=1))
    found = laid(wider, history)
    assert found.known is not None
    assert found.known.all(axis=(0, 2)).tolist() == [False, False, True, True, True, False]
    far = [day + timedelta(days=400) for day in days]
    nothing = laid(far, history)
    assert nothing.known is not None
    assert not nothing.known.any()


def test_a_history_may_begin_within_a_day() -> None:
    days, whole = three_days_around(USUAL)
    cut = History(
        whole.pods, whole.start_ms + 100 * QUARTER_MS, whole.power_w[:, 100:], whole.origin[:, 100:]
    )
    found = laid(days, cut)
    assert found.known is not None
    assert found.known.sum(axis=2).ravel().tolist() == [0, 92, 96]
    assert found.power_w[0, 1, 3:6].tolist() == [0, 4, 5]


def test_the_end_of_the_history_is_an_end_too() -> None:
    days, whole = three_days_around(USUAL)
    cut = History(whole.pods, whole.start_ms, whole.power_w[:, :150], whole.origin[:, :150])
    found = laid(days, cut, day_interval(days[-1]).end_ms)
    assert found.known is not None
    assert found.known.sum(axis=2).ravel().tolist() == [96, 54, 0]
