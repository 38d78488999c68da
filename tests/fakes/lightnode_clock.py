"""A clock wound by hand: time passes when somebody sleeps or works, and can be set on the way."""

import asyncio
from dataclasses import dataclass, field

from lightnode.ports import ClockState

START_MS = 1_782_000_000_000


@dataclass
class WoundClock:
    """`steps` maps counts of the monotonic clock [ms] to what the wall clock is set by [ms]."""

    wall_ms: int = START_MS
    count_ms: int = 7_000
    steps: dict[int, int] = field(default_factory=dict)
    slept: list[tuple[int, int]] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.count_ms

    async def sleep_until(self, unix_ms: int) -> None:
        self.slept.append((self.wall_ms, unix_ms))
        self.work(max(unix_ms - self.wall_ms, 0))
        await asyncio.sleep(0)

    def work(self, spent_ms: int) -> None:
        """Let time pass; the clock is set where the script says so."""
        end_ms = self.count_ms + spent_ms
        for due_ms in sorted(due for due in self.steps if due <= end_ms):
            self.wall_ms += self.steps.pop(due_ms)
        self.wall_ms += spent_ms
        self.count_ms = end_ms


@dataclass
class ToldClock:
    """A clock watch that says what it is told."""

    told: ClockState = field(default_factory=lambda: ClockState(synchronised=True, error_ms=3))

    def state(self) -> ClockState:
        return self.told
