"""What goes wrong at the edge, and what it ends in."""

import pytest

from ledger.errors import CertiflexError, Unavailable
from ledger.facts.record import GapCause
from lightnode.errors import DiskFull, MeterFault, StoreFailed


@pytest.mark.parametrize("cause", list(GapCause))
def test_a_fault_of_the_meter_carries_the_cause_of_its_gap(cause: GapCause) -> None:
    fault = MeterFault("no answer", cause=cause, where="/dev/ttyUSB0 unit 1", remedy="look at A/B")
    assert fault.cause is cause
    assert str(fault) == "/dev/ttyUSB0 unit 1: no answer; look at A/B"


def test_a_full_disk_is_waited_for_like_a_failed_store() -> None:
    assert issubclass(DiskFull, StoreFailed)
    assert issubclass(StoreFailed, Unavailable)
    assert issubclass(MeterFault, Unavailable)
    assert issubclass(Unavailable, CertiflexError)
