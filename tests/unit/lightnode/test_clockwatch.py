"""What the kernel's status bits mean."""

import pytest

from lightnode.clockwatch import KernelClockWatch, TrustedClock, state_of
from lightnode.ports import ClockState


@pytest.mark.parametrize(
    ("status", "max_error_us", "state"),
    [
        (0x2001, 12_345, ClockState(synchronised=True, error_ms=13)),
        (0x2001, 0, ClockState(synchronised=True, error_ms=0)),
        (0x0040, 16_000_000, ClockState(synchronised=False, error_ms=None)),
        (0x2041, 5, ClockState(synchronised=False, error_ms=None)),
    ],
)
def test_the_kernels_word(status: int, max_error_us: int, state: ClockState) -> None:
    assert state_of(status, max_error_us) == state


def test_this_kernel_answers() -> None:
    state = KernelClockWatch().state()
    assert state.synchronised == (state.error_ms is not None)


def test_a_kernel_that_cannot_tell_is_not_trusted() -> None:
    watch = KernelClockWatch()
    watch._adjtimex = None
    assert watch.state() == ClockState(synchronised=False, error_ms=None)
    watch._adjtimex = lambda _: -1
    assert not watch.state().synchronised


def test_an_operators_word_counts() -> None:
    assert TrustedClock(20).state() == ClockState(synchronised=True, error_ms=20)
