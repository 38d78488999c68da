"""Days side by side by their clock: the past in the form that a forecast is calculated from.

In single precision, in blocks that fit into a cache: a forecast is uncertain in its second digit,
and this is several times as fast as double precision over everything at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np

from central.calendar import SLOTS, day_interval, day_start_ms, slots
from central.dso.forecast.history import Booleans, Floats, Integers, Origin, Past, Singles


@dataclass(frozen=True, slots=True)
class Days:
    """Days of some points of delivery.

    Args:
        power_w: mean power of each slot [W], shape (pods, days, 96); 0 where it is not known. Two
            quarters in one slot are averaged.
        known: which slots are known, same shape; None if no slot is missing up to the instant
            that was asked for.
    """

    power_w: Singles
    known: Booleans | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Days in a row as they lie in a history, up to an instant.

    Args:
        past: reaches over the days, as far as they are known.
        days: in a row.
        known_until_ms: a quarter that ends after this instant is not known.
        usual: the longest run of days of 96 quarters that the history covers.
    """

    past: Past
    days: Sequence[date]
    known_until_ms: int
    usual: slice

    @classmethod
    def of(cls, past: Past, days: Sequence[date], known_until_ms: int) -> Self:
        """Return the layout of days."""
        history = past.history
        end_ms = min(history.interval.end_ms, known_until_ms)
        runs, begun = [slice(0, 0)], 0
        for number, day in enumerate(days):
            covered = history.start_ms <= day_start_ms(day) and day_interval(day).end_ms <= end_ms
            if not covered or len(slots(day)) != SLOTS:
                runs.append(slice(begun, number))
                begun = number + 1
        runs.append(slice(begun, len(days)))
        longest = max(runs, key=lambda run: run.stop - run.start)
        return cls(past, days, known_until_ms, longest)

    def of_pods(self, pods: Integers) -> Days:
        """Return the days of some PODs side by side."""
        power_w = np.empty((len(pods), len(self.days), SLOTS), np.float32)
        known = np.empty(power_w.shape, np.bool_)
        whole = self._lay_usual(pods, power_w[:, self.usual], known[:, self.usual])
        for number in (*range(self.usual.start), *range(self.usual.stop, len(self.days))):
            whole &= self._lay(pods, self.days[number], power_w[:, number], known[:, number])
        return Days(power_w, None if whole else known)

    def _lay_usual(self, pods: Integers, power_w: Singles, known: Booleans) -> bool:
        """Lay the run of usual days into place; tell whether no quarter is missing."""
        if not power_w.size:
            return True
        history = self.past.history
        first = history.position(day_start_ms(self.days[self.usual][0]))
        taken = slice(first, first + power_w.shape[1] * SLOTS)
        for row, pod in zip(power_w, pods, strict=True):  # faster than a copy of all in doubles
            row[:] = history.power_w[pod, taken].reshape(-1, SLOTS)
        known[:] = True
        if self.past.missing[pods].any():  # else the origins need not be read again
            known[:] = (history.origin[pods, taken] != Origin.MISSING).reshape(known.shape)
        return bool(known.all())

    def _lay(self, pods: Integers, day: date, power_w: Singles, known: Booleans) -> bool:
        """Lay the quarters of any day into its slots; tell whether none is missing so far."""
        history, slot = self.past.history, slots(day)
        first = history.position(day_start_ms(day))
        wanted = min(max(history.position(self.known_until_ms) - first, 0), len(slot))
        begin = min(max(-first, 0), wanted)
        end = max(min(wanted, history.power_w.shape[1] - first), begin)
        taken = slice(first + begin, first + end)
        present = history.origin[pods, taken] != Origin.MISSING
        power_w[:], counted = 0, np.zeros(power_w.shape, np.float32)
        _gather(counted, slot[begin:end], present)
        _gather(power_w, slot[begin:end], history.power_w[pods, taken])
        power_w /= np.maximum(counted, 1)
        known[:] = counted > 0
        return len(slot) == SLOTS and end - begin == wanted and bool(present.all())


def _gather(into: Singles, slot: Integers, values: Floats | Booleans) -> None:
    """Add values to their slots; in a day of 100 quarters two go into one."""
    if len(slot) and len(slot) == slot[-1] - slot[0] + 1:  # faster, and nearly every day
        into[:, slot[0] : slot[-1] + 1] = values
    else:
        np.add.at(into.T, slot, values.T)
