"""Households, shops, roofs and cars of one town, seeded: what a forecast is judged on.

Every point of delivery is its own: habits, appliances that start when they like, holidays, a heat
pump, a car, a roof of some pitch. They share the sky. The weather service knows the sky with an
error that grows with the lead. Nothing here knows how anybody forecasts.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from central.calendar import (
    DayClass,
    day_class,
    day_interval,
    day_start_ms,
    slots,
)
from central.dso.forecast.history import Customers, History, Origin
from central.dso.forecast.weather import IRRADIANCE, TEMPERATURE, Issue, Weather
from ledger.facts.interval import QUARTER_MS

Floats = NDArray[np.float64]

_LATITUDE = np.radians(41.9)
_HOURS = (np.arange(96) + 0.5) / 4
_DAY_MS = 86_400_000
_ISSUED_MS = 6 * 3_600_000


@dataclass(frozen=True)
class Town:
    """A town through some days: `power_w` is the truth, `history` what was metered of it."""

    first_day: date
    power_w: Floats
    history: History
    customers: Customers
    weather: Weather

    @property
    def pods(self) -> tuple[str, ...]:
        """Return the points of delivery."""
        return self.history.pods

    def actual_w(self, day: date) -> Floats:
        """Return the true mean power of each quarter of a day [W], shape (pods, quarters)."""
        span = day_interval(day)
        first = (span.start_ms - self.history.start_ms) // QUARTER_MS
        return self.power_w[:, first : first + span.duration_ms // QUARTER_MS]


@dataclass(frozen=True)
class Clock:
    """Slot of local time, day, and class of the day, of each quarter."""

    slot: NDArray[np.intp]
    day: NDArray[np.intp]
    kind: NDArray[np.intp]
    days: int

    @classmethod
    def of(cls, days: list[date]) -> "Clock":
        """Return the clock through days in a row."""
        day = np.repeat(np.arange(len(days)), [len(slots(one)) for one in days])
        kind = np.array([day_class(one) for one in days])[day]
        return cls(np.concatenate([slots(one) for one in days]), day, kind, len(days))


def town(pods: int, first_day: date, days: int, seed: int, *, gaps: bool = True) -> Town:
    """Return a town of so many points of delivery through so many market days."""
    dice = np.random.default_rng([seed, pods, days])
    all_days = [first_day + timedelta(days=n) for n in range(days)]
    start_ms, end_ms = day_start_ms(first_day), day_interval(all_days[-1]).end_ms
    times_ms = np.arange(start_ms, end_ms, QUARTER_MS)
    clock = Clock.of(all_days)
    count = len(times_ms)
    clearness, temperature_c = _sky(dice, times_ms)
    at_home = _at_home(dice, pods, days)[:, clock.day]
    is_shop = dice.random(pods) < 0.12
    power_w = np.where(
        is_shop[:, None],
        _shops(dice, pods, clock),
        _habits(dice, pods, clock, at_home),
    )
    power_w += _base(dice, pods, count)
    power_w += _heat(dice, pods, temperature_c) * (0.3 + 0.7 * at_home)
    power_w += _cars(dice, pods, clock) * at_home
    power_w -= _roofs(dice, pods, times_ms, clearness)
    origin = _metered(dice, pods, count) if gaps else np.full(power_w.shape, Origin.CERTIFIED)
    names = tuple(f"IT002E{number:08d}" for number in range(pods))
    history = History(
        pods=names,
        start_ms=start_ms,
        power_w=np.where(origin != Origin.MISSING, power_w, 0.0),
        origin=origin.astype(np.uint8),
    )
    contract_w = np.where(is_shop, 10_000.0, dice.choice([3_000.0, 4_500.0, 6_000.0], pods))
    kind = tuple("shop" if one else "household" for one in is_shop)
    customers = Customers(contract_w=contract_w, group=kind)
    return Town(
        first_day, power_w, history, customers, _service(dice, times_ms, clearness, temperature_c)
    )


def horizontal_w_m2(times_ms: NDArray[np.int64]) -> Floats:
    """Return the irradiance of a clear sky on the ground [W/m²]."""
    height = np.maximum(_sun(times_ms)[2], 0.0)
    return np.asarray(1_080.0 * height**1.15)


def _sun(times_ms: NDArray[np.int64]) -> Floats:
    """Return the direction of the sun: south, west, up."""
    days = times_ms / _DAY_MS
    declination = np.radians(23.45) * np.sin(2 * np.pi * (days % 365.2425 - 80) / 365.2425)
    hour = 2 * np.pi * (days % 1 - 0.5) + np.radians(12.5)
    up = np.sin(_LATITUDE) * np.sin(declination)
    up = up + np.cos(_LATITUDE) * np.cos(declination) * np.cos(hour)
    south = np.sin(_LATITUDE) * np.cos(declination) * np.cos(hour)
    south = south - np.cos(_LATITUDE) * np.sin(declination)
    return np.stack([south, np.cos(declination) * np.sin(hour), up])


def _wander(dice: np.random.Generator, count: int, memory: float) -> Floats:
    """Return a walk with mean 0 and deviation 1 that forgets by `memory` a step."""
    steps = dice.standard_normal(count) * np.sqrt(1 - memory**2)
    walk = np.empty(count)
    value = dice.standard_normal()
    for at in range(count):
        value = memory * value + steps[at]
        walk[at] = value
    return walk


def _sky(dice: np.random.Generator, times_ms: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the shared clearness, 0 … 1, and the temperature [°C]."""
    count = len(times_ms)
    front = _wander(dice, count, 0.985)
    cloud = 0.8 + 1.5 * front + 0.7 * _wander(dice, count, 0.7)
    clearness = 0.12 + 0.88 / (1 + np.exp(-cloud))
    days = times_ms / _DAY_MS
    season = 15.5 - 9.5 * np.cos(2 * np.pi * (days % 365.2425 - 20) / 365.2425)
    daily = -4.5 * np.cos(2 * np.pi * (days % 1 - 2 / 24))
    return clearness, season + daily * (0.5 + clearness / 2) + 2.5 * _wander(dice, count, 0.995)


