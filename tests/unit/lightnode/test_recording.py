"""One sequence, sealed at window borders, read back when in doubt."""

import pytest

from ledger.errors import InvariantBroken
from ledger.facts.record import ClockStep, Gap, GapCause
from lightnode.errors import DiskFull, StoreFailed
from lightnode.recording import Draft, Holes, Recorder
from tests.fakes.lightnode_node import judged, seal_of
from tests.fakes.lightnode_outbox import MemoryOutbox

FIRST = 445_500_000


def gap(from_slot: int, to_slot: int) -> Draft:
    return Draft(Gap, {"from_slot": from_slot, "to_slot": to_slot, "cause": GapCause.METER_TIMEOUT})


def recorder_on(outbox: MemoryOutbox, shown: list[bytes], announced: list[int]) -> Recorder:
    return Recorder(
        outbox, seal_of(), show=shown.append, announce=lambda: announced.append(len(shown))
    )


async def test_a_window_is_sealed_with_its_last_slot() -> None:
    outbox, shown, announced = MemoryOutbox(), list[bytes](), list[int]()
    recorder = recorder_on(outbox, shown, announced)
    for slot in range(FIRST, FIRST + 31):
        await recorder.add((slot, 0), gap(slot, slot + 1))
    assert announced == [15, 30]
    assert sorted(outbox.segments) == [0, 15]
    assert list(outbox.records) == [30]
    await recorder.seal_open()
    assert sorted(outbox.segments) == [0, 15, 30]
    await recorder.seal_open()
    assert not judged(outbox).broken


async def test_a_record_of_a_later_window_closes_the_one_before() -> None:
    outbox = MemoryOutbox()
    recorder = recorder_on(outbox, [], [])
    await recorder.add((FIRST + 3, 0), gap(FIRST + 3, FIRST + 4))
    await recorder.add((FIRST + 40, 0), gap(FIRST + 4, FIRST + 41))
    assert sorted(outbox.segments) == [0]
    await recorder.seal_open()
    assert judged(outbox).gap_slots() == {GapCause.METER_TIMEOUT: 38}


async def test_events_alone_fill_a_segment_at_most() -> None:
    outbox = MemoryOutbox()
    recorder = recorder_on(outbox, [], [])
    await recorder.add((FIRST, 0), gap(FIRST, FIRST + 1))
    for _ in range(300):
        await recorder.add((FIRST, 1), Draft(ClockStep, {"step_ms": 1}))
    await recorder.seal_open()
    assert [segment.count for segment in outbox.segments.values()] == [225, 76]
    assert not judged(outbox).broken


async def test_what_does_not_follow_is_refused() -> None:
    recorder = recorder_on(MemoryOutbox(), [], [])
    await recorder.add((FIRST, 0), gap(FIRST, FIRST + 1))
    with pytest.raises(InvariantBroken, match=f"slots from {FIRST + 2}, where {FIRST + 1}"):
        await recorder.add((FIRST + 2, 0), gap(FIRST + 2, FIRST + 3))
    with pytest.raises(InvariantBroken, match="after slot"):
        await recorder.add((FIRST - 1, 0), Draft(ClockStep, {"step_ms": 1}))


async def test_nothing_is_shown_that_is_not_kept() -> None:
    outbox, shown = MemoryOutbox(), list[bytes]()
    outbox.fault = lambda _, name: "full" if name == "append" else ""
    recorder = recorder_on(outbox, shown, [])
    with pytest.raises(DiskFull):
        await recorder.add((FIRST, 0), gap(FIRST, FIRST + 1))
    assert shown == []
    outbox.fault = lambda _number, _name: ""
    await recorder.add((FIRST, 0), gap(FIRST, FIRST + 1))
    assert shown == outbox.promised


async def test_a_seal_that_fails_is_made_good_before_the_next_window() -> None:
    outbox = MemoryOutbox()
    recorder = recorder_on(outbox, [], [])
    for slot in range(FIRST, FIRST + 14):
        await recorder.add((slot, 0), gap(slot, slot + 1))
    outbox.fault = lambda _, name: "lost" if name == "seal" else ""
    await recorder.add((FIRST + 14, 0), gap(FIRST + 14, FIRST + 15))
    with pytest.raises(StoreFailed):
        await recorder.add((FIRST + 15, 0), gap(FIRST + 15, FIRST + 16))
    outbox.fault = lambda _number, _name: ""
    await recorder.add((FIRST + 15, 0), gap(FIRST + 15, FIRST + 16))
    assert sorted(outbox.segments) == [0]
    assert len(outbox.records) == 1


def test_holes_are_written_in_order_and_once() -> None:
    holes = Holes()
    holes.note(10, GapCause.DISK_FULL)
    holes.note(11, GapCause.DISK_FULL)
    holes.note(11, GapCause.OVERLOAD)
    holes.note(14, GapCause.METER_CRC)
    spans = [(draft.fields["from_slot"], draft.fields["to_slot"]) for draft in holes.gaps(7)]
    assert spans == [(7, 11), (11, 14)]
    assert [draft.fields["cause"].name for draft in holes.gaps(12)] == ["METER_CRC"]
    assert holes.gaps(14) == []
    holes.forget(11)
    assert len(holes.gaps(11)) == 1


def test_holes_are_bounded() -> None:
    holes = Holes()
    causes = [GapCause.METER_CRC, GapCause.METER_TIMEOUT]
    for slot in range(1, 5_000):
        holes.note(slot, causes[slot % 2])
    gaps = holes.gaps(0)
    assert len(gaps) == 1_000
    assert gaps[-1].fields["to_slot"] == 4_999
