"""What the operating system says about its clock, asked of the kernel itself.

chrony, ntpd and systemd-timesyncd all keep the kernel's own account of whether the clock is
synchronised and how far off it can be; `adjtimex` reads it without changing anything.
"""

import ctypes
import math

from lightnode.ports import ClockState

_STA_UNSYNC = 0x40
_US_PER_MS = 1_000
_ROOM_BYTES = 512


class _Timex(ctypes.Structure):
    """The first fields of `struct timex` (linux/timex.h); the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * _ROOM_BYTES),
    )


class KernelClockWatch:
    """The kernel's account (`ClockWatch` in lightnode.ports)."""

    def __init__(self) -> None:
        self._adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)

    def state(self) -> ClockState:
        """Return the state now; never synchronised where the kernel cannot tell."""
        told = _Timex()
        if self._adjtimex is None or self._adjtimex(ctypes.byref(told)) < 0:
            return ClockState(synchronised=False, error_ms=None)
        return state_of(told.status, told.maxerror)


class TrustedClock:
    """An operator's word that the clock is right within a bound, where no NTP tells the kernel."""

    def __init__(self, error_ms: int) -> None:
        self._state = ClockState(synchronised=True, error_ms=error_ms)

    def state(self) -> ClockState:
        """Return the operator's word."""
        return self._state


def state_of(status: int, max_error_us: int) -> ClockState:
    """Return the clock's state from the kernel's status bits and error bound."""
    if status & _STA_UNSYNC:
        return ClockState(synchronised=False, error_ms=None)
    return ClockState(synchronised=True, error_ms=math.ceil(max_error_us / _US_PER_MS))
