"""What is known of the past: the mean power of each quarter of each point of delivery.

Load convention: positive power is taken from the grid, negative is given to it. Every quarter
says where it comes from; a certified one and an imported one are never added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ledger.errors import InvariantBroken, Rejected
from ledger.facts.interval import QUARTER_MS, Interval

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]
Origins = NDArray[np.uint8]
_COUNTED_AT_ONCE = 64


class Origin(IntEnum):
    """Where a quarter comes from; `CERTIFIED` is vouched for by the ledger, `RECEIVED` not yet."""

    MISSING = 0
    IMPORTED = 1
    RECEIVED = 2
    CERTIFIED = 3


@dataclass(frozen=True, slots=True)
class Customers:
    """What is known of each point of delivery beside its past, in the order of the history.

    Args:
        contract_w: contractual power [W], shape (pods).
        group: who is alike, for example ``household``: a new one is taken to be like its group.

    Raises:
        Rejected: a contractual power is not above 0, or the two differ in length.
    """

    contract_w: Floats
    group: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be scaled by."""
        if self.contract_w.shape != (len(self.group),):
            raise Rejected(
                f"{len(self.group)} groups for contractual powers of shape {self.contract_w.shape}",
                remedy="give one of each for each POD",
                reason="customers_differ",
            )
        if wrong := np.flatnonzero(
            ~(np.isfinite(self.contract_w) & (self.contract_w > 0))
        ).tolist():
            raise Rejected(
                f"a contractual power must be above 0 W, not {self.contract_w[wrong[0]]}",
                where=f"POD number {wrong[0]} of the history",
                remedy="give the power of its contract",
                reason="no_contract_power",
            )


@dataclass(frozen=True, slots=True)
class History:
    """Quarters in a row from `start_ms` on, of several points of delivery.

    Args:
        pods: their codes.
        start_ms: first instant [ms since 1970, UTC], on a quarter.
        power_w: mean power [W], shape (pods, quarters); 0 where nothing is known.
        origin: an `Origin` each, same shape.

    Raises:
        InvariantBroken: shapes differ, a power is not finite or stands where nothing is known.
    """

    pods: tuple[str, ...]
    start_ms: int
    power_w: Floats
    origin: Origins

    def __post_init__(self) -> None:
        """Refuse what a builder would not have built."""
        if self.power_w.shape != self.origin.shape or len(self.power_w) != len(self.pods):
            raise InvariantBroken(
                f"a history of {len(self.pods)} PODs has powers of shape {self.power_w.shape} and "
                f"origins of shape {self.origin.shape}"
            )
        if self.start_ms % QUARTER_MS:
            raise InvariantBroken(f"a history starts at {self.start_ms} ms, not on a quarter")
        if not np.isfinite(self.power_w).all() or self.power_w[self.origin == Origin.MISSING].any():
            raise InvariantBroken("a history holds a power that is not finite or has no origin")

    @property
    def interval(self) -> Interval:
        """Return the instants covered."""
        return Interval(self.start_ms, self.start_ms + self.power_w.shape[1] * QUARTER_MS)

    def position(self, unix_ms: int) -> int:
        """Return the number of the quarter that starts at an instant; it may lie outside."""
        return (unix_ms - self.start_ms) // QUARTER_MS

    def with_added(self, added_w: Iterable[tuple[str, int, float]]) -> Self:
        """Return it with power added to known quarters, where it is in the history.

        Args:
            added_w: POD, start of the quarter, and power [W].
        """
        rows, power_w = {pod: row for row, pod in enumerate(self.pods)}, self.power_w.copy()
        for pod, start_ms, more_w in added_w:
            row, at = rows.get(pod), self.position(start_ms)
            inside = row is not None and 0 <= at < power_w.shape[1]
            if inside and self.origin[row, at] != Origin.MISSING:
                power_w[row, at] += more_w
        return replace(self, power_w=power_w)


@dataclass(frozen=True, slots=True)
class Past:
    """The part of a history that a forecast looks at.

    Args:
        history: all of it.
        interval: what is looked at; it may go beyond the history.
        totals: quarters of all PODs by `Origin`, shape (origins).
        missing: quarters that each POD lacks, shape (pods).
    """

    history: History
    interval: Interval
    totals: Integers
    missing: Integers

    @classmethod
    def of(cls, history: History, interval: Interval) -> Self:
        """Return the part in an interval; a quarter outside the history is missing."""
        first, end = (max(history.position(ms), 0) for ms in (interval.start_ms, interval.end_ms))
        wanted = interval.duration_ms // QUARTER_MS
        totals = np.zeros(len(Origin), np.int64)
        missing = np.zeros(len(history.pods), np.int64)
        for begin in range(0, len(missing), _COUNTED_AT_ONCE):
            block = slice(begin, begin + _COUNTED_AT_ONCE)
            seen = history.origin[block, first:end]
            totals[1:] += [np.count_nonzero(seen == origin) for origin in range(1, len(Origin))]
            missing[block] = wanted - seen.shape[1]
            for pod in np.flatnonzero(seen.min(axis=1, initial=Origin.CERTIFIED) == 0):
                missing[begin + pod] = wanted - np.count_nonzero(seen[pod])
        totals[Origin.MISSING] = missing.sum()
        return cls(history, interval, totals, missing)
