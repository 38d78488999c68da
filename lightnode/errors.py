"""What goes wrong at the edge, told so that it can end in a named gap or in a wait.

Unavailable (ledger.errors)
├── MeterFault     the meter gave no usable reading: a gap with this cause
├── DiskFull       the outbox takes nothing more for now: a gap DISK_FULL, later
└── StoreFailed    the outbox failed: what it was doing may or may not have been kept
"""

from ledger.errors import Unavailable
from ledger.facts.record import GapCause


class MeterFault(Unavailable):
    """The meter gave no usable reading in this slot.

    Args:
        what: what was expected and what was found.
        cause: the cause that the gap will carry.
        where: address of the meter.
        remedy: what to look at.
    """

    def __init__(self, what: str, *, cause: GapCause, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.cause = cause


class StoreFailed(Unavailable):
    """The outbox failed in the middle: read back what it holds before going on."""


class DiskFull(StoreFailed):
    """There is no room on the disk, or the outbox has reached its capacity."""
