"""How far what came lay from what was forecast: empirical quantiles by the hour of the day."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from central.dso.forecast.history import Booleans, Floats, Integers, Singles

HOURS = 24
LEAST_RESIDUALS = 12
_PARTS = 3
_FULL_PCT = 100.0


def hourly_quantiles(
    residual_w: Floats | Singles, counted: Booleans | None, levels: tuple[float, ...]
) -> Floats:
    """Return quantiles of residuals [W] by the hour, shape (levels, rows, 24), rising by level.

    An hour with fewer than `LEAST_RESIDUALS` residuals takes those of the whole day; a row
    without any has quantiles of 0.

    Args:
        residual_w: what came less what was forecast, shape (rows, days, slots).
        counted: which residuals there are, same shape; None for all.
        levels: rising, between 0 and 1.
    """
    if counted is None:
        by_hour = _by_hour(residual_w)
        by_hour.sort(axis=2)
        return quantiles_of_sorted(by_hour, np.full((1, 1), by_hour.shape[2]), levels)
    rows, days, slots = counted.shape
    by_hour = _by_hour(np.where(counted, residual_w, np.float32(np.inf)))
    by_hour.sort(axis=2)
    count = counted.sum(axis=1).reshape(rows, HOURS, slots // HOURS).sum(axis=2)
    found = quantiles_of_sorted(by_hour, count, levels)
    thin = count < LEAST_RESIDUALS
    few = np.flatnonzero(thin.any(axis=1))
    whole = np.sort(by_hour[few].reshape(len(few), 1, days * slots), axis=2)
    pooled = quantiles_of_sorted(whole, count[few].sum(axis=1, keepdims=True), levels)
    found[:, few] = np.where(thin[few], pooled, found[:, few])
    return found


def column_quantiles(
    residual_w: Floats | Singles, counted: Booleans, levels: tuple[float, ...]
) -> Floats:
    """Return quantiles over the middle axis [W], shape (levels, rows, columns); 0 for none.

    Args:
        residual_w: shape (rows, residuals, columns).
        counted: which residuals there are, same shape.
        levels: rising, between 0 and 1.
    """
    rising = np.where(counted, residual_w, np.inf).swapaxes(1, 2).copy()
    rising.sort(axis=2)
    return quantiles_of_sorted(rising, counted.sum(axis=1), levels)


def covered_pct(
    residual_w: Floats,
    counted: Booleans,
    levels: tuple[float, ...],
    quantiles: Callable[[Floats, Booleans, tuple[float, ...]], Floats],
) -> float | None:
    """Return what share of residuals lay between outer quantiles made without them [%].

    Each third of the days is held against quantiles of the other two: days next to one another are
    alike, so one day left out would be tested on its like. The means are those of one fit to all
    the days, so what comes may lie outside a little more often. None if nothing can be tested.

    Args:
        residual_w: shape (rows, days, columns).
        counted: which residuals there are, same shape.
        levels: rising, between 0 and 1.
        quantiles: `hourly_quantiles` or `column_quantiles`.

    Source: Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, Journal of the
    Royal Statistical Society B 36 (1974), p. 111.
    """
    rows, days, columns = residual_w.shape
    if not rows or len(levels) < 2:  # noqa: PLR2004 -- none lies between
        return None
    part = np.arange(days) * _PARTS // days == np.arange(_PARTS)[:, None]
    there = np.broadcast_to(counted, (_PARTS, *counted.shape))
    others = there & ~part[:, None, :, None]
    tested = there & part[:, None, :, None] & others.any(axis=(2, 3), keepdims=True)
    if not (count := int(tested.sum())):
        return None
    flat = (_PARTS * rows, days, columns)
    errors_w = np.broadcast_to(residual_w, there.shape)
    outer_w = quantiles(errors_w.reshape(flat), others.reshape(flat), (levels[0], levels[-1]))
    steps_w = np.repeat(outer_w, columns // outer_w.shape[2], axis=2)
    low_w, high_w = steps_w.reshape(2, _PARTS, rows, 1, columns)
    inside = tested & (low_w <= errors_w) & (errors_w <= high_w)
    return _FULL_PCT * int(inside.sum()) / count


def _by_hour(of_slots: NDArray[Any]) -> NDArray[Any]:
    """Return a copy by rows and hours, shape (rows, 24, days * quarters)."""
    rows, days, slots = of_slots.shape
    hours = np.dtype((np.void, of_slots.itemsize * slots // HOURS))  # moved whole: far faster
    split = np.ascontiguousarray(of_slots).view(hours).swapaxes(1, 2).copy()
    return split.view(of_slots.dtype).reshape(rows, HOURS, days * slots // HOURS)


def quantiles_of_sorted(rising: Floats, count: Integers, levels: tuple[float, ...]) -> Floats:
    """Return quantiles of the first `count` of the last axis, shape (levels, …); 0 for none.

    Counts that are all the same may be given once, with axes of length 1.

    Source: Hyndman, Fan, Sample Quantiles in Statistical Packages, The American Statistician 50
    (1996), p. 363, definition 7.
    """
    last = np.maximum(count - 1, 0)
    place = np.array(levels).reshape(-1, *[1] * count.ndim) * last
    below = np.floor(place).astype(np.int64)
    rows = np.arange(0, rising.size, rising.shape[-1]).reshape(rising.shape[:-1])
    flat = rising.reshape(-1)
    low, high = flat[rows + below], flat[rows + np.minimum(below + 1, last)]
    with np.errstate(invalid="ignore"):  # nothing there: infinite, and not taken
        return np.where(count > 0, low + (high - low) * (place - below), 0.0)
