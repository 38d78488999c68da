"""Laws of the forecast: the unit, the order, the gate, gaps, and no value that is no number."""

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from central.calendar import day_start_ms, gate_ms, quarter_count
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.history import Customers, History, Origin, Origins
from central.dso.forecast.intraday import intraday
from central.dso.forecast.method import Method
from central.dso.forecast.quantiles import hourly_quantiles
from central.dso.forecast.result import Forecast
from tests.neighbourhood import Town, town

DAYS = 44
FIRST = (date(2026, 2, 14), date(2026, 5, 4), date(2026, 9, 12))
METHOD = Method(trained_days=14, earlier_days=14, least_weather_days=7, block=3)

firsts = st.sampled_from(FIRST)
seeds = st.integers(0, 4)
factors = st.floats(1e-3, 1e6)


@lru_cache(maxsize=16)
def lived(first: date, seed: int) -> Town:
    return town(5, first, DAYS, seed)


def ahead(of: Town, day: date, *, with_weather: bool = True) -> Forecast:
    return day_ahead(
        of.history, of.customers, day, method=METHOD,
        weather=of.weather if with_weather else None, feeders={"all": of.pods},
    )  # fmt: skip


def next_hours(of: Town, now_ms: int) -> Forecast:
    return intraday(
        of.history, of.customers, now_ms,
        weather=of.weather, feeders={"all": of.pods}, method=METHOD,
    )  # fmt: skip


def with_history(of: Town, factor: float, origin: Origins) -> Town:
    power_w = np.where(origin != Origin.MISSING, of.history.power_w * factor, 0.0)
    customers = Customers(of.customers.contract_w * factor, of.customers.group)
    history = History(of.pods, of.history.start_ms, power_w, origin)
    return replace(of, history=history, customers=customers)


def days_of(first: date) -> st.SearchStrategy[date]:
    return st.integers(32, DAYS - 1).map(lambda number: first + timedelta(days=number))


@given(st.data(), firsts, seeds, factors)
@settings(max_examples=30, deadline=None)
def test_a_factor_on_all_power_is_a_factor_on_the_forecast(
    data: st.DataObject, first: date, seed: int, factor: float
) -> None:
    day = data.draw(days_of(first))
    plain = lived(first, seed)
    one = ahead(plain, day)
    scaled = with_history(plain, factor, plain.history.origin)
    other = ahead(scaled, day)
    size_w = np.abs(one.mean_w).max()
    assert np.allclose(other.mean_w / factor, one.mean_w, atol=1e-3 * size_w)
    assert np.allclose(other.quantile_w / factor, one.quantile_w, atol=1e-2 * size_w)
    now_ms = day_start_ms(day) + 36 * 900_000
    sooner, later = next_hours(plain, now_ms), next_hours(scaled, now_ms)
    assert np.allclose(later.mean_w / factor, sooner.mean_w, atol=1e-3 * size_w)


@given(st.data(), firsts, seeds, st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_pods_does_not_matter(
    data: st.DataObject, first: date, seed: int, order: list[int]
) -> None:
    day = data.draw(days_of(first))
    one = lived(first, seed)
    history, customers = one.history, one.customers
    other = replace(
        one,
        history=History(
            tuple(history.pods[n] for n in order), history.start_ms,
            history.power_w[order], history.origin[order],
        ),
        customers=Customers(
            customers.contract_w[order], tuple(customers.group[n] for n in order)
        ),
    )  # fmt: skip
    found = ahead(one, day).mean_w[order]
    assert np.allclose(ahead(other, day).mean_w, found, atol=1e-3 * np.abs(found).max())


@given(st.data(), firsts, seeds, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_any_gaps_leave_numbers_quantiles_that_rise_and_every_gap_named(
    data: st.DataObject, first: date, seed: int, holes: int
) -> None:
    day = data.draw(days_of(first))
    plain = lived(first, seed)
    dice = np.random.default_rng(holes)
    count = plain.history.power_w.shape[1]
    origin = np.full((5, count), Origin.CERTIFIED, np.uint8)
    for pod in range(1, 5):
        for _ in range(int(dice.integers(0, 8))):
            at = int(dice.integers(count))
            origin[pod, at : at + int(dice.integers(1, 2_000))] = Origin.MISSING
        if dice.random() < 0.3:
            origin[pod, dice.random(count) < dice.random()] = Origin.MISSING
    holed = with_history(plain, 1.0, origin)
    for found in (ahead(holed, day), next_hours(holed, day_start_ms(day) + 72 * 900_000)):
        assert np.isfinite(found.mean_w).all()
        assert np.isfinite(found.quantile_w).all()
        assert (np.diff(found.quantile_w, axis=0) >= 0).all()
        assert (np.diff(found.of_feeders.quantile_w, axis=0) >= 0).all()
        assert np.abs(found.mean_w).max() < 100 * np.abs(plain.power_w).max()
        named = {pod for note in found.notes for pod in note.pods}
        past = slice(
            max(0, holed.history.position(day_start_ms(day - timedelta(days=29)))),
            holed.history.position(gate_ms(day)),
        )
        lacking = (origin[:, past] == Origin.MISSING).any(axis=1)
        assert {pod for pod, lacks in zip(plain.pods, lacking, strict=True) if lacks} <= named
    assert ahead(holed, day).quarter_count == quarter_count(day)


@given(st.data(), firsts, seeds, st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30, deadline=None)
def test_whatever_comes_after_the_gate_changes_nothing(
    data: st.DataObject,
    first: date,
    seed: int,
    noise: int,
    with_weather: bool,  # noqa: FBT001 -- drawn
) -> None:
    day = data.draw(days_of(first))
    plain = lived(first, seed)
    after = plain.history.position(gate_ms(day))
    dice = np.random.default_rng(noise)
    power_w, origin = plain.history.power_w.copy(), plain.history.origin.copy()
    origin[:, after:] = dice.integers(0, 4, origin[:, after:].shape)
    power_w[:, after:] = np.where(
        origin[:, after:] > 0, dice.normal(0, 9_000, origin[:, after:].shape), 0
    )
    other = replace(plain, history=History(plain.pods, plain.history.start_ms, power_w, origin))
    one, two = (ahead(each, day, with_weather=with_weather) for each in (plain, other))
    assert np.array_equal(one.mean_w, two.mean_w)
    assert np.array_equal(one.quantile_w, two.quantile_w)
    assert np.array_equal(one.of_feeders.quantile_w, two.of_feeders.quantile_w)
    assert one.notes == two.notes
    assert one.provenance == two.provenance


@given(
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(0.001, 0.999), min_size=1, max_size=9, unique=True).map(sorted),
    st.floats(0, 1),
)
@settings(deadline=None)
def test_quantiles_are_monotone_and_within_what_came(
    days: int, seed: int, levels: list[float], share: float
) -> None:
    dice = np.random.default_rng(seed)
    residual_w = dice.standard_cauchy((3, days, 96))
    counted = dice.random(residual_w.shape) < share
    found = hourly_quantiles(residual_w, counted, tuple(levels))
    assert (np.diff(found, axis=0) >= 0).all()
    for row in range(3):
        seen = residual_w[row][counted[row]] if counted[row].any() else np.zeros(1)
        assert found[:, row].min() >= seen.min()
        assert found[:, row].max() <= seen.max()
