"""The forecast of a market day, made at its gate: 10:00 of the day before (DA-3a)."""

from datetime import date

import numpy as np

from central.calendar import SLOTS, day_start_ms, gate_ms, slots
from central.dso.forecast.features import Span, shared_features
from central.dso.forecast.feeders import NO_FEEDERS, FeederResiduals, Feeders
from central.dso.forecast.fitting import fits
from central.dso.forecast.history import Customers, History, Past
from central.dso.forecast.method import Method
from central.dso.forecast.newcomers import like_their_group
from central.dso.forecast.quantiles import HOURS, covered_pct, hourly_quantiles
from central.dso.forecast.reservations import refuse_other_customers, reservations
from central.dso.forecast.result import Band, Forecast, Provenance
from central.dso.forecast.weather import Weather
from ledger.facts.interval import Interval


def day_ahead(
    history: History,
    customers: Customers,
    day: date,
    *,
    weather: Weather | None = None,
    feeders: Feeders = NO_FEEDERS,
    method: Method | None = None,
) -> Forecast:
    """Return the power of each POD in each quarter of a day, as known at its gate.

    Args:
        history: the past; what ends after the gate is not looked at.
        customers: contract and group of each POD, in the order of the history.
        day: the market day.
        weather: what a service said; what it said after the gate is not looked at.
        feeders: sums to forecast as well.
        method: how much past is used; the usual if None.

    Raises:
        Rejected: customers or feeders do not fit the history, or no POD has a past.
    """
    method = method or Method()
    refuse_other_customers(history, customers)
    span = Span.of(day, trained_days=method.trained_days, earlier_days=method.earlier_days)
    shared = shared_features(weather, span, method.least_weather_days)
    sums = FeederResiduals.of(feeders, history.pods, (method.trained_days, SLOTS))
    count = len(history.pods)
    mean_w, scale_w = np.empty((count, SLOTS)), np.empty(count)
    error_w = np.empty((len(method.levels), count, HOURS))
    new = np.empty(count, np.bool_)
    past = Past.of(history, Interval(day_start_ms(span.source[0]), gate_ms(day)))
    for pods, fit in fits(past, span, shared, gate_ms(day), method):
        mean_w[pods], scale_w[pods] = fit.mean_w[:, -1], fit.scale_w
        new[pods] = (fit.row_count < method.least_days * SLOTS) | ~fit.founded
        error_w[:, pods] = hourly_quantiles(fit.residual_w, fit.counted, method.levels)
        sums.add(pods, fit.residual_w, fit.counted, fit.scale_w)
    slot = slots(day)
    hour = slot * HOURS // SLOTS
    mean_w = mean_w[:, slot]
    if len(slot) == SLOTS:  # nearly every day, and far less memory is gone through
        quantile_w = error_w[..., None] + mean_w.reshape(count, HOURS, -1)
        quantile_w = quantile_w.reshape(len(method.levels), *mean_w.shape)
    else:
        quantile_w = np.take(error_w, hour, axis=2) + mean_w
    like_their_group(customers, new, mean_w, quantile_w, method.levels)
    scale_w[new] = np.sqrt((mean_w[new] ** 2).mean(axis=1))
    sum_w = sums.sums_w(mean_w)
    errors = sums.residuals(scale_w)
    sum_error_w = hourly_quantiles(*errors, method.levels)
    return Forecast(
        start_ms=day_start_ms(day),
        known_until_ms=gate_ms(day),
        levels=method.levels,
        of_pods=Band(history.pods, mean_w, quantile_w),
        of_feeders=Band(sums.names, sum_w, sum_w + sum_error_w[:, :, hour]),
        provenance=Provenance.of(past),
        trained_days=method.trained_days,
        covered_pct=covered_pct(*errors, method.levels, hourly_quantiles),
        weather_issued_ms=shared.issued_ms,
        notes=tuple(reservations(past, new, weather, shared)),
    )
