"""Cars: charging can wait as long as the night is long enough, and begin before it would.

```
          arrives        stops by itself                     leaves
 plan        ████████████████▏. . . . . . . . . . . . . . . . ▏
 pause       ░░░░░░░░████████▏████████ . . . . . . . . . . . .▏   later by as much as it waited
 throttle    ▄▄▄▄▄▄▄▄████████▏████. . . . . . . . . . . . . . ▏   never below 6 A
```
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from central.aggregator.devices.declared import Vehicle
from central.aggregator.devices.moving import QUARTERS_PER_HOUR, Leeway, Movement, column
from central.aggregator.history import Booleans, Floats, Integers
from central.calendar import SLOTS, day_of, day_start_ms, slots
from central.documents.header import FULL_PERMILLE, Direction
from ledger.facts.interval import QUARTER_MS, Interval

_SIDE = 200
"""Quarters before and after the interval in which a car may arrive or leave: two long days."""


@dataclass(frozen=True, slots=True)
class Charging:
    """One stay of each car; quarters are counted from the start of the interval.

    Args:
        begin, start, stop, end: when it arrives, begins to charge, has enough, and leaves, shape
            (cars); it stops after the last quarter in which it charges.
        plan_w: what it takes by itself, shape (cars, quarters); the axis begins 200 quarters
            before the interval, and ends 200 after.
        spare_w: what it could take after it has enough, same shape.
        is_enough: whether it is full enough in time if nobody calls, shape (cars).
    """

    begin: Integers
    start: Integers
    stop: Integers
    end: Integers
    plan_w: Floats
    spare_w: Floats
    is_enough: Booleans


def move_vehicles(
    vehicles: Sequence[Vehicle], leeway: Leeway, interval: Interval
) -> Iterator[Movement]:
    """Yield how cars can charge later, throttled or paused (UP), and sooner (DOWN).

    A car that would not be full enough in time is left alone. Every stay that reaches into the
    interval is a movement of its own, and only one of all can be had.
    """
    first, last = day_of(interval.start_ms), day_of(interval.end_ms - 1)
    for number in range(-1, (last - first).days + 1):
        day = first + timedelta(days=number)
        stay = charging(vehicles, leeway.take_w, interval, day)
        yield _throttled(vehicles, leeway, stay, f"{day} throttled")
        yield _paused(vehicles, leeway, stay, f"{day} paused")
        yield _sooner(vehicles, leeway, stay, f"{day} sooner")


def charging(
    vehicles: Sequence[Vehicle], take_w: Floats, interval: Interval, day: date
) -> Charging:
    """Return the stay of each car that arrives on a day.

    Args:
        vehicles: the cars.
        take_w: how much more each may take, shape (cars, quarters); before the interval and after
            it, as in its first and last quarter.
        interval: from whose start quarters are counted.
        day: of arrival.
    """
    today, tomorrow = _clock(day, interval), _clock(day + timedelta(days=1), interval)
    begin = today[[each.arrives_slot for each in vehicles]]
    end = _next(today, tomorrow, begin, [each.leaves_slot for each in vehicles], 1)
    start = _next(today, tomorrow, begin, [each.begins_slot for each in vehicles], 0)
    most_w = column([each.power_w for each in vehicles])
    least_w = column([each.least_w for each in vehicles])
    need_wh = column([each.energy_wh for each in vehicles])
    quarter_wh = most_w / QUARTERS_PER_HOUR
    full = np.ceil(need_wh / quarter_wh).astype(np.int64)[:, 0]
    is_enough = full <= end - begin
    start = np.maximum(np.minimum(start, end - full), begin)
    stop = np.minimum(start + full, end)
    at = np.arange(-_SIDE, take_w.shape[1] + _SIDE)
    charged_wh = (at - start[:, None]) * quarter_wh
    planned = (at >= start[:, None]) & (at < stop[:, None])
    plan_w = np.where(planned, np.clip(need_wh - charged_wh, 0, quarter_wh), 0.0)
    plan_w *= QUARTERS_PER_HOUR
    room_w = np.pad(take_w, ((0, 0), (_SIDE, _SIDE)), mode="edge")
    free = (at >= stop[:, None]) & (at < end[:, None]) & (room_w >= least_w)
    spare_w = np.where(free, np.minimum(most_w, room_w), 0.0)
    return Charging(begin, start, stop, end, plan_w, spare_w, is_enough)


def _clock(day: date, interval: Interval) -> Integers:
    """Return the quarter, from the interval's start, in which each slot of a day first begins.

    A slot that the clocks leave out begins where the next one does.
    """
    of_day = slots(day)
    first = (day_start_ms(day) - interval.start_ms) // QUARTER_MS
    place = [int(np.argmax(of_day >= slot)) for slot in range(SLOTS)]
    return first + np.array(place, dtype=np.int64)


def _next(
    today: Integers, tomorrow: Integers, begin: Integers, slot: Sequence[int], later: int
) -> Integers:
    """Return when the clock shows a slot next, `later` quarters after `begin` at the soonest."""
    same: Integers = np.where(today[slot] >= begin + later, today[slot], tomorrow[slot])
    return same


def _throttled(vehicles: Sequence[Vehicle], leeway: Leeway, stay: Charging, name: str) -> Movement:
    """Return charging at less power, never below 6 A, and the rest after the plan's end."""
    most_w = column([each.power_w for each in vehicles])
    spared_w = most_w - column([each.least_w for each in vehicles])
    inside_w = _inside(stay.plan_w, leeway)
    power_w = np.where((inside_w >= most_w) & stay.is_enough[:, None], spared_w, 0.0)
    length = stay.stop - stay.start
    longest = _fitting(stay, spared_w[:, 0], length)
    back = _quarters_back(stay, longest * spared_w[:, 0])
    # An activation at the plan's start comes back last; the time is told from its end.
    duration = np.maximum(length - longest, 0) + back
    return _up(
        leeway, name, np.minimum(power_w, leeway.give_w), longest, delay=0 * back, duration=duration
    )


