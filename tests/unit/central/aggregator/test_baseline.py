"""The aggregator's baseline: like days, the most similar, gaps, new PODs, and the same day."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.aggregator.baseline import USUAL, Baselines, Ground, Method, baselines
from central.aggregator.devices.declared import Generation
from central.aggregator.history import Floats, History
from central.aggregator.portfolio import Customer, Portfolio
from central.calendar import DayClass, day_class, day_interval, day_start_ms, quarter_count
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

WEDNESDAY = date(2026, 6, 10)
FIRST = date(2026, 5, 1)
DAYS = (WEDNESDAY - FIRST).days
PODS = ("IT002E00000001", "IT002E00000002", "IT002E00000003")
CONTRACT_W = (3_000, 6_000, 1_500)


def portfolio(count: int) -> Portfolio:
    return Portfolio.of(
        "aggregator",
        [
            Customer(
                pod=Pod(pod), contract_w=contract_w, owner="owner",
                devices=(Generation(power_w=1_000),),
            )
            for pod, contract_w in list(zip(PODS, CONTRACT_W, strict=True))[:count]
        ],
    )  # fmt: skip


def by_day(levels_w: list[float], first: date = FIRST) -> Floats:
    """Return days in a row, each at one level, with a slope of 1 W a slot on it."""
    return np.concatenate(
        [
            level + np.arange(quarter_count(first + timedelta(days=number)), dtype=float)
            for number, level in enumerate(levels_w)
        ]
    )


def usual_levels() -> list[float]:
    """Return 100 W on working days, 500 W on Saturdays, 900 W on Sundays and holidays."""
    level = {DayClass.WORKING: 100.0, DayClass.SATURDAY: 500.0, DayClass.HOLIDAY: 900.0}
    return [level[day_class(FIRST + timedelta(days=number))] for number in range(DAYS)]


def of(
    power_w: Floats, day: date = WEDNESDAY, first: date = FIRST, method: Method = USUAL
) -> Baselines:
    table = np.atleast_2d(power_w)
    history = History(PODS[: len(table)], day_start_ms(first), table)
    return baselines(history, portfolio(len(table)), day_interval(day), method=method)


@pytest.mark.parametrize(
    ("day", "level_w"),
    [(WEDNESDAY, 100.0), (date(2026, 6, 13), 500.0), (date(2026, 6, 14), 900.0)],
)
def test_days_of_the_same_class_are_averaged(day: date, level_w: float) -> None:
    found = of(by_day(usual_levels()), day)
    np.testing.assert_allclose(found.power_w[0], level_w + np.arange(96))
    np.testing.assert_allclose(found.error_w, 0.0, atol=1e-9)
    assert found.ground == (Ground.LIKE_DAYS,)
    assert found.standing_w[0] == pytest.approx(level_w)


def test_days_far_from_the_median_are_left_out() -> None:
    levels = usual_levels()
    levels[-1], levels[-2] = 5_000.0, 0.0
    found = of(by_day(levels))
    np.testing.assert_allclose(found.power_w[0], 100 + np.arange(96))
    assert found.day_count.tolist() == [8]


def test_the_error_is_that_of_the_mean() -> None:
    levels = [100.0 + 40.0 * (number % 2) for number in range(DAYS)]
    found = of(by_day(levels), method=Method(day_count=4, kept_count=4))
    seen = [
        levels[number]
        for number in range(DAYS)
        if day_class(FIRST + timedelta(days=number)) is DayClass.WORKING
    ][-4:]
    assert found.power_w[0, 0] == pytest.approx(np.mean(seen))
    assert found.error_w[0, 0] == pytest.approx(np.std(seen, ddof=1) / 2)


def test_the_day_itself_and_what_follows_are_not_looked_at() -> None:
    past = by_day(usual_levels())
    ahead = np.full(96 * 3, 9_000.0)
    np.testing.assert_array_equal(of(past).power_w, of(np.concatenate([past, ahead])).power_w)


def test_a_day_half_known_counts_as_none() -> None:
    levels = usual_levels()
    levels[-1] = 130.0
    power_w = by_day(levels)
    power_w[-60:] = np.nan
    np.testing.assert_allclose(of(power_w).power_w[0], 100 + np.arange(96))


def test_a_quarter_that_no_day_knew_is_a_line_between_its_neighbours_and_told() -> None:
    power_w = by_day(usual_levels())
    power_w.reshape(-1, 96)[:, 40:42] = np.nan
    found = of(power_w)
    np.testing.assert_allclose(found.power_w[0], 100 + np.arange(96))
    assert found.filled_count.tolist() == [2]
    np.testing.assert_allclose(found.error_w[0, 40:42], found.power_w[0, 40:42])


def test_too_few_days_of_the_class_fall_back_to_any_days() -> None:
    found = of(by_day([300.0] * 4, date(2026, 6, 6)), WEDNESDAY, date(2026, 6, 6))
    assert found.ground == (Ground.ANY_DAYS,)
    np.testing.assert_allclose(found.power_w[0], 300 + np.arange(96))


def test_a_new_pod_is_like_its_peers_per_watt_of_contract() -> None:
    known = by_day(usual_levels())
    found = of(np.stack([known, 2 * known, np.full(len(known), np.nan)]))
    assert found.ground == (Ground.LIKE_DAYS, Ground.LIKE_DAYS, Ground.PEERS)
    np.testing.assert_allclose(found.power_w[2], (100 + np.arange(96)) / 2)
    assert found.day_count.tolist() == [8, 8, 0]
    assert found.standing_w[2] == pytest.approx(50.0)


def test_nobody_has_a_past() -> None:
    found = of(np.full((2, 96 * DAYS), np.nan))
    assert found.ground == (Ground.NOTHING, Ground.NOTHING)
    assert np.isnan(found.power_w).all()


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_days_of_another_length(day: date, count: int) -> None:
    first = day - timedelta(days=35)
    found = of(by_day([100.0] * 35, first), day, first)
    assert found.power_w.shape == (1, count)
    expected = np.arange(96.0)
    slots = [*range(8), *range(12, 96)] if count == 92 else [*range(12), *range(8, 96)]
    np.testing.assert_allclose(found.power_w[0], 100 + expected[slots])


def test_hours_over_midnight_are_of_two_days() -> None:
    history = History(PODS[:1], day_start_ms(FIRST), by_day(usual_levels())[None])
    friday = date(2026, 6, 12)
    start_ms = day_interval(friday).end_ms - 2 * QUARTER_MS
    found = baselines(history, portfolio(1), Interval(start_ms, start_ms + 4 * QUARTER_MS))
    np.testing.assert_allclose(found.power_w[0], [194, 195, 500, 501])


@pytest.mark.parametrize(("surplus_w", "added_w"), [(20.0, 20.0), (900.0, 70.2), (-900.0, -70.2)])
def test_the_same_day_shifts_the_baseline_within_bounds(surplus_w: float, added_w: float) -> None:
    now_ms = day_start_ms(WEDNESDAY) + 80 * QUARTER_MS
    today = 100 + np.arange(80) + surplus_w
    power_w = np.concatenate([by_day(usual_levels()), today])[None]
    history = History(PODS[:1], day_start_ms(FIRST), power_w)
    ahead = Interval(now_ms, now_ms + 16 * QUARTER_MS)
    found = baselines(history, portfolio(1), ahead, known_until_ms=now_ms)
    assert found.adjusted_w[0] == pytest.approx(added_w, abs=0.5)
    np.testing.assert_allclose(found.power_w[0], 180 + np.arange(16) + found.adjusted_w[0])


def test_without_news_of_the_day_nothing_is_shifted() -> None:
    history = History(PODS[:1], day_start_ms(FIRST), by_day(usual_levels())[None])
    now_ms = day_start_ms(WEDNESDAY) + 80 * QUARTER_MS
    ahead = Interval(now_ms, now_ms + 16 * QUARTER_MS)
    found = baselines(history, portfolio(1), ahead, known_until_ms=now_ms)
    assert found.adjusted_w.tolist() == [0.0]


def test_a_portfolio_of_nobody_has_no_baseline() -> None:
    found = baselines(History((), 0, np.zeros((0, 4))), portfolio(0), day_interval(WEDNESDAY))
    assert found.power_w.shape == (0, 96)


def test_hours_that_are_known_already_and_broken_quarters_are_refused() -> None:
    history = History(PODS[:1], day_start_ms(FIRST), by_day(usual_levels())[None])
    day = day_interval(WEDNESDAY)
    for interval, known_ms in (
        (Interval(day.start_ms + 1, day.end_ms), None),
        (Interval(day.start_ms, day.start_ms), None),
        (day, day.start_ms + 1),
    ):
        with pytest.raises(Rejected) as caught:
            baselines(history, portfolio(1), interval, known_until_ms=known_ms)
        assert caught.value.reason == "bad_interval"


def test_a_method_that_keeps_more_days_than_it_looks_at_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        Method(day_count=3, kept_count=4)
    assert caught.value.reason == "bad_method"
