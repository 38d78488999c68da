"""What each customer takes when nobody asks (DA-3b): the mean of the most similar recent days.

The aggregator's own expectation, made to know what it can promise; what counts in the settlement
is the programme of the balance responsible party (I-03), made by another method.

```
 days of the same class, newest first   ●  ●  ●  ●  ●  ●  ●  ●  ●  ●   the last 10 that are known
 by the energy of the day               ●  ×  ●  ●  ●  ●  ×  ●  ●  ●   the 8 nearest to the median
 quarter by quarter, by the clock       mean, and its standard error
```
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from central.aggregator.history import Booleans, Floats, History, Integers
from central.aggregator.portfolio import Portfolio
from central.calendar import SLOTS, day_class, day_of, day_start_ms, slots
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval


class Ground(StrEnum):
    """What a baseline rests on."""

    LIKE_DAYS = "like_days"
    """Own days of the same class."""
    ANY_DAYS = "any_days"
    """Own days of any class: those of the same class are too few."""
    PEERS = "peers"
    """Customers with devices of the same kinds, per watt of contract: it has no past."""
    NOTHING = "nothing"
    """Nobody has a past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How much past is used, and how.

    Args:
        day_count: days of the same class that are looked at.
        kept_count: how many of them are averaged: those whose energy is nearest to the median.
        lookback_days: how far back they may lie.
        least_count: with fewer days, any class will do; with fewer of those, the POD is new.
        known_pct: a day of which less is known counts as no day.
        adjusted_quarters: quarters before the last known one that a same-day adjustment looks at.
        adjusted_pct: the most that it changes, of the baseline's mean size in these quarters.
        block: customers calculated at once.

    Raises:
        Rejected: `bad_method`: a count is not above 0, or more days are kept than looked at.
    """

    day_count: int = 10
    kept_count: int = 8
    lookback_days: int = 70
    least_count: int = 3
    known_pct: float = 75.0
    adjusted_quarters: int = 8
    adjusted_pct: float = 40.0
    block: int = 128

    def __post_init__(self) -> None:
        """Refuse what no baseline could be made with."""
        least = min(self.lookback_days, self.least_count, self.adjusted_quarters, self.block)
        if least < 1 or not 1 <= self.kept_count <= self.day_count:
            raise Rejected(
                f"counts must be above 0, and {self.kept_count} of {self.day_count} days be kept",
                where="baseline",
                reason="bad_method",
            )


USUAL = Method()


@dataclass(frozen=True, slots=True)
class Baselines:
    """What customers take from the grid in an interval; below 0 they give.

    Args:
        pods: of whom, in ascending order.
        interval: when.
        power_w: mean power of each quarter, shape (pods, quarters); NaN where `ground` is nothing.
        error_w: how sure that is: standard error of the mean, and of a new POD the standard
            deviation among its peers; same shape.
        standing_w: what never stops: the least quarter of the day, 0 or more, shape (pods).
        ground: what each rests on.
        day_count: days averaged for each, shape (pods); 0 for who is like its peers.
        filled_count: quarters of the day that no such day knew, taken from those beside them.
        adjusted_w: what the same day has added, shape (pods).
    """

    pods: tuple[str, ...]
    interval: Interval
    power_w: Floats
    error_w: Floats
    standing_w: Floats
    ground: tuple[Ground, ...]
    day_count: Integers
    filled_count: Integers
    adjusted_w: Floats


@dataclass(frozen=True, slots=True)
class _Days:
    """One class of day as some customers live it, by the clock; shapes (pods, 96) and (pods)."""

    mean_w: Floats
    error_w: Floats
    day_count: Integers
    filled_count: Integers
    is_like: Booleans


def baselines(
    history: History,
    portfolio: Portfolio,
    interval: Interval,
    *,
    method: Method = USUAL,
    known_until_ms: int | None = None,
) -> Baselines:
    """Return the baseline of each customer in an interval.

    Args:
        history: the past; what lies on or after the interval's first day is not looked at.
        portfolio: whose.
        interval: a market day, or hours.
        method: see there.
        known_until_ms: with it, what was measured until then shifts the baseline (real time).

    Raises:
        Rejected: `bad_interval`: not whole quarters, none at all, or they start before
            `known_until_ms`.

    Source: X of Y days with an additive same-day adjustment: Coughlin, Piette, Goldman and
        Kiliccote, Estimating Demand Response Load Impacts, LBNL-63728 (2008).
    """
    _check(interval, known_until_ms)
    seen = _with_hours_before(interval, method, known_until_ms)
    rows = history.rows_of(portfolio.pods)
    blocks = [
        _of_block(history, rows[first : first + method.block], seen, method)
        for first in range(0, len(rows), method.block)
    ]
    if not blocks:
        return _of_nobody(interval)
    power_w, error_w, standing_w, day_count, filled_count = (
        np.concatenate(parts) for parts in zip(*(block[:5] for block in blocks), strict=True)
    )
    is_like = np.concatenate([block[5] for block in blocks])
    ground = [
        (Ground.LIKE_DAYS if like else Ground.ANY_DAYS) if count else Ground.NOTHING
        for like, count in zip(is_like, day_count, strict=True)
    ]
    _like_their_peers(portfolio, ground, power_w, error_w, standing_w)
    adjusted_w = np.zeros(len(rows))
    if known_until_ms is not None:
        before = Interval(seen.start_ms, known_until_ms - known_until_ms % QUARTER_MS)
        adjusted_w = _adjustment_w(history.between(rows, before), power_w, method)
    skipped = (interval.start_ms - seen.start_ms) // QUARTER_MS
    found = Baselines(
        portfolio.pods, interval, power_w[:, skipped:], error_w[:, skipped:], standing_w,
        tuple(ground), day_count, filled_count, adjusted_w,
    )  # fmt: skip
    return replace(found, power_w=found.power_w + adjusted_w[:, None])


def _check(interval: Interval, known_until_ms: int | None) -> None:
    whole = not (interval.start_ms % QUARTER_MS or interval.end_ms % QUARTER_MS)
    known = known_until_ms is None or known_until_ms <= interval.start_ms
    if not whole or not interval.duration_ms or not known:
        raise Rejected(
            f"expected whole quarters that nobody knows yet, not {interval.start_ms} … "
            f"{interval.end_ms} ms, known until {known_until_ms}",
            where="baseline",
            reason="bad_interval",
        )


def _with_hours_before(interval: Interval, method: Method, known_until_ms: int | None) -> Interval:
    if known_until_ms is None:
        return interval
    until_ms = known_until_ms - known_until_ms % QUARTER_MS
    return Interval(until_ms - method.adjusted_quarters * QUARTER_MS, interval.end_ms)


def _of_nobody(interval: Interval) -> Baselines:
    none_w = np.zeros((0, interval.duration_ms // QUARTER_MS))
    nobody = np.zeros(0, np.int64)
    return Baselines((), interval, none_w, none_w, np.zeros(0), (), nobody, nobody, np.zeros(0))


_Block = tuple[Floats, Floats, Floats, Integers, Integers, Booleans]


def _of_block(history: History, rows: Integers, interval: Interval, method: Method) -> _Block:
    """Return mean, error, standing load, days, filled quarters, and whether days are alike."""
    wanted = _days_in(interval)
    past = [wanted[0] - timedelta(days=back) for back in range(1, method.lookback_days + 1)]
    power_w = history.days(rows, past)
    lived = [_lived(power_w, past, day, method) for day in wanted]
    at = [(slots(day), day_start_ms(day)) for day in wanted]
    first = (interval.start_ms - at[0][1]) // QUARTER_MS
    taken = slice(first, first + interval.duration_ms // QUARTER_MS)
    mean_w, error_w = (
        np.concatenate(
            [each[:, slot] for each, (slot, _) in zip(laid, at, strict=True)], axis=1
        )[:, taken]
        for laid in ([day.mean_w for day in lived], [day.error_w for day in lived])
    )  # fmt: skip
    standing_w = np.maximum(np.min([day.mean_w.min(axis=1) for day in lived], axis=0), 0.0)
    return (
        mean_w,
        error_w,
        standing_w,
        np.min([day.day_count for day in lived], axis=0),
        np.max([day.filled_count for day in lived], axis=0),
        np.all([day.is_like for day in lived], axis=0),
    )


def _days_in(interval: Interval) -> list[date]:
    first, last = day_of(interval.start_ms), day_of(interval.end_ms - 1)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _lived(power_w: Floats, past: Sequence[date], day: date, method: Method) -> _Days:
    """Return a day as the most similar of the past days, shape (pods, past days, 96), were."""
    known = ~np.isnan(power_w)
    whole = known.mean(axis=2) * 100 >= method.known_pct
    alike = np.array([day_class(each) == day_class(day) for each in past])
    is_like = (whole & alike).sum(axis=1) >= method.least_count
    usable = whole & (alike | ~is_like[:, None])
    usable[usable.sum(axis=1) < method.least_count] = False
    recent = usable & (np.cumsum(usable, axis=1) <= method.day_count)
    chosen, count = _most_similar(power_w, known, recent, method)
    mean_w, error_w, filled_count = _averaged(chosen)
    return _Days(mean_w, error_w, count, filled_count, is_like)


def _most_similar(
    power_w: Floats, known: Booleans, recent: Booleans, method: Method
) -> tuple[Floats, Integers]:
    """Return the days nearest to the median of their mean power, NaN for none, and their count."""
    day_w = np.where(known, power_w, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    some = recent.any(axis=1)
    distance_w = np.full(day_w.shape, np.inf)
    recent_w = np.where(recent, day_w, np.nan)[some]
    off_w = np.abs(recent_w - np.nanmedian(recent_w, axis=1, keepdims=True)) if some.any() else 0.0
    distance_w[some] = np.where(recent[some], off_w, np.inf)
    order = np.argsort(distance_w, axis=1, kind="stable")[:, : method.kept_count]
    kept = np.take_along_axis(power_w, order[:, :, None], axis=1)
    count = np.minimum(recent.sum(axis=1), method.kept_count)
    kept[np.arange(kept.shape[1]) >= count[:, None]] = np.nan
    return kept, count


def _averaged(chosen: Floats) -> tuple[Floats, Floats, Integers]:
    """Return mean and standard error by the clock, and how many quarters nobody knew."""
    known = ~np.isnan(chosen)
    count = known.sum(axis=1)
    mean_w = np.where(known, chosen, 0.0).sum(axis=1) / np.maximum(count, 1)
    squares = np.where(known, (chosen - mean_w[:, None]) ** 2, 0.0).sum(axis=1)
    spread_w = np.sqrt(squares / np.maximum(count - 1, 1))
    # One day alone says nothing of how days differ: it is as unsure as it is large.
    error_w = np.where(count > 1, spread_w / np.sqrt(np.maximum(count, 1)), np.abs(mean_w))
    mean_w[count == 0] = np.nan
    return _filled(mean_w, error_w, count.any(axis=1))


def _filled(mean_w: Floats, error_w: Floats, is_known: Booleans) -> tuple[Floats, Floats, Integers]:
    """Lay a straight line over the quarters that no day knew, as unsure as it is large."""
    gaps = np.isnan(mean_w)
    slot = np.arange(SLOTS)
    for row in np.flatnonzero(gaps.any(axis=1) & is_known):
        gap = gaps[row]
        mean_w[row, gap] = np.interp(slot[gap], slot[~gap], mean_w[row, ~gap])
        error_w[row, gap] = np.abs(mean_w[row, gap])
    return mean_w, error_w, np.where(is_known, gaps.sum(axis=1), 0)


def _like_their_peers(
    portfolio: Portfolio, ground: list[Ground], power_w: Floats, error_w: Floats, standing_w: Floats
) -> None:
    """Write what customers without a past take to be like, per watt of contract, into place."""
    is_new = np.array([each is Ground.NOTHING for each in ground])
    contract_w, groups = portfolio.contract_w, np.array(portfolio.groups)
    power_w[is_new], error_w[is_new], standing_w[is_new] = np.nan, np.nan, 0.0
    if is_new.all():
        return
    for group in np.unique(groups[is_new]):
        peers = ~is_new & (groups == group)
        peers = peers if peers.any() else ~is_new
        new = np.flatnonzero(is_new & (groups == group))
        per_watt = power_w[peers] / contract_w[peers, None]
        mean = power_w[peers].sum(axis=0) / contract_w[peers].sum()
        # A single peer says nothing of how peers differ.
        spread = per_watt.std(axis=0, ddof=1) if len(per_watt) > 1 else np.abs(mean)
        power_w[new] = contract_w[new, None] * mean
        error_w[new] = contract_w[new, None] * spread
        standing_w[new] = contract_w[new] * (standing_w[peers].sum() / contract_w[peers].sum())
        for row in new:
            ground[row] = Ground.PEERS


def _adjustment_w(measured_w: Floats, power_w: Floats, method: Method) -> Floats:
    """Return what the last hours of the same day add to every quarter, shape (pods) [W]."""
    expected_w = power_w[:, : measured_w.shape[1]]
    known = ~np.isnan(measured_w - expected_w)
    enough = known.mean(axis=1) >= 0.5  # noqa: PLR2004 -- half of them
    count = np.maximum(known.sum(axis=1), 1)
    shift_w = np.where(known, measured_w - expected_w, 0.0).sum(axis=1) / count
    most_w = np.where(known, np.abs(expected_w), 0.0).sum(axis=1) / count
    most_w *= method.adjusted_pct / 100
    adjusted_w: Floats = np.where(enough, np.clip(shift_w, -most_w, most_w), 0.0)
    return adjusted_w
