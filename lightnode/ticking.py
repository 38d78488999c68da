"""The beat: one tick for each 4-second slot, on the node's own time, which never goes back.

```
 wall clock right       |0        |4        |8        |12       ticks 0, 4, 8, 12
 a read of 9 s          |0=========---------=>        |12       ticks 0, 12 (missed 2)
 set back by an hour    |0        |4 <-1 h   |8        |12      goes on; `ahead_ms` 3,600,000,
                                                                 shrinking by a tenth of what passes
 set forward by an hour |0        |4 +1 h -------------------->  ticks 0, 4, 3608 (missed 900)
```
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ledger.facts.clock import Clock
from ledger.facts.interval import SLOT_MS, slot_of, slot_start_ms

_STEP_MS = 500
_SLEW_DIVISOR = 10
_NAP_MS = 1_000
_LONGEST_NAP_S = 1.0
_SAMPLES = 5
_GOOD_SAMPLE_MS = 5


class Timeline:
    """The node's own time [ms since 1970, UTC].

    It is the clock's time as long as that goes forward. When the clock is set back, the node
    goes on by its monotonic count, `ahead_ms` in front of the clock, and lets a tenth of what
    passes go by until the clock has caught up: no instant comes twice, and the error ends.

    Args:
        clock: the clock that is followed.
        not_before_ms: an instant already used, before the node was started.
    """

    def __init__(self, clock: Clock, *, not_before_ms: int = 0) -> None:
        self._clock = clock
        self._monotonic_ms, self._wall_ms = _sample(clock)
        self._now_ms = max(self._wall_ms, not_before_ms)
        self._step_ms = 0 if self.ahead_ms < _STEP_MS else -self.ahead_ms

    def now_ms(self) -> int:
        """Return the instant now."""
        monotonic_ms, wall_ms = _sample(self._clock)
        elapsed_ms = max(monotonic_ms - self._monotonic_ms, 0)
        step_ms = wall_ms - self._wall_ms - elapsed_ms
        if abs(step_ms) >= _STEP_MS:
            self._step_ms += step_ms
        slew_ms = min(self.ahead_ms, elapsed_ms // _SLEW_DIVISOR)
        self._now_ms = max(self._now_ms + elapsed_ms - slew_ms, wall_ms)
        self._monotonic_ms, self._wall_ms = monotonic_ms, wall_ms
        return self._now_ms

    @property
    def ahead_ms(self) -> int:
        """Return how far the node's time is in front of the clock, as last looked at."""
        return self._now_ms - self._wall_ms

    def monotonic_ms(self) -> int:
        """Return the clock's monotonic count."""
        return self._clock.monotonic_ms()

    def take_step_ms(self) -> int:
        """Return by how much the clock was set since this was asked last."""
        step_ms, self._step_ms = self._step_ms, 0
        return step_ms

    async def sleep_until(self, unix_ms: int) -> None:
        """Return at the first moment when `now_ms()` is `unix_ms` or later.

        Naps are short, by the clock and in real time, so that a clock that is set is noticed soon.
        """
        while (remaining_ms := unix_ms - self.now_ms()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_NAP_S):
                    await self._clock.sleep_until(self._wall_ms + min(remaining_ms, _NAP_MS))


@dataclass(frozen=True, slots=True)
class Tick:
    """The start of a slot, and how many slots before it had no tick."""

    slot: int
    missed: int

    @property
    def due_ms(self) -> int:
        """Return the instant it was due [ms since 1970, UTC]."""
        return slot_start_ms(self.slot)


async def ticks(timeline: Timeline, *, from_slot: int = 0) -> AsyncIterator[Tick]:
    """Beat at the start of every slot: never early, never in bursts, never twice for one.

    A slot whose start could not be kept has no tick; the next one counts it. Slots before
    `from_slot` have had theirs, from a program before this one.
    """
    slot, missed = max(-(-timeline.now_ms() // SLOT_MS), from_slot), 0
    while True:
        await timeline.sleep_until(slot_start_ms(slot))
        if (present := slot_of(timeline.now_ms())) > slot:
            # Slept through it: the machine was suspended, or its clock was set forward.
            missed += present + 1 - slot
            slot = present + 1
            continue
        yield Tick(slot, missed)
        following = max(slot, slot_of(timeline.now_ms())) + 1
        missed, slot = following - slot - 1, following


def _sample(clock: Clock) -> tuple[int, int]:
    """Return monotonic count and wall clock of one moment [ms].

    Between the two calls the machine may be busy with something else: of a few tries the one
    that took least is believed.
    """
    tries = []
    for _ in range(_SAMPLES):
        before_ms = clock.monotonic_ms()
        wall_ms = clock.now_ms()
        spent_ms = clock.monotonic_ms() - before_ms
        tries.append((spent_ms, before_ms + spent_ms // 2, wall_ms))
        if spent_ms <= _GOOD_SAMPLE_MS:
            break
    _, monotonic_ms, wall_ms = min(tries)
    return monotonic_ms, wall_ms