def _paused(vehicles: Sequence[Vehicle], leeway: Leeway, stay: Charging, name: str) -> Movement:
    """Return charging not at all, from the plan's start on, as long as the rest still fits."""
    most_w = np.array([each.power_w for each in vehicles], dtype=np.float64)
    quarters = leeway.take_w.shape[1]
    first = np.maximum(stay.start, 0)
    length = np.minimum(_fitting(stay, most_w, stay.stop - stay.start), stay.stop - first)
    length = np.clip(np.minimum(length, leeway.longest), 0, np.maximum(quarters - first, 0))
    at = np.arange(quarters)
    plan_w = _inside(stay.plan_w, leeway)
    taken = (at >= first[:, None]) & (at < (first + length)[:, None]) & stay.is_enough[:, None]
    # A pause takes all of what the car charges: its owner must allow that much.
    taken &= leeway.up_w >= plan_w
    power_w = np.minimum(np.where(taken, plan_w, 0.0), leeway.give_w)
    delay = np.maximum(stay.stop - first - length, 0)
    back = _quarters_back(stay, length * most_w)
    moved = _up(leeway, name, power_w, length, delay=delay, duration=back)
    return replace(moved, is_whole=True, in_one_piece=True)


def _sooner(vehicles: Sequence[Vehicle], leeway: Leeway, stay: Charging, name: str) -> Movement:
    """Return charging before the plan's start, at 6 A or more, and less of the plan's end."""
    most_w = np.array([each.power_w for each in vehicles], dtype=np.float64)
    need_wh = np.array([each.energy_wh for each in vehicles], dtype=np.float64)
    at = np.arange(leeway.take_w.shape[1])
    waits = (at >= stay.begin[:, None]) & (at < stay.start[:, None]) & stay.is_enough[:, None]
    power_w = np.where(waits, np.minimum(most_w[:, None], leeway.take_w), 0.0)
    length = np.floor(need_wh * QUARTERS_PER_HOUR / most_w).astype(np.int64)
    longest = np.minimum(np.minimum(length, leeway.longest), np.maximum(stay.start - stay.begin, 0))
    planned = stay.stop - stay.start
    one = np.ones(len(vehicles), dtype=np.int64)
    return Movement(
        name=name,
        direction=Direction.DOWN,
        power_w=np.minimum(power_w, leeway.down_w),
        least_w=np.array([each.least_w for each in vehicles], dtype=np.float64),
        longest=longest,
        rest=leeway.rest,
        calls=np.minimum(leeway.calls, 1),
        back_permille=one * FULL_PERMILLE,
        delay=0 * one,
        duration=np.maximum(np.maximum(stay.start - stay.begin - longest, 0) + planned, 1),
    ).fitted(leeway)


def _up(
    leeway: Leeway, name: str, power_w: Floats, longest: Integers, *, delay: Integers,
    duration: Integers,
) -> Movement:  # fmt: skip
    return Movement(
        name=name,
        direction=Direction.UP,
        power_w=np.minimum(power_w, leeway.up_w),
        least_w=np.zeros(len(power_w)),
        longest=np.minimum(longest, leeway.longest),
        rest=leeway.rest,
        calls=np.minimum(leeway.calls, 1),
        back_permille=np.full(len(power_w), FULL_PERMILLE),
        delay=delay,
        duration=np.maximum(duration, 1),
    ).fitted(leeway)


def _inside(of_stay: Floats, leeway: Leeway) -> Floats:
    """Return the quarters of the interval."""
    return of_stay[:, _SIDE : _SIDE + leeway.take_w.shape[1]]


def _fitting(stay: Charging, power_w: Floats, most: Integers) -> Integers:
    """Return for how many quarters this power can wait until after the plan, shape (cars)."""
    spare_w = stay.spare_w.sum(axis=1)
    fits = np.where(power_w > 0, np.floor(spare_w / np.maximum(power_w, 1e-9) + 1e-9), 0)
    return np.minimum(fits.astype(np.int64), most)


def _quarters_back(stay: Charging, moved_w: Floats) -> Integers:
    """Return how many quarters after the plan's end it takes until all is back, shape (cars).

    Args:
        stay: of each car.
        moved_w: power times quarters, shape (cars).
    """
    at = np.arange(stay.spare_w.shape[1]) - _SIDE
    behind = np.cumsum(stay.spare_w, axis=1) < moved_w[:, None] - 1e-6
    quarters: Integers = (behind & (at >= stay.stop[:, None])).sum(axis=1) + 1
    return quarters
