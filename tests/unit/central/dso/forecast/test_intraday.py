"""Four hours ahead: better than the day before, causal, across midnight and changed clocks."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import day_start_ms
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.history import Floats, History, Origin
from central.dso.forecast.intraday import HORIZON, Coming, intraday
from central.dso.forecast.method import Method
from central.dso.forecast.result import Forecast, Reason
from ledger.facts.interval import QUARTER_MS
from tests.neighbourhood import Town, town

FIRST = date(2026, 5, 4)
DAY = FIRST + timedelta(days=46)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def lived() -> Town:
    return town(40, FIRST, 50, 11)


def forecast(of: Town, now_ms: int, **more: object) -> Forecast:
    known = {"weather": of.weather, **more}
    return intraday(of.history, of.customers, now_ms, **known)  # type: ignore[arg-type]


def actual_w(of: Town, start_ms: int) -> Floats:
    first = of.history.position(start_ms)
    return of.power_w[:, first : first + HORIZON]


def test_it_is_better_than_the_day_before_most_of_all_at_once(lived: Town) -> None:
    errors = np.zeros((2, HORIZON))
    for days in (44, 45, 46, 47):
        day = FIRST + timedelta(days=days)
        ahead = day_ahead(lived.history, lived.customers, day, weather=lived.weather)
        for hour in (6, 11, 13, 17):
            now_ms = day_start_ms(day) + hour * HOUR_MS
            came_w = actual_w(lived, now_ms)
            said_w = ahead.mean_w[:, hour * 4 : hour * 4 + HORIZON]
            errors[0] += np.abs(forecast(lived, now_ms).mean_w - came_w).mean(axis=0)
            errors[1] += np.abs(said_w - came_w).mean(axis=0)
    assert errors[0].sum() < errors[1].sum()
    assert errors[0, 0] < 0.8 * errors[1, 0]


def test_quantiles_hold_what_they_say_as_far_as_one_sky_tells(lived: Town) -> None:
    below = []
    for days in (44, 45, 46, 47):
        for hour in (2, 8, 12, 18, 22):
            now_ms = day_start_ms(FIRST + timedelta(days=days)) + hour * HOUR_MS
            quantile_w = forecast(lived, now_ms).quantile_w
            below.append((actual_w(lived, now_ms) <= quantile_w).mean(axis=(1, 2)))
    assert np.allclose(np.mean(below, axis=0), (0.05, 0.25, 0.5, 0.75, 0.95), atol=0.1)


@pytest.mark.parametrize("hour", [0, 9, 12, 21])
def test_nothing_after_now_is_used(lived: Town, hour: int) -> None:
    now_ms = day_start_ms(DAY) + hour * HOUR_MS + 5 * 60_000
    history = lived.history
    after = history.position(now_ms)
    power_w, origin = history.power_w.copy(), history.origin.copy()
    power_w[:, after:], origin[:, after:] = 12_345.0, Origin.CERTIFIED
    other = replace(lived, history=History(history.pods, history.start_ms, power_w, origin))
    one, two = forecast(lived, now_ms), forecast(other, now_ms)
    assert np.array_equal(one.mean_w, two.mean_w)
    assert np.array_equal(one.quantile_w, two.quantile_w)
    power_w[:, after - 1] += 3_000.0
    moved = replace(lived, history=History(history.pods, history.start_ms, power_w, origin))
    assert not np.array_equal(one.mean_w, forecast(moved, now_ms).mean_w)


def test_it_starts_with_the_next_quarter(lived: Town) -> None:
    noon_ms = day_start_ms(DAY) + 12 * HOUR_MS
    assert forecast(lived, noon_ms).start_ms == noon_ms
    assert forecast(lived, noon_ms + 1).start_ms == noon_ms + QUARTER_MS
    found = forecast(lived, noon_ms - 1)
    assert (found.start_ms, found.quarter_count) == (noon_ms, HORIZON)


@pytest.mark.parametrize("hour", [3, 9, 12, 18])
def test_a_quarter_under_way_is_not_taken_for_silence(lived: Town, hour: int) -> None:
    on_ms = day_start_ms(DAY) + hour * HOUR_MS
    within, on = forecast(lived, on_ms + 2 * 60_000), forecast(lived, on_ms)
    assert within.start_ms == on_ms + QUARTER_MS
    apart_w = np.abs(within.mean_w[:, 0] - on.mean_w[:, 1]).sum()
    assert apart_w < 0.1 * np.abs(on.mean_w[:, 1]).sum()


def test_it_goes_on_after_midnight(lived: Town) -> None:
    now_ms = day_start_ms(DAY) + 22 * HOUR_MS
    coming = Coming.of(now_ms, Method())
    assert coming.span.shown[-1] == DAY + timedelta(days=1)
    assert coming.slot.tolist() == [*range(88, 96), *range(8)]
    assert coming.begin == coming.day[0] * 96 + 88
    found = forecast(lived, now_ms)
    assert np.abs(found.mean_w - actual_w(lived, now_ms)).mean() < 600


def test_origins_stand_at_the_same_time_and_have_come_true() -> None:
    for hour in (0, 7, 23):
        coming = Coming.of(day_start_ms(DAY) + hour * HOUR_MS, Method())
        apart = (coming.origins - coming.begin + 48) % 96 - 48
        assert np.abs(apart).max() == 4
        assert coming.origins.max() + HORIZON <= coming.begin
        assert len(coming.origins) > 150


@pytest.mark.parametrize(
    ("first", "day"),
    [(date(2026, 2, 10), date(2026, 3, 29)), (date(2026, 9, 8), date(2026, 10, 25))],
)
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 5])
def test_changed_clocks(first: date, day: date, hour: int) -> None:
    lived = town(6, first, 50, 4)
    now_ms = day_start_ms(day) + hour * HOUR_MS
    found = forecast(lived, now_ms, feeders={"all": lived.pods})
    assert found.quarter_count == HORIZON
    assert found.start_ms == now_ms
    assert np.abs(found.mean_w - actual_w(lived, now_ms)).mean() < 1_000


def test_who_says_nothing_is_named_and_forecast_as_the_day_before(lived: Town) -> None:
    now_ms = day_start_ms(DAY) + 12 * HOUR_MS
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    silent = slice(history.position(now_ms) - HORIZON, None)
    power_w[6, silent], origin[6, silent] = 0, Origin.MISSING
    other = History(history.pods, history.start_ms, power_w, origin)
    found = forecast(replace(lived, history=other), now_ms)
    (note,) = (note for note in found.notes if note.reason is Reason.NOTHING_RECENT)
    assert (note.pods, note.missing) == ((lived.pods[6],), (HORIZON,))
    ahead = day_ahead(other, lived.customers, DAY, weather=lived.weather)
    assert np.allclose(found.mean_w[6], ahead.mean_w[6, 48:64], atol=0.05)


def test_a_new_pod_is_like_its_group(lived: Town) -> None:
    now_ms = day_start_ms(DAY) + 12 * HOUR_MS
    history = lived.history
    power_w, origin = history.power_w.copy(), history.origin.copy()
    power_w[6], origin[6] = 0, Origin.MISSING
    other = History(history.pods, history.start_ms, power_w, origin)
    found = forecast(replace(lived, history=other), now_ms)
    assert {note.reason: note.pods for note in found.notes}[Reason.COLD_START] == (lived.pods[6],)
    assert found.mean_w[6].any()


def test_sums_have_quantiles_of_their_own(lived: Town) -> None:
    now_ms = day_start_ms(DAY) + 12 * HOUR_MS
    found = forecast(lived, now_ms, feeders={"all": lived.pods})
    assert np.allclose(found.of_feeders.mean_w[0], found.mean_w.sum(axis=0))
    width_w = found.of_feeders.quantile_w[-1, 0] - found.of_feeders.quantile_w[0, 0]
    assert (width_w < 0.8 * (found.quantile_w[-1] - found.quantile_w[0]).sum(axis=0)).all()
    assert found.covered_pct is not None
    assert 70 < found.covered_pct < 90, "less than by construction"
