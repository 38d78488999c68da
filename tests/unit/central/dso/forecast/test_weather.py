"""Weather: only what was said before the gate, the newest first."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import day_start_ms, gate_ms
from central.dso.forecast.history import Floats
from central.dso.forecast.weather import Issue, Weather, known_weather
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS

DAY = date(2026, 6, 10)


def issue(issued_ms: int, value: float, *, first: int = 0, count: int = 96) -> Issue:
    return Issue(
        issued_ms, day_start_ms(DAY) + first * QUARTER_MS, np.full((count, 1), float(value))
    )


def known(*issues: Issue) -> tuple[list[float], int | None]:
    found = known_weather(Weather(("irradiance_w_m2",), issues), [DAY])
    assert (found.values[~found.said] == 0).all()
    shown = np.where(found.said[0], found.values[0, :, 0], -1.0)
    return shown.tolist(), found.issued_ms[0]


def test_the_newest_issue_before_the_gate_counts_in_any_order() -> None:
    gate = gate_ms(DAY)
    one, two, late = issue(gate - 9, 1), issue(gate, 2), issue(gate + 1, 3)
    for order in ((one, two, late), (late, two, one), (two, late, one)):
        assert known(*order) == ([2.0] * 96, gate)


def test_an_older_issue_tells_what_a_newer_one_does_not() -> None:
    gate = gate_ms(DAY)
    found, issued_ms = known(issue(gate - 9, 1, count=60), issue(gate - 3, 2, first=8, count=10))
    assert found == [1.0] * 8 + [2.0] * 10 + [1.0] * 42 + [-1.0] * 36
    assert issued_ms == gate - 3


def test_nothing_was_said() -> None:
    assert known(issue(gate_ms(DAY) + 1, 3)) == ([-1.0] * 96, None)
    assert known() == ([-1.0] * 96, None)


def test_each_day_has_its_own_gate() -> None:
    days = [DAY, DAY + timedelta(days=1)]
    between = (gate_ms(days[0]) + gate_ms(days[1])) // 2
    weather = Weather(("t",), (issue(0, 1, count=192), issue(between, 2, count=192)))
    found = known_weather(weather, days)
    assert found.values[:, 50, 0].tolist() == [1, 2]
    assert found.issued_ms == (0, between)


@pytest.mark.parametrize(
    ("day", "known_slots"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 96)]
)
def test_days_of_other_lengths_lie_by_the_clock(day: date, known_slots: int) -> None:
    values = np.arange(100.0)[:, None]
    weather = Weather(("t",), (Issue(0, day_start_ms(day), values),))
    found = known_weather(weather, [day])
    assert found.said.sum() == known_slots
    assert found.values[0, 7, 0] == 7
    assert found.values[0, 9, 0] == (0 if known_slots == 92 else 11)


@pytest.mark.parametrize(
    ("values", "start_ms", "told"),
    [
        (np.zeros((4, 2)), 0, "shape"),
        (np.zeros(4), 0, "shape"),
        (np.zeros((4, 1)), 60_000, "issue of 1970-01-01T00:00Z: starts at 1970-01-01T00:01Z"),
        (np.array([[np.nan]]), 0, "no number"),
    ],
)
def test_what_would_be_misread_is_refused(values: Floats, start_ms: int, told: str) -> None:
    with pytest.raises(Rejected, match=told):
        Weather(("irradiance_w_m2",), (Issue(0, start_ms, values),))
