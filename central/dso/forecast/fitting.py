"""The fit of a block of points of delivery: a ridge on the day-ahead features.

The target is what came less the mean of like days, so that the penalty pulls a point of delivery
about which little is known towards its like days.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from central.calendar import SLOTS
from central.dso.forecast.days import Days, Layout
from central.dso.forecast.features import Own, Shared, Span, own_features
from central.dso.forecast.history import Booleans, Floats, Integers, Past, Singles
from central.dso.forecast.method import Method
from central.dso.forecast.ridge import Sums, solve

_OWN = 2


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted to a block.

    Args:
        mean_w: forecast of every shown day [W], shape (pods, shown, 96).
        residual_w: what came less this, of the trained days [W]; 0 where a row is not counted.
        counted: the rows trained on, shape (pods, trained, 96); None for all.
        row_count: how many these are, shape (pods).
        scale_w: root mean square of the mean of like days over these rows [W], shape (pods).
        founded: which PODs have like days for every slot of the last shown day, shape (pods).
    """

    mean_w: Singles
    residual_w: Singles
    counted: Booleans | None
    row_count: Integers
    scale_w: Floats
    founded: Booleans


def fits(
    past: Past, span: Span, shared: Shared, known_until_ms: int, method: Method
) -> Iterator[tuple[Integers, Fit]]:
    """Yield the PODs of each block with their fit; those without gaps come first."""
    layout = Layout.of(past, span.source, known_until_ms)
    for alike in (np.flatnonzero(past.missing == 0), np.flatnonzero(past.missing)):
        for first in range(0, len(alike), method.block):
            pods = alike[first : first + method.block]
            days = layout.of_pods(pods)
            yield pods, fit(days, own_features(days, span), shared, span, method.penalty)


def fit(days: Days, own: Own, shared: Shared, span: Span, penalty: float) -> Fit:
    """Return the fit of the PODs of a block.

    Args:
        days: the source days.
        own: their features.
        shared: the features that all have.
        span: the days.
        penalty: share of the rows, see `ridge.solve`.
    """
    power_w = days.power_w[:, span.first : span.first + span.trained.stop]
    counted = _counted(days, own, shared, span)
    rows = None if counted is None else counted.astype(np.float32)
    sums = _sums(power_w, own, shared, rows)
    count = np.broadcast_to(sums.count, len(power_w))
    scale_w = np.sqrt(sums.gram[:, 0, 0] / np.maximum(count, 1))
    scale_w[scale_w == 0] = 1.0
    size = np.ones(sums.right.shape[:2])
    size[:, :_OWN] = scale_w[:, None]
    mean_w = _mean_w(own, shared, solve(sums, size, penalty)[:, :, 0])
    residual_w = power_w - mean_w[:, span.trained]
    if rows is not None:
        residual_w *= rows
    founded = np.ones(len(scale_w), np.bool_)
    if own.founded is not None:
        founded &= own.founded[:, -1].all(axis=1)
    return Fit(mean_w, residual_w, counted, count.astype(np.int64), scale_w, founded)


def _counted(days: Days, own: Own, shared: Shared, span: Span) -> Booleans | None:
    """Return the rows to train on, shape (pods, trained, 96); None for all."""
    trained = span.trained
    usable = shared.usable[trained]
    if days.known is None:
        if usable.all():
            return None
        return np.broadcast_to(usable, (len(days.power_w), *usable.shape))
    known = days.known[:, span.first : span.first + trained.stop]
    counted: Booleans = known & usable
    return counted if own.founded is None else counted & own.founded[:, trained]


def _sums(power_w: Singles, own: Own, shared: Shared, rows: Singles | None) -> Sums:
    """Return the normal equations of all columns: those of `Own`, then those of `Shared`."""
    columns = shared.columns[: power_w.shape[1]]
    own_w = own.columns_w[:, :, : power_w.shape[1]]
    if rows is not None:
        own_w, power_w = own_w * rows[:, None], power_w * rows
    width = _OWN + columns.shape[1]
    gram, right = np.empty((len(power_w), width, width)), np.empty((len(power_w), width))
    gram[:, :_OWN, :_OWN] = _dot(own_w[:, :, None], own_w[:, None])
    for number in range(_OWN):
        gram[:, number, _OWN:] = gram[:, _OWN:, number] = _across(own_w[:, number], columns)
    gram[:, _OWN:, _OWN:], count = _shared_gram(shared, rows)
    right[:, :_OWN] = _dot(own_w, power_w[:, None])
    right[:, _OWN:] = _across(power_w, columns)
    right -= gram[:, 0]  # the target is what came less the first column
    return Sums(gram, right[:, :, None], count)


def _shared_gram(shared: Shared, rows: Singles | None) -> tuple[Floats, Floats]:
    """Return the Gram matrices of the shared columns, and the rows counted: one, or one a POD."""
    if rows is None:
        rows = np.ones((1, len(shared.products), SLOTS), np.float32)
    products = _across(rows, shared.products)
    (left, right), width = shared.pairs, shared.columns.shape[1]
    gram = np.empty((len(products), width, width))
    gram[:, left, right] = gram[:, right, left] = products
    return gram, rows.sum(axis=(1, 2), dtype=np.float64)


def _dot(one: Singles, other: Singles) -> Floats:
    """Return the sum over days and slots, the last axes, of the products of columns."""
    one, other = (each.reshape(*each.shape[:-2], -1) for each in (one, other))
    return np.asarray(np.vecdot(one, other), np.float64)


def _across(one: Singles, columns: Singles) -> Floats:
    """Return the sums over days and slots of a column with each shared one, (pods, columns).

    Day by day: a product this small is left to one thread, and is as fast.
    """
    return np.asarray(np.matmul(one.swapaxes(0, 1), columns.swapaxes(1, 2)).sum(axis=0), np.float64)


def _mean_w(own: Own, shared: Shared, coefficients: Floats) -> Singles:
    """Return the forecast of every shown day [W]."""
    single = coefficients.astype(np.float32)
    single[:, 0] += 1  # as the target is less by it
    of_own_w = single[:, None, :_OWN] @ own.columns_w.reshape(len(single), _OWN, -1)
    mean_w: Singles = of_own_w.reshape(own.like_w.shape)
    mean_w += np.matmul(single[:, _OWN:], shared.columns).swapaxes(0, 1)
    return mean_w
