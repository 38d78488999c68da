"""The law of ticks, whatever work and clock do."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.interval import SLOT_MS
from lightnode.ticking import Tick, Timeline, ticks
from tests.fakes.lightnode_clock import START_MS, WoundClock

WORKS = st.lists(st.integers(0, 30_000), min_size=1, max_size=12)
HOUR_MS = 3_600_000
STEPS = st.dictionaries(
    st.integers(7_000, 60_000), st.integers(-25 * HOUR_MS, 25 * HOUR_MS), max_size=4
)


async def _beat(
    clock: WoundClock, works: list[int], *, not_before_ms: int = 0
) -> list[tuple[Tick, int]]:
    """Return the ticks, each with the node's time when it came."""
    timeline = Timeline(clock, not_before_ms=not_before_ms)
    beats = []
    source = ticks(timeline)
    for spent_ms in works:
        tick = await anext(source)
        beats.append((tick, timeline.now_ms()))
        clock.work(spent_ms)
    await source.aclose()  # type: ignore[attr-defined]
    return beats


@given(works=WORKS, offset_ms=st.integers(0, SLOT_MS - 1))
def test_on_a_good_clock_every_slot_has_its_tick_or_is_counted(
    works: list[int], offset_ms: int
) -> None:
    beats = asyncio.run(_beat(WoundClock(wall_ms=START_MS + offset_ms), works))
    for (before, _), (after, _) in pairwise(beats):
        assert after.slot - before.slot == after.missed + 1
    for tick, came_ms in beats:
        assert tick.due_ms % SLOT_MS == 0
        assert came_ms == tick.due_ms
    for (tick, _), (after, _), spent_ms in zip(beats, beats[1:], works, strict=False):
        assert after.missed == spent_ms // SLOT_MS, tick


@given(works=WORKS, steps=STEPS)
def test_whatever_the_clock_is_set_to_no_slot_comes_twice(
    works: list[int], steps: dict[int, int]
) -> None:
    beats = asyncio.run(_beat(WoundClock(steps=dict(steps)), works))
    for (before, _), (after, _) in pairwise(beats):
        assert after.slot - before.slot == after.missed + 1
        assert after.missed >= 0
    for tick, came_ms in beats:
        assert tick.due_ms <= came_ms < tick.due_ms + SLOT_MS


@given(works=WORKS, ahead_ms=st.integers(0, 25 * HOUR_MS))
def test_a_start_before_the_last_slot_goes_on_after_it(works: list[int], ahead_ms: int) -> None:
    not_before_ms = START_MS + ahead_ms
    beats = asyncio.run(_beat(WoundClock(), works, not_before_ms=not_before_ms))
    assert beats[0][0].due_ms >= not_before_ms
    assert beats[0][0].due_ms < not_before_ms + 2 * SLOT_MS


@given(steps=STEPS, looks=st.lists(st.integers(0, 5_000), min_size=1, max_size=60))
def test_the_nodes_time_never_goes_back_and_never_falls_behind(
    steps: dict[int, int], looks: list[int]
) -> None:
    clock = WoundClock(steps=dict(steps))
    timeline = Timeline(clock)
    last_ms = timeline.now_ms()
    for spent_ms in looks:
        clock.work(spent_ms)
        now_ms = timeline.now_ms()
        assert now_ms >= max(last_ms, clock.now_ms())
        assert timeline.ahead_ms == now_ms - clock.now_ms()
        last_ms = now_ms
