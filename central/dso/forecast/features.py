"""What a quarter is forecast from: like days, the last day, and the weather of each.

For a quarter of day D, nothing after the gate (10:00 of D-1) counts:

```
                     D-3      D-2      D-1          D
 slots 0 … 39        like     like     last
 slots 40 … 95       like     last     after the gate
```

The days that a model is trained on see exactly as little of their own past.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from central.calendar import GATE_SLOT, SLOTS, day_class
from central.dso.forecast.days import Days
from central.dso.forecast.history import Booleans, Floats, Integers, Singles
from central.dso.forecast.weather import (
    IRRADIANCE,
    TEMPERATURE,
    KnownWeather,
    Weather,
    known_weather,
)

HEATS_BELOW_C = 16.0
COOLS_ABOVE_C = 24.0
_NOON_H, _MORNING_H = 13.0, 6.0
_ALIKE = np.array([[1.0, 0.02, 0.02], [0.02, 1.0, 0.1], [0.02, 0.1, 1.0]])
"""How much a day of one `DayClass` says about a day of another."""
_FORGOTTEN_PER_DAY = 0.06
_LIKE_LAG_DAYS = 2
_ROUNDING = 1e-9
_LAST = ((slice(0, GATE_SLOT), 1), (slice(GATE_SLOT, SLOTS), 2))
"""The slots of a day, and how many days back the last known one lies."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days of a forecast.

    Args:
        shown: the days that features are made for; the last one is the day to forecast, the one
            before it is not over when the gate closes, and all before are trained on.
        source: the days that features are made from: up to the day before the last shown.
        likeness: how much each source day says about each shown day, see `likeness`.
    """

    shown: tuple[date, ...]
    source: tuple[date, ...]
    likeness: Floats

    @classmethod
    def of(cls, day: date, *, trained_days: int, earlier_days: int) -> "Span":
        """Return the span of a day: so many days to train on, and so many days before those."""
        shown = [day - timedelta(days=back) for back in range(trained_days + 1, -1, -1)]
        first = shown[0] - timedelta(days=earlier_days)
        source = [first + timedelta(days=n) for n in range(earlier_days + len(shown) - 1)]
        return cls(tuple(shown), tuple(source), likeness(shown, source))

    @property
    def trained(self) -> slice:
        """Return which of the shown days are trained on."""
        return slice(0, len(self.shown) - 2)

    @property
    def first(self) -> int:
        """Return the position in `source` of the first shown day."""
        return len(self.source) - len(self.shown) + 1


def likeness(shown: Sequence[date], source: Sequence[date]) -> Floats:
    """Return how much each source day says about each shown day, shape (shown, source).

    Days of one class count fully and less with age; days of another class only just, so that
    they speak where no day of the class is known. Days that are not over before the gate do not
    count. Each row adds up to 1.
    """
    age = np.subtract.outer(*([day.toordinal() for day in days] for days in (shown, source)))
    alike = _ALIKE[np.ix_(*([day_class(day) for day in days] for days in (shown, source)))]
    weight = np.where(age >= _LIKE_LAG_DAYS, alike * np.exp(-_FORGOTTEN_PER_DAY * age), 0.0)
    shares: Floats = weight / weight.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True, slots=True)
class Own:
    """What each point of delivery says about itself.

    Args:
        columns_w: `like_w` and `apart_w` [W], shape (pods, 2, shown, 96).
        founded: where some like day is known, shape (pods, shown, 96); None for everywhere.
    """

    columns_w: Singles
    founded: Booleans | None

    @property
    def like_w(self) -> Singles:
        """Return the mean of like days [W], shape (pods, shown, 96)."""
        return self.columns_w[:, 0]

    @property
    def apart_w(self) -> Singles:
        """Return how far the last known day lies from that [W]; 0 where that is not known."""
        return self.columns_w[:, 1]


def own_features(days: Days, span: Span) -> Own:
    """Return the features of PODs for the shown days, out of the source days."""
    weight = span.likeness.astype(np.float32)
    columns_w = np.empty((len(days.power_w), 2, len(weight), SLOTS), np.float32)
    like_w, apart_w = columns_w[:, 0], columns_w[:, 1]
    np.matmul(weight, days.power_w, out=like_w)
    known = founded = None
    if days.known is not None:
        known = days.known.astype(np.float32)  # nothing is cast from then on, which is slow
        share = weight @ known
        founded = share > 0
        share[~founded] = 1
        like_w /= share
    for part, lag in _LAST:
        last = slice(span.first - lag, len(span.source) + 1 - lag)
        np.subtract(days.power_w[:, last, part], like_w[:, :, part], out=apart_w[:, :, part])
        if known is not None:
            apart_w[:, :, part] *= known[:, last, part]
    return Own(columns_w, founded)


@dataclass(frozen=True, slots=True)
class Shared:
    """What is the same for all points of delivery.

    Args:
        columns: each with mean square 1 over the trained days, shape (shown, columns, 96).
        pairs: each two columns: the numbers of the first ones, and of the second ones.
        products: of each pair, of the trained days only, shape (trained, pairs, 96).
        usable: slots whose columns are all known, shape (shown, 96).
        issued_ms: the newest issue used for the last day; None without weather.
        lacking: why weather is not used although it was given; empty otherwise.
    """

    columns: Singles
    pairs: tuple[Integers, Integers]
    products: Singles
    usable: Booleans
    issued_ms: int | None = None
    lacking: str = ""


def shared_features(weather: Weather | None, span: Span, least_days: int) -> Shared:
    """Return a constant and, if weather is known for long enough, how it departs from usual.

    Each effect of the weather stands twice: on the day itself, and on the last known day, which
    carries its own weather into `Own.apart_w`.
    """
    constant = np.ones((len(span.shown), 1, SLOTS), np.float32)
    everything = np.ones((len(span.shown), SLOTS), np.bool_)
    if weather is None:
        return _shared(constant, everything, span)
    known = known_weather(weather, (*span.source, span.shown[-1]))
    departs, usable = _departures(_effects(weather, known), known.said, span)
    if lacking := _lacking(known.said[-1], usable, least_days):
        return _shared(constant, everything, span, lacking=lacking)
    columns = np.concatenate([constant, _sized(departs, usable, span)], axis=1)
    return _shared(columns, usable, span, issued_ms=known.issued_ms[-1])


def _sized(departs: Floats, usable: Booleans, span: Span) -> Singles:
    """Return departures with mean square 1 over the trained days, without those there were none of.

    Further than ever in the trained days counts as that far: nobody knows what comes then.
    """
    trained = departs[span.trained]
    size = np.sqrt((trained**2).sum(axis=(0, 2)) / usable[span.trained].sum())
    low, high = (each(axis=(0, 2))[:, None] for each in (trained.min, trained.max))
    acts = size > 0
    within = np.clip(departs, low, high)[:, acts]
    sized: Singles = (within / size[acts, None]).astype(np.float32)
    return sized


def _shared(
    columns: Singles,
    usable: Booleans,
    span: Span,
    *,
    issued_ms: int | None = None,
    lacking: str = "",
) -> Shared:
    pairs, trained = np.triu_indices(columns.shape[1]), columns[span.trained]
    products = trained[:, pairs[0]] * trained[:, pairs[1]]
    return Shared(columns, pairs, products, usable, issued_ms, lacking)


def _effects(weather: Weather, known: KnownWeather) -> Floats:
    """Return what acts on a power, shape (days, effects, 96): light by the hour, cold, heat."""
    tilted = ((np.arange(SLOTS) + 0.5) * 24 / SLOTS - _NOON_H) / _MORNING_H
    found = []
    for column, values in zip(weather.columns, np.moveaxis(known.values, 2, 0), strict=True):
        if column == IRRADIANCE:
            found += [values, values * tilted]
        elif column == TEMPERATURE:
            found += [np.maximum(HEATS_BELOW_C - values, 0), np.maximum(values - COOLS_ABOVE_C, 0)]
        else:
            found.append(values)
    effects: Floats = np.stack(found, axis=1) * known.said[:, None]
    return effects


def _departures(effects: Floats, said: Booleans, span: Span) -> tuple[Floats, Booleans]:
    """Return effects on each shown day and on the last known one, less those of like days."""
    share = span.likeness @ said[:-1]
    like = np.tensordot(span.likeness, effects[:-1], 1)
    like /= np.where(share > 0, share, 1.0)[:, None]
    shown = slice(span.first, len(said))
    last, last_said = np.empty_like(like), np.empty(share.shape, np.bool_)
    for part, lag in _LAST:
        days = slice(shown.start - lag, shown.stop - lag)
        last[:, :, part], last_said[:, part] = effects[days, :, part], said[days, part]
    usable = (share > 0) & said[shown] & last_said
    departs = np.concatenate([effects[shown] - like, last - like], axis=1)
    departs[np.abs(departs) < _ROUNDING * np.abs(effects).max(initial=0.0)] = 0.0
    return departs * usable[:, None], usable


def _lacking(said: Booleans, usable: Booleans, least_days: int) -> str:
    if missing := int((~said).sum()):
        return f"nothing was said before the gate about {missing} of the day's {SLOTS} slots"
    if (days := int(usable[:-2].any(axis=1).sum())) < least_days:
        return f"weather is known for {days} days to learn from, {least_days} are needed"
    return ""
