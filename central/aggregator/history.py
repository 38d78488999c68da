"""What the aggregator knows of its customers' past: quarters of mean power, with gaps.

Load convention: positive power is taken from the grid, negative is given to it. NaN is a gap: not
measured, or measured while flexibility was called for, which is no usual quarter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from central.calendar import SLOTS, day_interval, slots
from central.documents.measures import QuarterMeasures
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

LEAST_COVERED_S = 450
"""A quarter of which less was measured counts as a gap: its mean would be a guess."""
_S_PER_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class History:
    """Quarters in a row from `start_ms` on, of several points of delivery.

    Args:
        pods: their codes, each once, in any order.
        start_ms: first instant [ms since 1970, UTC], on a quarter.
        power_w: mean power [W], shape (pods, quarters); NaN is a gap.

    Raises:
        Rejected: `bad_history`: shapes differ, a POD stands twice, the start is not on a quarter,
            or a power is infinite.
    """

    pods: tuple[str, ...]
    start_ms: int
    power_w: Floats

    def __post_init__(self) -> None:
        """Refuse what is no history."""
        if self.power_w.ndim != 2 or len(self.power_w) != len(self.pods):  # noqa: PLR2004 -- a table
            _reject(f"{len(self.pods)} PODs have powers of shape {self.power_w.shape}")
        if len(set(self.pods)) != len(self.pods):
            _reject("a POD stands in it twice")
        if self.start_ms % QUARTER_MS:
            _reject(f"it starts at {self.start_ms} ms, not on a quarter")
        if np.isinf(self.power_w).any():
            _reject("a power is infinite")

    @classmethod
    def of_measures(
        cls, measures: Iterable[QuarterMeasures], pods: Sequence[str], interval: Interval
    ) -> Self:
        """Return the past that quarterly measures (I-01) tell of some PODs in an interval.

        What was told last of a quarter counts; other PODs and other instants are left out.

        Raises:
            Rejected: `bad_history`: a POD stands twice, or the start is not on a quarter.
        """
        row = {pod: number for number, pod in enumerate(pods)}
        power_w = np.full((len(pods), interval.duration_ms // QUARTER_MS), np.nan)
        for told in sorted(measures, key=lambda each: (each.created_ms, each.revision, each.mrid)):
            number = row.get(told.pod.code)
            for quarter in told.quarters if number is not None else ():
                if quarter.start_ms in interval and quarter.covered_s >= LEAST_COVERED_S:
                    at = (quarter.start_ms - interval.start_ms) // QUARTER_MS
                    net_wh = quarter.import_wh - quarter.export_wh
                    power_w[number, at] = net_wh * _S_PER_HOUR / quarter.covered_s
        return cls(tuple(pods), interval.start_ms, power_w)

    def rows_of(self, pods: Sequence[str]) -> Integers:
        """Return the row of each POD, -1 for one of which nothing is known."""
        row = {pod: number for number, pod in enumerate(self.pods)}
        return np.array([row.get(pod, -1) for pod in pods], dtype=np.int64)

    def between(self, rows: Integers, interval: Interval) -> Floats:
        """Return the quarters of an interval [W], shape (rows, quarters), NaN where unknown."""
        found = np.full((len(rows), interval.duration_ms // QUARTER_MS), np.nan)
        first = (interval.start_ms - self.start_ms) // QUARTER_MS
        begin, end = max(first, 0), min(first + found.shape[1], self.power_w.shape[1])
        if begin < end and len(self.pods):
            found[:, begin - first : end - first] = self.power_w[rows, begin:end]
        found[rows < 0] = np.nan
        return found

    def days(self, rows: Integers, days: Sequence[date]) -> Floats:
        """Return days side by side by their clock [W], shape (rows, days, 96).

        Two quarters in one slot are averaged; a slot that the day does not have is unknown.
        """
        laid = np.full((len(rows), len(days), SLOTS), np.nan)
        for number, day in enumerate(days):
            power_w = self.between(rows, day_interval(day))
            laid[:, number] = power_w if power_w.shape[1] == SLOTS else _in_slots(power_w, day)
        return laid


def _in_slots(power_w: Floats, day: date) -> Floats:
    known = ~np.isnan(power_w)
    summed, counted = np.zeros((2, SLOTS, len(power_w)))
    np.add.at(summed, slots(day), np.where(known, power_w, 0.0).T)
    np.add.at(counted, slots(day), known.T)
    mean_w: Floats = np.where(counted > 0, summed / np.maximum(counted, 1), np.nan).T
    return mean_w


def _reject(what: str) -> None:
    raise Rejected(what, where="history", remedy="mend its source", reason="bad_history")
