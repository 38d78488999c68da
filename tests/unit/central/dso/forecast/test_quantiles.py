"""Empirical quantiles by the hour: numpy's, gaps left out, thin hours from the whole day."""

import numpy as np

from central.dso.forecast.quantiles import (
    HOURS,
    LEAST_RESIDUALS,
    column_quantiles,
    covered_pct,
    hourly_quantiles,
    quantiles_of_sorted,
)

LEVELS = (0.05, 0.5, 0.9)
DICE = np.random.default_rng(3)
RESIDUAL_W = DICE.standard_normal((4, 10, 96)) * np.linspace(1, 50, 96)


def test_without_gaps_they_are_numpys() -> None:
    found = hourly_quantiles(RESIDUAL_W, None, LEVELS)
    assert found.shape == (3, 4, HOURS)
    for hour in (0, 7, 23):
        of_hour = RESIDUAL_W[:, :, hour * 4 : hour * 4 + 4].reshape(4, -1)
        assert np.allclose(found[:, :, hour], np.quantile(of_hour, LEVELS, axis=1))


def test_the_residuals_are_left_as_they_are() -> None:
    before = RESIDUAL_W.copy()
    hourly_quantiles(RESIDUAL_W, np.ones(RESIDUAL_W.shape, np.bool_), LEVELS)
    assert np.array_equal(before, RESIDUAL_W)


def test_each_third_of_the_days_is_tested_on_the_others() -> None:
    residual_w = DICE.standard_normal((2, 9, 96))
    residual_w[:, :3] *= 3.0
    counted = DICE.random(residual_w.shape) < 0.8
    inside = []
    for third in (slice(0, 3), slice(3, 6), slice(6, 9)):
        others = counted.copy()
        others[:, third] = False
        low_w, high_w = np.repeat(hourly_quantiles(residual_w, others, (0.05, 0.9)), 4, axis=2)
        errors_w = residual_w[:, third]
        held = (low_w[:, None] <= errors_w) & (errors_w <= high_w[:, None])
        inside += held[counted[:, third]].tolist()
    found = covered_pct(residual_w, counted, LEVELS, hourly_quantiles)
    assert found is not None
    assert found == 100 * np.mean(inside)
    assert found < 75, "the first days are unlike the others, and 85 % would be by construction"
    every = np.ones(residual_w.shape, np.bool_)
    assert covered_pct(np.ones(residual_w.shape), every, LEVELS, hourly_quantiles) == 100.0
    of_columns = covered_pct(residual_w[:, :, :5], every[:, :, :5], LEVELS, column_quantiles)
    assert of_columns is not None
    assert 0 < of_columns < 85


def test_what_cannot_be_tested_is_not_said_to_be() -> None:
    every = np.ones(RESIDUAL_W.shape, np.bool_)
    for residual_w, counted, levels in (
        (RESIDUAL_W[:0], every[:0], LEVELS),
        (RESIDUAL_W[:, :1], every[:, :1], LEVELS),
        (RESIDUAL_W, ~every, LEVELS),
        (RESIDUAL_W, every, LEVELS[:1]),
        (RESIDUAL_W, every, ()),
    ):
        assert covered_pct(residual_w, counted, levels, hourly_quantiles) is None


def test_what_does_not_count_is_left_out() -> None:
    counted = DICE.random(RESIDUAL_W.shape) < 0.7
    found = hourly_quantiles(np.where(counted, RESIDUAL_W, 1e9), counted, LEVELS)
    of_hour = RESIDUAL_W[2, :, 28:32][counted[2, :, 28:32]]
    assert np.allclose(found[:, 2, 7], np.quantile(of_hour, LEVELS))


def test_an_hour_with_few_takes_those_of_the_whole_day() -> None:
    counted = np.ones(RESIDUAL_W.shape, np.bool_)
    counted[1, :, 8:12] = False
    counted[1, 0, 8:11] = True
    assert counted[1, :, 8:12].sum() < LEAST_RESIDUALS
    found = hourly_quantiles(RESIDUAL_W, counted, LEVELS)
    assert np.allclose(found[:, 1, 2], np.quantile(RESIDUAL_W[1][counted[1]], LEVELS))
    assert np.allclose(found[:, 0], hourly_quantiles(RESIDUAL_W, None, LEVELS)[:, 0])


def test_of_nothing_they_are_nothing() -> None:
    counted = np.ones(RESIDUAL_W.shape, np.bool_)
    counted[3] = False
    found = hourly_quantiles(RESIDUAL_W, counted, LEVELS)
    assert np.isfinite(found).all()
    assert not found[:, 3].any()
    assert hourly_quantiles(RESIDUAL_W[:0], None, LEVELS).shape == (3, 0, HOURS)
    assert hourly_quantiles(RESIDUAL_W[:0], counted[:0], LEVELS).shape == (3, 0, HOURS)


def test_they_rise_with_the_level() -> None:
    levels = tuple(np.linspace(0.01, 0.99, 40).tolist())
    counted = DICE.random(RESIDUAL_W.shape) < 0.3
    assert (np.diff(hourly_quantiles(RESIDUAL_W, counted, levels), axis=0) >= 0).all()


def test_columns_have_theirs() -> None:
    counted = DICE.random((4, 10, 96)) < 0.8
    found = column_quantiles(RESIDUAL_W, counted, LEVELS)
    assert np.allclose(found[:, 2, 5], np.quantile(RESIDUAL_W[2, :, 5][counted[2, :, 5]], LEVELS))


def test_of_sorted_only_the_first_count() -> None:
    rising = np.array([[1.0, 2.0, 3.0, np.inf], [5.0, np.inf, np.inf, np.inf]])
    found = quantiles_of_sorted(rising, np.array([3, 1]), (0.25, 0.5, 1.0))
    assert found.tolist() == [[1.5, 5.0], [2.0, 5.0], [3.0, 5.0]]
    assert quantiles_of_sorted(rising, np.array([0, 1]), (0.0,)).tolist() == [[0.0, 5.0]]
