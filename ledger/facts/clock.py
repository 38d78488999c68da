"""The one source of time: injected everywhere, so that tests and demos can wind it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

_LONGEST_NAP_S = 1.0


class Clock(Protocol):
    """Tells UTC time and waits for it.

    `sleep_until` never returns early: it looks at the clock again after it wakes, so a
    clock that is set back only makes the wait longer.
    """

    def now_ms(self) -> int:
        """Return the instant now [ms since 1970, UTC]; may jump when the clock is set."""
        ...

    def monotonic_ms(self) -> int:
        """Return a count [ms] that never goes back and keeps its pace when the clock is set."""
        ...

    async def sleep_until(self, unix_ms: int) -> None:
        """Return at the first moment when `now_ms()` is `unix_ms` or later."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Return the instant now [ms since 1970, UTC]."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Return the machine's monotonic count [ms]."""
        return time.monotonic_ns() // 1_000_000

    async def sleep_until(self, unix_ms: int) -> None:
        """Wait in short naps, so that a clock that is set forward is noticed within a second."""
        while (remaining_ms := unix_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- time is no event
            await asyncio.sleep(min(remaining_ms / 1000, _LONGEST_NAP_S))


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """A clock that runs `rate` times as fast as the machine's, from a common origin.

    Processes that share `origin_ms` and `rate` show the same time, also after a restart:
    at the machine's instant `origin_ms` both clocks agree.
    """

    origin_ms: int
    rate: float = 1.0

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"a clock's rate must be above 0, not {self.rate}")

    def now_ms(self) -> int:
        """Return the scaled instant [ms since 1970, UTC]."""
        return self.origin_ms + int((time.time_ns() / 1e6 - self.origin_ms) * self.rate)

    def monotonic_ms(self) -> int:
        """Return the machine's monotonic count, scaled [ms]."""
        return int(time.monotonic_ns() / 1e6 * self.rate)

    async def sleep_until(self, unix_ms: int) -> None:
        """Wait in short naps until the scaled clock shows `unix_ms`."""
        while (remaining_ms := unix_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- time is no event
            await asyncio.sleep(min(remaining_ms / 1000 / self.rate, _LONGEST_NAP_S))


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """The time that a program lives in, as its configuration tells it; rate 1 is the machine's own.

    A rate above 1 makes a demonstration run faster, from the common instant `origin_ms` on.
    """

    origin_ms: int = 0
    rate: float = 1.0

    def __post_init__(self) -> None:
        self.clock()

    def clock(self) -> Clock:
        """Return the machine's clock for rate 1, which needs no origin, else a scaled one."""
        return SystemClock() if self.rate == 1 else ScaledClock(self.origin_ms, self.rate)
