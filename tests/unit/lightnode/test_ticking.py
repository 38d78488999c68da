"""The beat, in examples."""

import asyncio
import time

from ledger.facts.interval import SLOT_MS
from lightnode.ticking import Timeline, ticks
from tests.fakes.lightnode_clock import START_MS, WoundClock

HOUR_MS = 3_600_000
FIRST = START_MS // SLOT_MS


async def _slots(clock: WoundClock, *works_ms: int) -> list[tuple[int, int]]:
    found = []
    source = ticks(Timeline(clock))
    for spent_ms in works_ms:
        tick = await anext(source)
        found.append((tick.slot - FIRST, tick.missed))
        clock.work(spent_ms)
    return found


async def test_short_work_keeps_every_beat() -> None:
    assert await _slots(WoundClock(), 98, 98, 98) == [(0, 0), (1, 0), (2, 0)]


async def test_nine_seconds_of_work_skip_two_beats() -> None:
    assert await _slots(WoundClock(), 9_000, 98, 98) == [(0, 0), (3, 2), (4, 0)]


async def test_a_start_inside_a_slot_waits_for_the_next_one() -> None:
    assert await _slots(WoundClock(wall_ms=START_MS + 1), 98) == [(1, 0)]


async def test_a_clock_set_forward_skips_and_counts() -> None:
    clock = WoundClock(steps={7_000 + 5_000: HOUR_MS})
    assert await _slots(clock, 98, 98, 98) == [(0, 0), (1, 0), (902, 900)]


async def test_a_clock_set_back_repeats_nothing_and_is_told() -> None:
    clock = WoundClock(steps={7_000 + 5_000: -HOUR_MS})
    timeline = Timeline(clock)
    source = ticks(timeline)
    slots = []
    for _ in range(4):
        slots.append((await anext(source)).slot - FIRST)
        clock.work(98)
    assert slots == [0, 1, 2, 3]
    assert timeline.take_step_ms() == -HOUR_MS
    assert timeline.take_step_ms() == 0
    assert HOUR_MS - 2_000 < timeline.ahead_ms < HOUR_MS


def test_an_hour_ahead_is_worked_off_in_ten_hours() -> None:
    clock = WoundClock(steps={8_000: -HOUR_MS})
    timeline = Timeline(clock)
    for _ in range(10 * 900 + 5):
        clock.work(SLOT_MS)
        timeline.now_ms()
    assert timeline.ahead_ms == 0


def test_drift_is_no_step() -> None:
    clock = WoundClock()
    timeline = Timeline(clock)
    for _ in range(1_000):
        clock.work(SLOT_MS)
        clock.wall_ms -= 2
        timeline.now_ms()
    assert timeline.take_step_ms() == 0
    assert timeline.ahead_ms <= 2


def test_a_start_before_the_last_slot_is_a_step_back() -> None:
    timeline = Timeline(WoundClock(), not_before_ms=START_MS + HOUR_MS)
    assert timeline.take_step_ms() == -HOUR_MS
    assert timeline.now_ms() == START_MS + HOUR_MS


class SettableClock:
    """The machine's clock, with an offset that can be set; it sleeps as the real one does."""

    offset_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def sleep_until(self, unix_ms: int) -> None:
        while (remaining_ms := unix_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- that is what is tested
            await asyncio.sleep(min(remaining_ms / 1000, 1.0))


async def test_a_clock_set_back_in_the_middle_of_a_nap_is_noticed() -> None:
    clock = SettableClock()
    timeline = Timeline(clock)
    target_ms = timeline.now_ms() + 1_400
    sleeping = asyncio.create_task(timeline.sleep_until(target_ms))
    await asyncio.sleep(0.2)
    clock.offset_ms = -HOUR_MS
    async with asyncio.timeout(4):
        await sleeping
    assert timeline.now_ms() >= target_ms
