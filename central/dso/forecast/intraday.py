"""The next four hours: the day-ahead forecast, and a ridge on how it has erred until now (RT-1a).

```
 error of the day-ahead forecast   e e e e e e e e e e e e e e e e | ? ? ? ? … 16 quarters
 its means                         <------------ 16 -------------> now
                                                           <- 4 -->
                                                                 1
```

It is learnt at about the same time of the day, from the days that the day-ahead fit is learnt on
and from all that came since.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from central.calendar import SLOTS, day_of, day_start_ms, gate_ms, slots
from central.dso.forecast.days import Days, Layout
from central.dso.forecast.features import Span, shared_features
from central.dso.forecast.feeders import NO_FEEDERS, FeederResiduals, Feeders
from central.dso.forecast.fitting import Fit, fits
from central.dso.forecast.history import (
    Booleans,
    Customers,
    Floats,
    History,
    Integers,
    Past,
    Singles,
)
from central.dso.forecast.method import Method
from central.dso.forecast.newcomers import like_their_group
from central.dso.forecast.quantiles import LEAST_RESIDUALS, column_quantiles, covered_pct
from central.dso.forecast.reservations import refuse_other_customers, reservations, silent
from central.dso.forecast.result import Band, Forecast, Provenance
from central.dso.forecast.ridge import Sums, solve
from central.dso.forecast.weather import Weather
from ledger.facts.interval import QUARTER_MS, Interval

HORIZON = 16
_WINDOWS = (1, 4, 16)
_LONGEST = max(_WINDOWS)
_LATEST = (np.arange(_LONGEST, 0, -1)[:, None] <= _WINDOWS).astype(np.float32)
"""1 for those of the last 16 that are in each window, shape (16, 3)."""
_AROUND = 4


def intraday(
    history: History,
    customers: Customers,
    now_ms: int,
    *,
    weather: Weather | None = None,
    feeders: Feeders = NO_FEEDERS,
    method: Method | None = None,
) -> Forecast:
    """Return the power of each POD in the 16 quarters from the next one on.

    Args:
        history: the past; what ends after `now_ms` is not looked at.
        customers: contract and group of each POD, in the order of the history.
        now_ms: the instant [ms since 1970, UTC].
        weather: as said before the gate of the day in which the four hours end.
        feeders: sums to forecast as well.
        method: how much past is used; the usual if None.

    Raises:
        Rejected: customers or feeders do not fit the history, or no POD has a past.
    """
    method = method or Method()
    refuse_other_customers(history, customers)
    coming = Coming.of(now_ms, method)
    span, levels = coming.span, method.levels
    shared = shared_features(weather, span, method.least_weather_days)
    count = len(history.pods)
    sums = FeederResiduals.of(feeders, history.pods, (len(coming.origins), HORIZON))
    mean_w, scale_w, new = np.empty((count, HORIZON)), np.empty(count), np.empty(count, np.bool_)
    quantile_w = np.empty((len(levels), count, HORIZON))
    now = now_ms - now_ms % QUARTER_MS
    past = Past.of(history, Interval(day_start_ms(span.source[0]), now))
    last = Past.of(history, Interval(now - _LONGEST * QUARTER_MS, now))
    seen = Layout.of(past, span.shown, now_ms)
    for pods, fit in fits(past, span, shared, gate_ms(span.shown[-1]), method):
        learnt = _learn(_errors(fit, seen.of_pods(pods), coming), coming, method.penalty)
        mean_w[pods] = fit.mean_w[:, coming.day, coming.slot] + learnt.correction_w
        quantile_w[:, pods] = mean_w[pods] + learnt.quantiles_w(levels)
        few = learnt.counted[:, :, 0].sum(axis=1) < LEAST_RESIDUALS
        new[pods] = (fit.row_count < method.least_days * SLOTS) | ~fit.founded | few
        scale_w[pods] = fit.scale_w
        sums.add(pods, learnt.residual_w, learnt.counted, fit.scale_w)
    like_their_group(customers, new, mean_w, quantile_w, levels)
    scale_w[new] = np.sqrt((mean_w[new] ** 2).mean(axis=1))
    sum_w = sums.sums_w(mean_w)
    errors = sums.residuals(scale_w)
    sum_quantile_w = sum_w + column_quantiles(*errors, levels)
    return Forecast(
        start_ms=coming.start_ms,
        known_until_ms=now_ms,
        levels=levels,
        of_pods=Band(history.pods, mean_w, quantile_w),
        of_feeders=Band(sums.names, sum_w, sum_quantile_w),
        provenance=Provenance.of(past),
        trained_days=method.trained_days,
        covered_pct=covered_pct(*errors, method.levels, column_quantiles),
        weather_issued_ms=shared.issued_ms,
        notes=(*reservations(past, new, weather, shared), *silent(last, new)),
    )


def coming_hours(now_ms: int) -> Interval:
    """Return the quarters that `intraday` forecasts: 16 from the next one on."""
    start_ms = -(-now_ms // QUARTER_MS) * QUARTER_MS
    return Interval(start_ms, start_ms + HORIZON * QUARTER_MS)


@dataclass(frozen=True, slots=True)
class Coming:
    """The 16 quarters to forecast, and where their like stand in the past.

    Args:
        start_ms: their first instant.
        span: of the day in which they end.
        day: position in the shown days of each quarter.
        slot: slot of each quarter.
        begin: the first quarter's place in the row of all shown slots.
        ended: the place after the last quarter that has ended: one less while another runs.
        origins: such places in the past, at about the same time of the day.
    """

    start_ms: int
    span: Span
    day: Integers
    slot: Integers
    begin: int
    ended: int
    origins: Integers

    @classmethod
    def of(cls, now_ms: int, method: Method) -> Self:
        """Return the quarters that start at an instant or after it."""
        start_ms = coming_hours(now_ms).start_ms
        starts_ms = [start_ms + number * QUARTER_MS for number in range(HORIZON)]
        days = [day_of(at_ms) for at_ms in starts_ms]
        span = Span.of(days[-1], trained_days=method.trained_days, earlier_days=method.earlier_days)
        slot = np.array(
            [
                slots(day)[(at_ms - day_start_ms(day)) // QUARTER_MS]
                for day, at_ms in zip(days, starts_ms, strict=True)
            ]
        )
        day = np.array([span.shown.index(one) for one in days])
        begin = int(day[0] * SLOTS + slot[0])
        ended = begin - (start_ms > now_ms)
        places = np.arange(_LONGEST + begin - ended, begin - HORIZON + 1)
        apart = (places - begin + SLOTS // 2) % SLOTS - SLOTS // 2
        return cls(start_ms, span, day, slot, begin, ended, places[np.abs(apart) <= _AROUND])


@dataclass(frozen=True, slots=True)
class _Errors:
    """Errors of the day-ahead forecast [W] in all quarters that have ended, shape (pods, ended).

    `known` is 1 where there is one, and 0 elsewhere.
    """

    error_w: Singles
    known: Singles


def _errors(fit: Fit, seen: Days, coming: Coming) -> _Errors:
    count = len(fit.mean_w)
    error_w = (seen.power_w - fit.mean_w).reshape(count, -1)[:, : coming.ended]
    known = np.ones(error_w.shape, np.float32)
    if seen.known is not None:
        known[:] = seen.known.reshape(count, -1)[:, : coming.ended]
    return _Errors(error_w * known, known)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What the past errors say of the next, and how far they were from it.

    Args:
        correction_w: to add to the day-ahead forecast [W], shape (pods, 16).
        residual_w: errors left at the origins [W], shape (pods, origins, 16).
        counted: which of them count, same shape.
    """

    correction_w: Floats
    residual_w: Singles
    counted: Booleans

    def quantiles_w(self, levels: tuple[float, ...]) -> Floats:
        """Return the quantiles of the residuals [W], shape (levels, pods, 16)."""
        return column_quantiles(self.residual_w, self.counted, levels)


