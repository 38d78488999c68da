"""The fit: exact where the past is exact, the same with and without masks, one POD or many."""

from datetime import date, timedelta

import numpy as np
import pytest

from central.calendar import day_start_ms, gate_ms
from central.dso.forecast.days import Layout
from central.dso.forecast.features import Span, own_features, shared_features
from central.dso.forecast.fitting import Fit, fit, fits
from central.dso.forecast.history import History, Integers, Origin, Past
from central.dso.forecast.method import Method
from ledger.facts.interval import Interval
from tests.neighbourhood import Town, town

FIRST = date(2026, 5, 4)
DAY = FIRST + timedelta(days=46)
METHOD = Method(block=5)
SPAN = Span.of(DAY, trained_days=METHOD.trained_days, earlier_days=METHOD.earlier_days)


@pytest.fixture(scope="module")
def lived() -> Town:
    return town(12, FIRST, 48, 3, gaps=False)


def past_of(history: History) -> Past:
    return Past.of(history, Interval(day_start_ms(SPAN.source[0]), gate_ms(DAY)))


def fit_of(lived: Town, history: History, pods: Integers) -> Fit:
    days = Layout.of(past_of(history), SPAN.source, gate_ms(DAY)).of_pods(pods)
    shared = shared_features(lived.weather, SPAN, METHOD.least_weather_days)
    return fit(days, own_features(days, SPAN), shared, SPAN, METHOD.penalty)


def with_origin(history: History, pod: int, first: int, count: int) -> History:
    """Return a history that lacks some quarters of a POD."""
    origin, power_w = history.origin.copy(), history.power_w.copy()
    origin[pod, first : first + count] = Origin.MISSING
    power_w[pod, first : first + count] = 0
    return History(history.pods, history.start_ms, power_w, origin)


def test_residuals_are_what_came_less_what_was_said(lived: Town) -> None:
    found = fit_of(lived, lived.history, np.arange(12))
    assert found.counted is None
    assert (found.row_count == METHOD.trained_days * 96).all()
    day = SPAN.shown[SPAN.trained][9]
    said_w = found.mean_w[:, 9] + found.residual_w[:, 9]
    assert np.allclose(said_w, lived.actual_w(day), atol=0.01)


def test_the_fit_is_better_than_like_days_alone(lived: Town) -> None:
    days = Layout.of(past_of(lived.history), SPAN.source, gate_ms(DAY)).of_pods(np.arange(12))
    own = own_features(days, SPAN)
    found = fit_of(lived, lived.history, np.arange(12))
    came_w = found.mean_w[:, SPAN.trained] + found.residual_w
    alone_w = came_w - own.like_w[:, SPAN.trained]
    assert (found.residual_w**2).sum() < (alone_w**2).sum()


def test_a_pod_is_fitted_alone_as_among_others(lived: Town) -> None:
    together = fit_of(lived, lived.history, np.arange(12))
    alone = fit_of(lived, lived.history, np.array([7]))
    assert np.allclose(together.mean_w[7], alone.mean_w[0], atol=0.05)


def test_a_gap_of_one_pod_changes_nothing_for_the_others(lived: Town) -> None:
    holed = with_origin(lived.history, 3, 30 * 96 + 50, 1)
    masked = fit_of(lived, holed, np.arange(12))
    plain = fit_of(lived, lived.history, np.arange(12))
    assert masked.counted is not None
    assert plain.counted is None
    others = np.delete(np.arange(12), 3)
    assert np.allclose(masked.mean_w[others], plain.mean_w[others], atol=0.05)
    assert np.allclose(masked.mean_w[3, -1], plain.mean_w[3, -1], atol=20)
    assert masked.row_count[3] == METHOD.trained_days * 96 - 1


def test_what_was_missing_has_no_residual(lived: Town) -> None:
    holed = with_origin(lived.history, 3, 40 * 96, 200)
    found = fit_of(lived, holed, np.arange(12))
    assert found.counted is not None
    assert not found.residual_w[~found.counted].any()


def test_a_pod_that_takes_nothing_is_forecast_to_take_nothing(lived: Town) -> None:
    power_w = lived.history.power_w.copy()
    power_w[5] = 0
    dead = History(lived.pods, lived.history.start_ms, power_w, lived.history.origin)
    found = fit_of(lived, dead, np.arange(12))
    assert not found.mean_w[5].any()
    assert np.isfinite(found.mean_w).all()


def test_blocks_give_every_pod_once_those_without_gaps_first(lived: Town) -> None:
    holed = with_origin(lived.history, 3, 2_000, 5)
    past = past_of(holed)
    shared = shared_features(None, SPAN, METHOD.least_weather_days)
    blocks = list(fits(past, SPAN, shared, gate_ms(DAY), METHOD))
    assert [pods.tolist() for pods, _ in blocks] == [[0, 1, 2, 4, 5], [6, 7, 8, 9, 10], [11], [3]]
    assert [one.counted is None for _, one in blocks] == [True, True, True, False]
