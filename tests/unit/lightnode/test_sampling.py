"""Slots, one by one: what becomes a reading, what a gap, and why."""

import pytest

from ledger.facts.record import Boot, ClockStep, Gap, GapCause, Quality, Reading
from lightnode.ports import ClockState
from tests.fakes.lightnode_clock import START_MS, ToldClock, WoundClock
from tests.fakes.lightnode_meter import ScriptedMeter
from tests.fakes.lightnode_node import BOOT_ID, WirelessNode, kinds
from tests.fakes.lightnode_outbox import MemoryOutbox

FIRST = START_MS // 4_000
HOUR_MS = 3_600_000


async def test_a_start_is_told_and_then_every_slot_read() -> None:
    node = WirelessNode()
    await node.boot()
    await node.beat(3)
    judge = await node.judged()
    assert kinds(judge.records()) == ["Boot", "Reading", "Reading", "Reading"]
    boot, first = judge.records()[:2]
    assert isinstance(boot, Boot)
    assert (boot.boot_id, boot.profile) == (BOOT_ID, "fake@1")
    assert node.outbox.boot_id == BOOT_ID
    assert isinstance(first, Reading)
    assert (first.slot, first.offset_ms, first.latency_ms) == (FIRST, 0, 40)
    assert (first.quality, first.clock_error_ms) == (Quality.GOOD, 3)
    assert not judge.broken


@pytest.mark.parametrize(
    "cause",
    [GapCause.METER_TIMEOUT, GapCause.METER_CRC, GapCause.METER_EXCEPTION, GapCause.METER_RANGE],
)
async def test_a_meters_fault_is_a_gap_with_its_cause(cause: GapCause) -> None:
    node = WirelessNode(meter=ScriptedMeter(script=lambda n: cause if n == 2 else 40))
    await node.boot()
    await node.beat(3)
    judge = await node.judged()
    assert kinds(judge.records()) == ["Boot", "Reading", "Gap", "Reading"]
    assert judge.gap_slots() == {cause: 1}
    assert node.sampler
    assert node.sampler.tally.gap_slots == {cause.name: 1}


async def test_a_reading_after_its_budget_is_a_gap() -> None:
    node = WirelessNode(meter=ScriptedMeter(script=lambda n: 3_300 if n == 2 else 40))
    await node.boot()
    await node.beat(3)
    assert (await node.judged()).gap_slots() == {GapCause.OVERLOAD: 1}


async def test_slots_without_a_tick_are_one_gap() -> None:
    node = WirelessNode()
    await node.boot()
    await node.beat(3, work_ms=lambda n: 10_000 if n == 1 else 0)
    judge = await node.judged()
    assert kinds(judge.records()) == ["Boot", "Reading", "Reading", "Gap", "Reading"]
    assert judge.gap_slots() == {GapCause.OVERLOAD: 2}


@pytest.mark.parametrize("cause", [GapCause.POWER_OFF, GapCause.PROCESS_DOWN])
async def test_the_time_off_is_one_gap(cause: GapCause) -> None:
    node = WirelessNode()
    await node.boot()
    await node.beat(3)
    node.clock.work(600_000)
    await node.boot(cause)
    await node.beat(2)
    judge = await node.judged()
    assert kinds(judge.records())[4:] == ["Boot", "Gap", "Reading", "Reading"]
    assert judge.gap_slots() == {cause: 150}
    assert not judge.broken


async def test_a_restart_within_the_slot_leaves_no_gap() -> None:
    node = WirelessNode()
    await node.boot()
    await node.beat(2)
    node.clock.work(1_000)
    await node.boot()
    await node.beat(2)
    assert (await node.judged()).gap_slots() == {}


async def test_a_clock_set_forward_is_a_step_and_a_gap() -> None:
    node = WirelessNode(clock=WoundClock(steps={7_000 + 6_000: HOUR_MS}))
    await node.boot()
    await node.beat(3)
    judge = await node.judged()
    assert kinds(judge.records()) == ["Boot", "Reading", "Reading", "ClockStep", "Gap", "Reading"]
    assert judge.gap_slots() == {GapCause.CLOCK_UNSYNC: 900}
    step = judge.records()[3]
    assert isinstance(step, ClockStep)
    assert step.step_ms == HOUR_MS


async def test_a_clock_set_back_is_a_step_and_flagged() -> None:
    node = WirelessNode(clock=WoundClock(steps={7_000 + 6_000: -HOUR_MS}))
    await node.boot()
    await node.beat(4)
    judge = await node.judged()
    assert kinds(judge.records()) == [
        "Boot",
        "Reading",
        "Reading",
        "ClockStep",
        "Reading",
        "Reading",
    ]
    assert judge.gap_slots() == {}
    flagged = judge.readings()[-1]
    assert flagged.quality == Quality.CLOCK_UNSYNCHRONISED
    assert flagged.clock_error_ms
    assert HOUR_MS - 10_000 < flagged.clock_error_ms <= HOUR_MS + 3


@pytest.mark.parametrize(
    ("told", "error_ms"),
    [
        (ClockState(synchronised=False, error_ms=None), None),
        (ClockState(synchronised=False, error_ms=9_000), 9_000),
    ],
)
async def test_an_unsynchronised_clock_is_flagged(told: ClockState, error_ms: int | None) -> None:
    node = WirelessNode(told=ToldClock(told))
    await node.boot()
    await node.beat(1)
    reading = (await node.judged()).readings()[0]
    assert (reading.quality, reading.clock_error_ms) == (Quality.CLOCK_UNSYNCHRONISED, error_ms)


async def test_a_full_disk_is_a_gap_once_there_is_room() -> None:
    full = range(12, 30)
    outbox = MemoryOutbox(fault=lambda number, _: "full" if number in full else "")
    node = WirelessNode(outbox=outbox)
    await node.boot()
    await node.beat(30)
    judge = await node.judged()
    slots = judge.gap_slots()
    assert set(slots) == {GapCause.DISK_FULL}
    assert slots[GapCause.DISK_FULL] > 2
    assert not judge.broken
    gaps = [record for record in judge.records() if isinstance(record, Gap)]
    assert len(gaps) == 1


async def test_what_failed_but_was_kept_is_neither_lost_nor_doubled() -> None:
    outbox = MemoryOutbox(fault=lambda number, _: "kept" if number % 5 == 0 else "")
    node = WirelessNode(outbox=outbox)
    await node.boot()
    await node.beat(40)
    judge = await node.judged()
    assert not judge.broken
    assert judge.gap_slots() == {}
    assert len(judge.readings()) == 40


async def test_registers_that_jump_are_not_believed() -> None:
    node = WirelessNode()
    await node.boot()
    await node.beat(2)
    node.meter.reads += 1_000
    await node.beat(4)
    judge = await node.judged()
    assert judge.gap_slots() == {GapCause.METER_RANGE: 2}