def _learn(errors: _Errors, coming: Coming, penalty: float) -> _Learnt:
    """Return the ridge of the 16 next errors on the means of the last 1, 4 and 16.

    What is under way now is not looked at, so neither is its like before each origin.
    """
    places = np.append(coming.origins, coming.begin)
    features, fresh = _means(errors, places - (coming.begin - coming.ended))
    ahead, known = (
        sliding_window_view(each, HORIZON, axis=1)[:, coming.origins]
        for each in (errors.error_w, errors.known)
    )
    counted = (known @ np.ones(HORIZON, np.float32) == HORIZON) & fresh[:, :-1]
    past = features[:, :-1] * counted[:, :, None]
    target = ahead * counted[:, :, None]
    turned = past.swapaxes(1, 2)
    count = counted.sum(axis=1).astype(np.float64)
    sums = Sums((turned @ past).astype(np.float64), (turned @ target).astype(np.float64), count)
    size = np.sqrt((target**2).reshape(len(target), -1).mean(axis=1, dtype=np.float64))
    size[size == 0] = 1.0
    coefficients = solve(sums, np.repeat(size[:, None], len(_WINDOWS), axis=1), penalty)
    correction_w = (features[:, -1, None] @ coefficients)[:, 0]
    residual_w = target - past @ coefficients.astype(np.float32)
    rows = np.broadcast_to(counted[:, :, None], residual_w.shape)
    return _Learnt(correction_w, residual_w, rows)


def _means(errors: _Errors, places: Integers) -> tuple[Singles, Booleans]:
    """Return the means of the last errors before each place [W], and whether any is known."""
    sums_w, counts = (
        sliding_window_view(each, _LONGEST, axis=1)[:, places - _LONGEST] @ _LATEST
        for each in (errors.error_w, errors.known)
    )
    return sums_w / np.maximum(counts, 1), counts[:, :, -1] > 0
