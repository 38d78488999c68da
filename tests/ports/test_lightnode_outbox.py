"""Every `Outbox` keeps its guarantee: kept as a whole, forgotten only by a matching receipt."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import codec
from ledger.facts.receipt import StoredSegment
from ledger.facts.record import ClockStep, Gap, GapCause
from ledger.signing import payload_of
from lightnode.outbox import SqliteOutbox
from lightnode.ports import Outbox, SealedSegment, Tail
from tests.fakes.lightnode_node import seal_of
from tests.fakes.lightnode_outbox import MemoryOutbox

FIRST_SLOT = 445_500_000


def record(sequence: int) -> bytes:
    slot = FIRST_SLOT + sequence
    return codec.encode_record(
        Gap(
            sequence=sequence, slot=slot, offset_ms=7, from_slot=slot, to_slot=slot + 1,
            cause=GapCause.METER_TIMEOUT,
        )
    )  # fmt: skip


def sealed(tail: Tail, count: int) -> tuple[SealedSegment, Tail]:
    records = [record(tail.next_sequence + n) for n in range(count)]
    return seal_of().segment(records, tail, None)


def receipt(segment: SealedSegment) -> StoredSegment:
    return StoredSegment(
        first_sequence=segment.first_sequence,
        count=segment.count,
        header_hash=segment.header_hash,
    )


async def fill(outbox: Outbox, tail: Tail, count: int) -> tuple[SealedSegment, Tail]:
    for number in range(tail.next_sequence, tail.next_sequence + count):
        await outbox.append(number, record(number))
    segment, following = sealed(tail, count)
    await outbox.seal(segment, following)
    return segment, following


@pytest.fixture(params=["memory", "sqlite"])
async def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outbox]:
    if request.param == "memory":
        yield MemoryOutbox()
        return
    stored = SqliteOutbox(tmp_path, capacity=1_000)
    yield stored
    await stored.close()


async def test_it_begins_empty(outbox: Outbox) -> None:
    kept = await outbox.load()
    assert kept.tail == Tail()
    assert kept.open_records == ()
    assert (kept.boot_id, kept.checkpoint) == (None, None)
    assert await outbox.newest() is None
    assert await outbox.after(-1, 10) == []
    assert await outbox.waiting() == 0


async def test_records_come_back_in_order(outbox: Outbox) -> None:
    for number in range(12):
        await outbox.append(number, record(number))
    assert (await outbox.load()).open_records == tuple(record(number) for number in range(12))


async def test_a_segment_takes_the_place_of_its_records(outbox: Outbox) -> None:
    for number in range(7):
        await outbox.append(number, record(number))
    segment, tail = sealed(Tail(), 5)
    await outbox.seal(segment, tail)
    kept = await outbox.load()
    assert kept.tail == tail
    assert kept.open_records == (record(5), record(6))
    assert await outbox.newest() == segment
    assert await outbox.after(-1, 10) == [segment]
    assert await outbox.waiting() == 1


async def test_segments_come_oldest_first_and_bounded(outbox: Outbox) -> None:
    tail, segments = Tail(), []
    for _ in range(5):
        segment, tail = await fill(outbox, tail, 3)
        segments.append(segment)
    assert await outbox.after(-1, 2) == segments[:2]
    assert await outbox.after(segments[1].first_sequence, 10) == segments[2:]
    assert await outbox.newest() == segments[-1]


async def test_only_a_matching_receipt_releases(outbox: Outbox) -> None:
    first, tail = await fill(outbox, Tail(), 3)
    second, _ = await fill(outbox, tail, 3)
    wrong = receipt(first)
    for bad in (
        replace(wrong, header_hash=second.header_hash),
        replace(wrong, count=2),
        replace(wrong, first_sequence=99),
    ):
        assert await outbox.release([bad], None) == 0
    assert await outbox.waiting() == 2
    assert await outbox.release([receipt(first), receipt(first)], (7, b"r" * 32)) == 1
    assert await outbox.after(-1, 10) == [second]
    assert (await outbox.load()).checkpoint == (7, b"r" * 32)
    assert await outbox.release([receipt(second)], None) == 1
    kept = await outbox.load()
    assert kept.checkpoint == (7, b"r" * 32)
    assert kept.tail.next_sequence == 6


async def test_the_boot_is_remembered(outbox: Outbox) -> None:
    await outbox.note_boot(b"12345678")
    await outbox.note_boot(b"abcdefgh")
    assert (await outbox.load()).boot_id == b"abcdefgh"


async def test_a_record_without_slots_is_kept_like_any_other(outbox: Outbox) -> None:
    step = codec.encode_record(ClockStep(sequence=0, slot=FIRST_SLOT, offset_ms=0, step_ms=-9))
    await outbox.append(0, step)
    segment, tail = seal_of().segment([step], Tail(), (1, b"c" * 32))
    await outbox.seal(segment, tail)
    header = codec.decode_header(payload_of(codec.decode_segment(segment.encoded).signed_header)[1])
    assert (header.first_slot, header.end_slot) == (FIRST_SLOT, FIRST_SLOT)
    assert (await outbox.load()).tail.next_slot == FIRST_SLOT
