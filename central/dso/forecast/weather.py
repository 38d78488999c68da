"""What a weather service said, and when: a forecast may only use what was said before its gate.

```
 issued     06:00 of Monday   |====== Monday ======|===== Tuesday =====|
            06:00 of Tuesday                       |===== Tuesday =====|==== Wednesday ====|
                                                   gate 10:00 of Monday:  Tuesday as Monday said it
```
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from central.calendar import SLOTS, day_start_ms, gate_ms, slots
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

IRRADIANCE = "irradiance_w_m2"
TEMPERATURE = "temperature_c"
RENEWABLE = "renewable_w"
"""The columns whose effect is known in kind; any other column is taken to act in proportion."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One word of a service: `values[quarter, column]` from `start_ms` on, said at `issued_ms`.

    A word with holes is several of one `issued_ms`, one for each piece between them.
    """

    issued_ms: int
    start_ms: int
    values: Floats

    @property
    def end_ms(self) -> int:
        """Return the first instant that it says nothing about any more."""
        return self.start_ms + len(self.values) * QUARTER_MS


@dataclass(frozen=True, slots=True)
class Hole:
    """What a service left out of a word that it gave at `issued_ms`."""

    issued_ms: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Weather:
    """Issues of one service for one area, in any order.

    Args:
        columns: what the values are, with the unit in the name.
        issues: each with a value for every column of every quarter.

    Raises:
        Rejected: an issue has other columns, a value that is no number, or starts off a quarter.
    """

    columns: tuple[str, ...]
    issues: tuple[Issue, ...]

    def __post_init__(self) -> None:
        """Refuse what would be misread."""
        for issue in self.issues:
            where = f"issue of {told_utc(issue.issued_ms)}"
            if issue.values.ndim != 2 or issue.values.shape[1] != len(self.columns):  # noqa: PLR2004 -- a table
                raise Rejected(
                    f"values of shape {issue.values.shape} for {len(self.columns)} columns",
                    where=where,
                    reason="weather_columns",
                )
            if issue.start_ms % QUARTER_MS:
                raise Rejected(
                    f"starts at {told_utc(issue.start_ms)}, not on a quarter",
                    where=where,
                    reason="weather_time",
                )
            if not np.isfinite(issue.values).all():
                raise Rejected(
                    "a value is no number",
                    where=where,
                    remedy="leave the issue out, or end it before the hole",
                    reason="weather_value",
                )

    @property
    def holes(self) -> Iterator[Hole]:
        """Yield what is left out between the pieces of one word, by when that was said."""
        in_turn = sorted(self.issues, key=lambda each: (each.issued_ms, each.start_ms))
        for sooner, later in pairwise(in_turn):
            if sooner.issued_ms == later.issued_ms and sooner.end_ms < later.start_ms:
                yield Hole(later.issued_ms, Interval(sooner.end_ms, later.start_ms))


def told_utc(unix_ms: int) -> str:
    """Return an instant as a weather file has it: 2026-06-21T06:00Z, seconds if there are some."""
    instant = datetime.fromtimestamp(unix_ms / 1000, UTC).replace(tzinfo=None)
    return f"{instant.isoformat().removesuffix(':00')}Z"


@dataclass(frozen=True, slots=True)
class KnownWeather:
    """Weather of days as said before the gate of each, side by side by the clock.

    Args:
        values: shape (days, 96, columns); 0 where nothing was said.
        said: shape (days, 96).
        issued_ms: the newest issue used for each day; None for a day without.
    """

    values: Floats
    said: Booleans
    issued_ms: tuple[int | None, ...]


def known_weather(weather: Weather, days: Sequence[date]) -> KnownWeather:
    """Return for each quarter of each day what the newest issue before that day's gate said."""
    values = np.zeros((len(days), SLOTS, len(weather.columns)))
    said = np.zeros((len(days), SLOTS), np.bool_)
    newest: list[int | None] = []
    newest_first = sorted(weather.issues, key=lambda issue: -issue.issued_ms)
    for number, day in enumerate(days):
        quarters, present, issued_ms = _as_known(newest_first, day, len(weather.columns))
        newest.append(issued_ms)
        if len(present) == SLOTS:  # nearly every day: each quarter has a slot of its own
            values[number], said[number] = quarters, present
            continue
        slot = slots(day)[present]
        counted = np.bincount(slot, minlength=SLOTS)
        np.add.at(values[number], slot, quarters[present])
        values[number] /= np.maximum(counted, 1)[:, None]
        said[number] = counted > 0
    return KnownWeather(values, said, tuple(newest))


def _as_known(
    newest_first: Sequence[Issue], day: date, column_count: int
) -> tuple[Floats, Booleans, int | None]:
    start_ms, count, gate = day_start_ms(day), len(slots(day)), gate_ms(day)
    values, present = np.zeros((count, column_count)), np.zeros(count, np.bool_)
    newest = None
    for issue in newest_first:
        if issue.issued_ms > gate or issue.end_ms <= start_ms:
            continue
        first = (issue.start_ms - start_ms) // QUARTER_MS
        begin, end = max(first, 0), min(first + len(issue.values), count)
        into = begin + np.flatnonzero(~present[begin:end])
        if len(into):
            values[into], present[into] = issue.values[into - first], True
            newest = newest or issue.issued_ms
        if present.all():
            break
    return values, present, newest
