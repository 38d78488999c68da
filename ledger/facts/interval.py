"""Slots of four seconds, quarters of an hour, and half-open intervals between instants in UTC.

```
 unix_ms   0        4000      8000                     60000
           |--------|---------|--- ... ---|------------|
 slot          0         1                      14
 window    |<---------------- 0 (60 s = 15 slots) ---->|
```
"""

from dataclasses import dataclass

SLOT_MS = 4_000
QUARTER_MS = 900_000


def slot_of(unix_ms: int) -> int:
    """Return the number of the slot that an instant [ms since 1970, UTC] falls into."""
    return unix_ms // SLOT_MS


def slot_start_ms(slot: int) -> int:
    """Return the first instant of a slot [ms since 1970, UTC]."""
    return slot * SLOT_MS


def quarter_start_ms(unix_ms: int) -> int:
    """Return the first instant of the quarter-hour that an instant falls into [ms]."""
    return unix_ms - unix_ms % QUARTER_MS


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The instants from `start_ms` up to, and not including, `end_ms` [ms since 1970, UTC].

    Raises:
        ValueError: the end lies before the start.
    """

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms < self.start_ms:
            msg = f"an interval ends at {self.end_ms} before it starts at {self.start_ms}"
            raise ValueError(msg)

    def __contains__(self, unix_ms: int) -> bool:
        """Tell whether an instant lies in the interval."""
        return self.start_ms <= unix_ms < self.end_ms

    @property
    def duration_ms(self) -> int:
        """Return the length [ms]."""
        return self.end_ms - self.start_ms

    def overlaps(self, other: "Interval") -> bool:
        """Tell whether the two share at least one instant."""
        return self.start_ms < other.end_ms and other.start_ms < self.end_ms
