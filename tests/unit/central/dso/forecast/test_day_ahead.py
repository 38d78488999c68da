"""A day ahead: better than persistence, causal, of any length, with every reservation named."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import GATE_SLOT, day_start_ms, gate_ms
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.history import Customers, Floats, History, Origin
from central.dso.forecast.result import Forecast, Reason
from central.dso.forecast.weather import Issue, Weather, told_utc
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS
from tests.neighbourhood import Town, town

FIRST = date(2026, 5, 4)
DAY = FIRST + timedelta(days=46)  # Friday 19 June


@pytest.fixture(scope="module")
def lived() -> Town:
    return town(40, FIRST, 50, 11)


def forecast(of: Town, day: date = DAY, **more: object) -> Forecast:
    known = {"weather": of.weather, **more}
    return day_ahead(of.history, of.customers, day, **known)  # type: ignore[arg-type]


def same(one: Forecast, other: Forecast) -> bool:
    return np.array_equal(one.mean_w, other.mean_w) and np.array_equal(
        one.quantile_w, other.quantile_w
    )


def reasons(found: Forecast) -> dict[Reason, tuple[str, ...]]:
    return {note.reason: note.pods for note in found.notes}


def persistence_w(of: Town, day: date) -> Floats:
    """Return the last value of each slot of the clock that was known at the gate."""
    yesterday, before = (of.actual_w(day - timedelta(days=n)) for n in (1, 2))
    return np.concatenate([yesterday[:, :GATE_SLOT], before[:, GATE_SLOT:]], axis=1)


def test_it_is_better_than_persistence_and_weather_helps(lived: Town) -> None:
    errors = np.zeros(3)
    for days in range(43, 50):
        day = FIRST + timedelta(days=days)
        actual_w = lived.actual_w(day)
        for number, said_w in enumerate((
            forecast(lived, day).mean_w,
            forecast(lived, day, weather=None).mean_w,
            persistence_w(lived, day),
        )):  # fmt: skip
            errors[number] += np.abs(said_w - actual_w).mean()
    with_weather, without, persistence = errors
    assert with_weather < 0.8 * persistence
    assert with_weather < without < 0.95 * persistence


def test_quantiles_hold_what_they_say_as_far_as_one_sky_tells(lived: Town) -> None:
    below = []
    for days in range(43, 50):
        day = FIRST + timedelta(days=days)
        below.append((lived.actual_w(day) <= forecast(lived, day).quantile_w).mean(axis=(1, 2)))
    assert np.allclose(np.mean(below, axis=0), (0.05, 0.25, 0.5, 0.75, 0.95), atol=0.1)


def test_nothing_after_the_gate_is_used(lived: Town) -> None:
    history, gate = lived.history, gate_ms(DAY)
    after = history.position(gate)
    power_w, origin = history.power_w.copy(), history.origin.copy()
    power_w[:, after:] = 12_345.0
    origin[:, after:] = Origin.CERTIFIED
    other = History(history.pods, history.start_ms, power_w, origin)
    late = Issue(gate + 1, day_start_ms(DAY), np.full((96, 2), 777.0))
    weather = Weather(lived.weather.columns, (*lived.weather.issues, late))
    changed = replace(lived, history=other, weather=weather)
    assert same(forecast(lived), forecast(changed))


@pytest.mark.parametrize("back", [1, 96 - GATE_SLOT, 500])
def test_what_the_gate_sees_is_used(lived: Town, back: int) -> None:
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    power_w[:, history.position(gate_ms(DAY)) - back] += 5_000.0
    origin[:] = Origin.CERTIFIED
    other = History(history.pods, history.start_ms, power_w, origin)
    assert not same(forecast(lived), forecast(replace(lived, history=other)))


def test_weather_said_at_the_gate_is_used(lived: Town) -> None:
    dark = Issue(gate_ms(DAY), day_start_ms(DAY), np.full((96, 2), 1.0))
    weather = Weather(lived.weather.columns, (*lived.weather.issues, dark))
    found = forecast(lived, weather=weather)
    assert found.weather_issued_ms == gate_ms(DAY)
    assert found.mean_w[:, 44:56].sum() > forecast(lived).mean_w[:, 44:56].sum()


@pytest.mark.parametrize(
    ("first", "day", "quarters"),
    [
        (date(2026, 2, 10), date(2026, 3, 29), 92),
        (date(2026, 2, 10), date(2026, 3, 30), 96),
        (date(2026, 9, 8), date(2026, 10, 25), 100),
        (date(2026, 9, 8), date(2026, 10, 26), 96),
    ],
)
def test_days_of_any_length(first: date, day: date, quarters: int) -> None:
    lived = town(8, first, 50, 2)
    found = forecast(lived, day, feeders={"all": lived.pods})
    assert found.mean_w.shape == (8, quarters)
    assert found.quantile_w.shape == (5, 8, quarters)
    assert found.of_feeders.mean_w.shape == (1, quarters)
    assert found.interval.end_ms == day_start_ms(day + timedelta(days=1))
    error_w = np.abs(found.mean_w - lived.actual_w(day)).mean()
    assert error_w < 1.2 * np.abs(lived.actual_w(day)).mean()


def test_a_changed_clock_does_not_shift_the_day() -> None:
    first, day = date(2026, 2, 10), date(2026, 3, 31)
    lived = town(1, first, 50, 2, gaps=False)
    start = lived.history.start_ms
    count = lived.history.power_w.shape[1]
    power_w = np.zeros((1, count))
    for number in range(50):
        at = day_start_ms(first + timedelta(days=number))
        morning = (at - start) // 900_000 + (36 - (4 if number == 47 else 0))
        power_w[0, morning : morning + 4] = 1_000.0  # 9 to 10 by the clock, every day
    steady = History(lived.pods, start, power_w, lived.history.origin)
    found = day_ahead(steady, lived.customers, day)
    assert np.flatnonzero(found.mean_w[0] > 500).tolist() == [36, 37, 38, 39]
    assert np.allclose(found.mean_w[0, 36:40], 1_000, atol=1)


def test_a_new_pod_is_like_its_group_and_said_to_be(lived: Town) -> None:
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    power_w[4, : history.position(gate_ms(DAY)) - 300] = 0
    origin[4, : history.position(gate_ms(DAY)) - 300] = Origin.MISSING
    power_w[9], origin[9] = 0, Origin.MISSING
    other = History(history.pods, history.start_ms, power_w, origin)
    found = forecast(replace(lived, history=other))
    assert reasons(found)[Reason.COLD_START] == (lived.pods[4], lived.pods[9])
    group = np.array([one == lived.customers.group[9] for one in lived.customers.group])
    group[[4, 9]] = False
    per_watt = found.mean_w[group].sum(axis=0) / lived.customers.contract_w[group].sum()
    assert np.allclose(found.mean_w[9], per_watt * lived.customers.contract_w[9])
    assert "2 PODs are new" in found.statement()


def test_gaps_are_counted_and_named(lived: Town) -> None:
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    origin[:] = Origin.CERTIFIED
    at = history.position(gate_ms(DAY))
    for pod, quarters in ((2, 1), (7, 96 * 5)):
        power_w[pod, at - 700 : at - 700 + quarters] = 0
        origin[pod, at - 700 : at - 700 + quarters] = Origin.MISSING
    found = forecast(
        replace(lived, history=History(history.pods, history.start_ms, power_w, origin))
    )
    (note,) = (note for note in found.notes if note.reason is Reason.GAPS)
    assert dict(zip(note.pods, note.missing, strict=True)) == {
        lived.pods[2]: 1, lived.pods[7]: 480,
    }  # fmt: skip
    assert found.provenance.missing == 481
    assert found.provenance.imported == 0
    assert np.abs(found.mean_w[7] - lived.actual_w(DAY)[7]).mean() < 3_000


def test_a_slot_that_was_never_seen_makes_a_pod_new(lived: Town) -> None:
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    origin[:] = Origin.CERTIFIED
    power_w[3, 12::96], origin[3, 12::96] = 0, Origin.MISSING
    found = forecast(
        replace(lived, history=History(history.pods, history.start_ms, power_w, origin))
    )
    assert reasons(found)[Reason.COLD_START] == (lived.pods[3],)


def test_imports_and_weather_are_reserved(lived: Town) -> None:
    found = forecast(lived, weather=None)
    assert Reason.NO_WEATHER in reasons(found)
    assert Reason.IMPORTED in reasons(found)
    assert 0 < found.provenance.imported_pct < 100
    assert found.weather_issued_ms is None
    short = Weather(lived.weather.columns, lived.weather.issues[44:])
    assert "is not used" in forecast(lived, weather=short).statement()


def test_a_hole_in_one_issue_costs_no_more_than_its_hours(lived: Town) -> None:
    issues = list(lived.weather.issues)
    for holed in (30, 48):  # one that is learnt from, and one that is too late to be known
        each = issues[holed]
        issues[holed : holed + 1] = [
            replace(each, values=each.values[:140]),
            replace(each, start_ms=each.start_ms + 144 * QUARTER_MS, values=each.values[144:]),
        ]
    whole, found = (
        forecast(lived),
        forecast(lived, weather=replace(lived.weather, issues=(*issues,))),
    )
    assert found.weather_issued_ms == whole.weather_issued_ms
    (note,) = (note for note in found.notes if note.reason is Reason.WEATHER_GAPS)
    assert note.said.startswith("1 issues of the weather lack 4 quarters, first that of ")
    assert told_utc(lived.weather.issues[30].issued_ms) in note.said
    assert not same(whole, found)
    assert np.abs(whole.mean_w - found.mean_w).mean() < 0.01 * np.abs(whole.mean_w).mean()


def test_thirty_days_are_enough(lived: Town) -> None:
    history = lived.history
    first = history.position(day_start_ms(DAY - timedelta(days=30)))
    young = History(
        history.pods, history.start_ms + first * 900_000,
        history.power_w[:, first:], history.origin[:, first:],
    )  # fmt: skip
    found = forecast(replace(lived, history=young))
    assert Reason.COLD_START not in reasons(found)
    error_w = np.abs(found.mean_w - lived.actual_w(DAY)).mean()
    assert error_w < np.abs(persistence_w(lived, DAY) - lived.actual_w(DAY)).mean()


def test_the_quantiles_of_a_sum_are_narrower_than_the_sum_of_quantiles(lived: Town) -> None:
    found = forecast(lived, feeders={"all": lived.pods, "few": lived.pods[:3]})
    assert found.of_feeders.names == ("all", "few")
    assert np.allclose(found.of_feeders.mean_w[0], found.mean_w.sum(axis=0))
    width_w = found.of_feeders.quantile_w[-1, 0] - found.of_feeders.quantile_w[0, 0]
    added_w = (found.quantile_w[-1] - found.quantile_w[0]).sum(axis=0)
    assert (width_w < 0.8 * added_w).all()


def test_quantiles_of_a_sum_hold_what_they_say(lived: Town) -> None:
    inside, said_pct = [], []
    for days in range(43, 50):
        day = FIRST + timedelta(days=days)
        found = forecast(lived, day, feeders={"all": lived.pods})
        sums = found.of_feeders
        assert found.covered_pct is not None
        said_pct.append(found.covered_pct)
        actual_w = lived.actual_w(day).sum(axis=0)
        inside.append((sums.quantile_w[0, 0] <= actual_w) & (actual_w <= sums.quantile_w[-1, 0]))
    assert 0.75 <= np.mean(inside) <= 1
    assert np.mean(said_pct) == pytest.approx(100 * np.mean(inside), abs=5)
    assert "not tested" in forecast(lived).statement()


def test_who_is_not_of_the_history_is_refused(lived: Town) -> None:
    few = Customers(lived.customers.contract_w[:3], lived.customers.group[:3])
    with pytest.raises(Rejected, match="3 customers for a history of 40 PODs"):
        day_ahead(lived.history, few, DAY)
    with pytest.raises(Rejected, match="unknown POD"):
        forecast(lived, feeders={"far": ("IT999E99999999",)})


def test_without_any_past_there_is_no_forecast(lived: Town) -> None:
    with pytest.raises(Rejected, match="no POD has enough of a past"):
        forecast(lived, FIRST + timedelta(days=3))
    with pytest.raises(Rejected, match="no POD has enough of a past"):
        forecast(lived, FIRST + timedelta(days=400))
