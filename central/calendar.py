"""Market days of Rome: when they begin, how long they are, and which days are alike.

Days are laid side by side by their clock, whatever the length, in 96 slots of local time:

```
 local time         00:00     02:00     03:00           quarters
 a usual day        0 … 7     8 … 11    12 … 95         96
 clocks go on       0 … 7     –         12 … 95         92: nothing stands in 8 … 11
 clocks go back     0 … 7     8 … 11    12 … 95         100: two quarters stand in each of 8 … 11
```
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ledger.facts.interval import QUARTER_MS, Interval

ROME = ZoneInfo("Europe/Rome")
SLOTS = 96
GATE_SLOT = 40
"""The first slot of the day before that nobody knows yet when its gate, 10:00, closes."""
_QUARTER_MIN = 15
_DAYS_KEPT = 1_000
_SATURDAY, _SUNDAY = 5, 6
_FIXED_HOLIDAYS = (
    (1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15), (11, 1), (12, 8), (12, 25), (12, 26),
)  # fmt: skip
_SAINT_FRANCIS_SINCE = 2026


class DayClass(IntEnum):
    """Days that are alike."""

    WORKING = 0
    SATURDAY = 1
    HOLIDAY = 2


def easter(year: int) -> date:
    """Return Easter Sunday of a year of the Gregorian calendar.

    Source: Meeus, Astronomical Algorithms, 2nd ed., ch. 8, p. 67.
    """
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), f = divmod(b, 4), (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, before = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, before + 1)


@lru_cache(_DAYS_KEPT)
def holidays(year: int) -> frozenset[date]:
    """Return Italy's national holidays of a year, beside its Sundays.

    Source: Law 260 of 27 May 1949, art. 2, as in force since 2001; Law 151 of 8 October 2025
    for 4 October from 2026 on.
    """
    found = {date(year, month, day) for month, day in _FIXED_HOLIDAYS}
    found.add(easter(year) + timedelta(days=1))
    if year >= _SAINT_FRANCIS_SINCE:
        found.add(date(year, 10, 4))
    return frozenset(found)


@lru_cache(_DAYS_KEPT)
def day_class(day: date) -> DayClass:
    """Return which days a day is like; a holiday is like a Sunday, on a Saturday too."""
    if day.weekday() == _SUNDAY or day in holidays(day.year):
        return DayClass.HOLIDAY
    return DayClass.SATURDAY if day.weekday() == _SATURDAY else DayClass.WORKING


@lru_cache(_DAYS_KEPT)
def day_start_ms(day: date) -> int:
    """Return the first instant of a market day [ms since 1970, UTC]."""
    return _local_ms(day, time())


def gate_ms(day: date) -> int:
    """Return when the market for a day closes: 10:00 of the day before [ms since 1970, UTC]."""
    return _local_ms(day - timedelta(days=1), time(GATE_SLOT * _QUARTER_MIN // 60))


def day_interval(day: date) -> Interval:
    """Return the instants of a market day: 23, 24 or 25 hours."""
    return Interval(day_start_ms(day), day_start_ms(day + timedelta(days=1)))


def quarter_count(day: date) -> int:
    """Return the number of quarters of a market day: 92, 96 or 100."""
    return day_interval(day).duration_ms // QUARTER_MS


def day_of(unix_ms: int) -> date:
    """Return the market day that an instant [ms since 1970, UTC] falls into."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(ROME).date()


@lru_cache(_DAYS_KEPT)
def slots(day: date) -> NDArray[np.intp]:
    """Return the slot of local time, 0 … 95, of each quarter of a market day."""
    start_ms, count = day_start_ms(day), quarter_count(day)
    if count == SLOTS:
        return np.arange(SLOTS)
    return np.array([_slot_of(start_ms + quarter * QUARTER_MS) for quarter in range(count)])


def _slot_of(unix_ms: int) -> int:
    local = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(ROME)
    return (local.hour * 60 + local.minute) // _QUARTER_MIN


def _local_ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, ROME).timestamp()) * 1000
