"""Features: like days, the last known day, weather that departs from the usual."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import SLOTS, day_start_ms, gate_ms
from central.dso.forecast.days import Days
from central.dso.forecast.features import Span, likeness, own_features, shared_features
from central.dso.forecast.weather import IRRADIANCE, TEMPERATURE, Issue, Weather

DAY = date(2026, 6, 10)  # a Wednesday
SPAN = Span.of(DAY, trained_days=14, earlier_days=14)


def source_days(power_w: float = 100.0) -> Days:
    return Days(np.full((1, len(SPAN.source), SLOTS), power_w, np.float32), None)


def test_a_span_ends_with_the_day_and_trains_up_to_two_before_it() -> None:
    assert SPAN.shown[-1] == DAY
    assert SPAN.shown[SPAN.trained][-1] == DAY - timedelta(days=2)
    assert len(SPAN.shown[SPAN.trained]) == 14
    assert SPAN.source[SPAN.first] == SPAN.shown[0]
    assert SPAN.source[-1] == DAY - timedelta(days=1)
    assert SPAN.shown[0] - SPAN.source[0] == timedelta(days=14)


def test_likeness_is_shared_out_among_days_that_are_over() -> None:
    weight = likeness(SPAN.shown, SPAN.source)
    assert np.allclose(weight.sum(axis=1), 1)
    for shown, row in zip(SPAN.shown, weight, strict=True):
        not_over = [n for n, day in enumerate(SPAN.source) if shown - day < timedelta(days=2)]
        assert not row[not_over].any()


def test_a_holiday_is_like_sundays_and_a_newer_day_says_more() -> None:
    of_day = dict(zip(SPAN.source, likeness(SPAN.shown, SPAN.source)[-1], strict=True))
    assert of_day[date(2026, 6, 8)] > of_day[date(2026, 6, 5)] > of_day[date(2026, 6, 6)] > 0
    assert of_day[date(2026, 6, 2)] < of_day[date(2026, 6, 1)] / 10  # the national day
    saturday = dict(zip(SPAN.source, likeness([date(2026, 6, 6)], SPAN.source)[0], strict=True))
    assert saturday[date(2026, 5, 30)] > saturday[date(2026, 5, 31)] > saturday[date(2026, 6, 4)]


def test_the_last_known_day_is_yesterday_until_ten_and_the_day_before_after() -> None:
    days = source_days()
    days.power_w[:, -1] += 7
    days.power_w[:, -2] += 5
    own = own_features(days, SPAN)
    last_w = own.like_w[0, -1] + own.apart_w[0, -1]
    assert np.allclose(last_w[:40], 107)
    assert np.allclose(last_w[40:], 105)
    assert own.founded is None


def test_what_is_not_known_neither_counts_nor_departs() -> None:
    whole = source_days()
    known = np.ones(whole.power_w.shape, np.bool_)
    known[:, 3:20:2] = False
    known[0, -1, :20] = False
    holed = Days(whole.power_w * known, known)
    own = own_features(holed, SPAN)
    assert np.allclose(own.like_w, 100)
    assert np.allclose(own.apart_w, 0, atol=1e-4)
    assert own.founded is not None
    assert own.founded.all()


def test_nothing_known_is_founded_on_nothing() -> None:
    known = np.zeros((1, len(SPAN.source), SLOTS), np.bool_)
    own = own_features(Days(np.zeros(known.shape, np.float32), known), SPAN)
    assert own.founded is not None
    assert not own.founded.any()
    assert not own.like_w.any()


def weather(days: int, *, said_until: int = SLOTS) -> Weather:
    """Return weather said in time for each of the last days, different each day."""
    issues = []
    for number in range(days):
        day = DAY - timedelta(days=number)
        light = np.linspace(0, 100 + number, SLOTS)
        values = np.stack([light, np.full(SLOTS, 5.0 + number / 10)], axis=1)
        issues.append(
            Issue(gate_ms(day), day_start_ms(day), values[: said_until if number == 0 else SLOTS])
        )
    return Weather((IRRADIANCE, TEMPERATURE), tuple(issues))


def test_without_weather_there_is_a_constant() -> None:
    shared = shared_features(None, SPAN, 7)
    assert shared.columns.shape == (16, 1, SLOTS)
    assert (shared.columns == 1).all()
    assert shared.usable.all()
    assert shared.issued_ms is None


def test_weather_departs_from_the_usual_and_has_one_size() -> None:
    shared = shared_features(weather(40), SPAN, 7)
    assert not shared.lacking
    assert shared.issued_ms == gate_ms(DAY)
    assert shared.columns.shape == (16, 1 + 2 * 3, SLOTS)  # it is never hot
    size = np.sqrt((shared.columns[SPAN.trained] ** 2).mean(axis=(0, 2)))
    assert np.allclose(size, 1, atol=1e-4)


def test_the_usual_weather_departs_from_nothing() -> None:
    values = np.tile([300.0, 20.0], (60 * SLOTS, 1))
    same = Weather(
        (IRRADIANCE, TEMPERATURE), (Issue(0, day_start_ms(DAY) - 50 * 86_400_000, values),)
    )
    shared = shared_features(same, SPAN, 7)
    assert not shared.lacking
    assert shared.columns.shape == (16, 1, SLOTS)


def test_weather_that_never_was_is_taken_to_be_the_farthest_that_was() -> None:
    told = weather(40)
    hot = Issue(gate_ms(DAY), day_start_ms(DAY), told.issues[0].values + np.array([5_000.0, 30.0]))
    shared = shared_features(Weather(told.columns, (hot, *told.issues[1:])), SPAN, 7)
    trained = shared.columns[SPAN.trained]
    assert (shared.columns[-1] <= trained.max(axis=(0, 2))[:, None] + 1e-6).all()
    assert (shared.columns[-1] >= trained.min(axis=(0, 2))[:, None] - 1e-6).all()


def test_a_day_half_told_is_not_used() -> None:
    shared = shared_features(weather(40, said_until=50), SPAN, 7)
    assert "46 of the day's 96 slots" in shared.lacking
    assert shared.columns.shape[1] == 1
    assert shared.usable.all()


@pytest.mark.parametrize(("days", "used"), [(9, False), (14, True)])
def test_weather_must_be_known_for_some_days(days: int, used: bool) -> None:  # noqa: FBT001 -- a case
    shared = shared_features(weather(days), SPAN, 7)
    assert (shared.columns.shape[1] > 1) is used
    assert bool(shared.lacking) is not used


def test_any_other_column_acts_in_proportion() -> None:
    told = weather(40)
    issues = tuple(Issue(i.issued_ms, i.start_ms, i.values[:, :1]) for i in told.issues)
    assert shared_features(Weather(("wind_w",), issues), SPAN, 7).columns.shape[1] == 3