def _service(
    dice: np.random.Generator, times_ms: NDArray[np.int64], clearness: Floats, temperature_c: Floats
) -> Weather:
    """Return what a weather service said every morning about the three days from midnight on."""
    issues = []
    kernel = np.ones(5) / 5
    smooth = np.convolve(np.pad(clearness, 2, mode="edge"), kernel, mode="valid")
    for midnight_ms in range(int(times_ms[0]) // _DAY_MS * _DAY_MS, int(times_ms[-1]), _DAY_MS):
        first = np.searchsorted(times_ms, midnight_ms)
        said = slice(first, first + 288)
        lead = np.arange(len(times_ms[said])) / 96
        wrong = (0.3 + 0.25 * lead) * (dice.standard_normal() + _wander(dice, len(lead), 0.95))
        seen = np.clip((smooth[said] - 0.12) / 0.88, 0.02, 0.98)
        seen = 0.12 + 0.88 / (1 + np.exp(-(np.log(seen / (1 - seen)) + wrong)))
        warm = temperature_c[said] + (0.6 + 0.4 * lead) * _wander(dice, len(lead), 0.98)
        values = np.stack([horizontal_w_m2(times_ms[said]) * seen, warm], axis=1)
        issues.append(Issue(midnight_ms + _ISSUED_MS, int(times_ms[first]), values))
    return Weather((IRRADIANCE, TEMPERATURE), tuple(issues))


def _bell(centre_h: Floats, width_h: Floats) -> Floats:
    """Return bells over the clock, shape (…, 96), round midnight too."""
    apart = (_HOURS - centre_h[..., None] + 12) % 24 - 12
    return np.exp(-0.5 * (apart / width_h[..., None]) ** 2)


def _at_home(dice: np.random.Generator, pods: int, days: int) -> Floats:
    """Return how much of a household is there each day: some are away for a week or less."""
    away = np.zeros((pods, days))
    for pod in np.flatnonzero(dice.random(pods) < min(0.4, days / 150)):
        first = dice.integers(days)
        away[pod, first : first + dice.integers(2, 8)] = 0.95
    return 1 - away


def _habits(
    dice: np.random.Generator,
    pods: int,
    clock: Clock,
    at_home: Floats,
) -> Floats:
    shape = np.zeros((pods, 3, 96))
    for centre_h, late_h, width_h in ((7.3, 1.6, 0.8), (13.0, 0.3, 1.0), (20.2, 0.5, 1.7)):
        own_h = centre_h + dice.normal(0, 0.8, pods)
        size = dice.gamma(3.0, 1 / 3, pods)
        wide_h = width_h * dice.uniform(0.7, 1.4, pods)
        for kind in DayClass:
            more = 1.0 if kind is DayClass.WORKING else dice.uniform(0.9, 1.8, pods)
            later = own_h + (0.0 if kind is DayClass.WORKING else late_h)
            shape[:, kind] += (size * more)[:, None] * _bell(later, wide_h)
    days = clock.days
    mood = np.exp(0.25 * dice.standard_normal((pods, days)) + 0.1 * dice.standard_normal(days))
    active = shape[:, clock.kind, clock.slot] * mood[:, clock.day] * at_home
    steady = dice.uniform(80, 350, pods)[:, None] * active
    starts = dice.random(active.shape) < 0.05 * active
    watts = dice.uniform(500, 2_400, starts.sum())
    lasts = dice.integers(1, 6, starts.sum())
    return np.asarray(steady + _runs(starts, watts, lasts))


def _runs(starts: NDArray[np.bool_], watts: Floats, lasts: NDArray[np.int64]) -> Floats:
    """Return the power of what starts here and there and lasts some quarters."""
    edges = np.zeros((starts.shape[0], starts.shape[1] + 1))
    row, column = np.nonzero(starts)
    np.add.at(edges, (row, column), watts)
    np.add.at(edges, (row, np.minimum(column + lasts, starts.shape[1])), -watts)
    return np.asarray(np.maximum(np.cumsum(edges, axis=1)[:, :-1], 0.0))


def _shops(
    dice: np.random.Generator,
    pods: int,
    clock: Clock,
) -> Floats:
    opens_h, closes_h = dice.uniform(6.5, 9.5, pods), dice.uniform(17, 21, pods)
    inside = (opens_h[:, None] < _HOURS) & (closes_h[:, None] > _HOURS)
    share = np.stack([np.ones(pods), dice.uniform(0.2, 1, pods), dice.uniform(0, 0.3, pods)], 1)
    size_w = dice.gamma(2.0, 1_500.0, pods)
    open_w = size_w[:, None] * inside[:, clock.slot] * share[:, clock.kind]
    return open_w * dice.normal(1, 0.12, open_w.shape)


def _base(dice: np.random.Generator, pods: int, count: int) -> Floats:
    rest_w = dice.lognormal(4.6, 0.5, (pods, 1))
    period, phase = dice.uniform(3.5, 9, (pods, 1)), dice.uniform(0, 9, (pods, 1))
    fridge = dice.uniform(40, 120, (pods, 1)) * ((np.arange(count) + phase) % period < period / 3)
    return rest_w * (1 + 0.1 * dice.standard_normal((pods, count))) + fridge


def _heat(dice: np.random.Generator, pods: int, temperature_c: Floats) -> Floats:
    owns = dice.random((pods, 2)) < (0.2, 0.45)
    cold = np.maximum(16 - temperature_c, 0) * dice.uniform(40, 160, (pods, 1))
    warm = np.maximum(temperature_c - 24, 0) * dice.uniform(40, 180, (pods, 1))
    wanted = cold * owns[:, :1] + warm * owns[:, 1:]
    return wanted * dice.uniform(0.5, 1.5, wanted.shape)


def _cars(
    dice: np.random.Generator,
    pods: int,
    clock: Clock,
) -> Floats:
    owns = dice.random(pods) < 0.12
    plugs = owns[:, None] & (dice.random((pods, clock.days)) < 0.45)
    comes = np.clip(dice.normal(77, 7, (pods, clock.days)), 0, 95).astype(int)
    starts = plugs[:, clock.day] & (comes[:, clock.day] == clock.slot)
    watts = dice.choice([2_300.0, 3_700.0, 7_400.0], pods)
    return _runs(starts, watts[np.nonzero(starts)[0]], dice.integers(4, 17, starts.sum()))


def _roofs(
    dice: np.random.Generator, pods: int, times_ms: NDArray[np.int64], clearness: Floats
) -> Floats:
    peak_w = np.where(dice.random(pods) < 0.35, dice.uniform(2_000, 6_000, pods), 0.0)
    tilt, turn = np.radians(dice.uniform(5, 35, pods)), np.radians(dice.normal(0, 45, pods))
    face = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], 1)
    sun = _sun(times_ms)
    beam = np.maximum(face @ sun, 0.0) * (sun[2] > 0)
    wide = np.maximum(sun[2], 0.0)
    direct = np.clip((clearness - 0.2) / 0.8, 0, 1)
    light = 0.95 * beam * direct + 0.9 * wide * (clearness - 0.8 * direct)
    local = 1 + 0.08 * dice.standard_normal(light.shape) * (1 - direct)
    return np.asarray(peak_w[:, None] * np.clip(light * local, 0, 1.05) * 0.92)


def _metered(dice: np.random.Generator, pods: int, count: int) -> NDArray[np.uint8]:
    """Return where each quarter comes from: older ones imported, some outages, from minutes on."""
    origin = np.full((pods, count), Origin.CERTIFIED, np.uint8)
    origin[:, : count // 2] = Origin.IMPORTED
    for pod in np.flatnonzero(dice.random(pods) < 0.25):
        for _ in range(dice.integers(1, 7)):
            first = dice.integers(count)
            origin[pod, first : first + int(dice.pareto(1.0) * 2) + 1] = Origin.MISSING
    return origin
