"""What a header says is true of the records under it."""

from ledger import codec
from ledger.facts.record import Boot, Gap, GapCause, Quality, Reading, Record
from ledger.facts.segment import SegmentHeader
from ledger.signing import SEGMENT_CONTEXT
from lightnode.ports import SealedSegment, Tail
from tests.fakes.lightnode_gateway import Judge
from tests.fakes.lightnode_node import KEY, SECRET, seal_of

WINDOW = 29_700_000
FIRST = WINDOW * 15


def reading(sequence: int, slot: int, import_wh: int) -> Reading:
    return Reading(
        sequence=sequence, slot=slot, offset_ms=5, latency_ms=40, power_w=900,
        reactive_power_var=-20, voltages_mv=(230_000,), currents_ma=(4_000,), frequency_mhz=50_000,
        import_wh=import_wh, export_wh=7, quality=Quality.GOOD, clock_error_ms=None,
    )  # fmt: skip


RECORDS: list[Record] = [
    Boot(sequence=0, slot=FIRST, offset_ms=1, boot_id=b"12345678", software="s", profile="p"),
    reading(1, FIRST, 100),
    Gap(
        sequence=2, slot=FIRST + 2, offset_ms=9, from_slot=FIRST + 1, to_slot=FIRST + 3,
        cause=GapCause.METER_CRC,
    ),
    reading(3, FIRST + 3, 102),
]  # fmt: skip


def header_of(segment: SealedSegment) -> SegmentHeader:
    decoded = codec.decode_segment(segment.encoded)
    return codec.decode_header(KEY.public.verify(decoded.signed_header, SEGMENT_CONTEXT))


def test_the_header_of_a_mixed_segment() -> None:
    encoded = [codec.encode_record(record) for record in RECORDS]
    segment, tail = seal_of().segment(encoded, Tail(), (9, b"c" * 32))
    header = header_of(segment)
    assert (header.window, header.window_slots) == (WINDOW, 15)
    assert (header.first_sequence, header.count) == (0, 4)
    assert (header.first_slot, header.end_slot) == (FIRST, FIRST + 4)
    assert header.reading_slots == bytes([0b1001, 0])
    assert (header.first_registers, header.last_registers) == ((100, 7), (102, 7))
    assert header.checkpoint == (9, b"c" * 32)
    assert tail == Tail(
        next_sequence=4,
        next_slot=FIRST + 4,
        last_slot=FIRST + 3,
        previous_hash=segment.header_hash,
    )
    judge = Judge(KEY.public)
    judge.admit(segment.encoded)
    assert judge.records() == RECORDS
    assert not judge.broken


def test_segments_are_linked_and_salted() -> None:
    first, tail = seal_of().segment([codec.encode_record(RECORDS[0])], Tail(), None)
    records = [codec.encode_record(record) for record in RECORDS[1:]]
    second, _ = seal_of().segment(records, tail, None)
    assert header_of(second).previous_hash == first.header_hash
    salts = codec.decode_segment(second.encoded).salts
    assert salts == tuple(codec.leaf_salt(SECRET, number) for number in (1, 2, 3))


def test_a_segment_that_covers_nothing_stands_where_the_next_one_begins() -> None:
    tail = Tail(next_sequence=0, next_slot=FIRST + 9, last_slot=FIRST)
    segment, after = seal_of().segment([codec.encode_record(RECORDS[0])], tail, None)
    header = header_of(segment)
    assert (header.first_slot, header.end_slot) == (FIRST + 9, FIRST + 9)
    assert after.next_slot == FIRST + 9
    assert header.first_registers is None


def test_a_first_segment_without_a_slot_says_where_the_slots_begin() -> None:
    segment, tail = seal_of().segment([codec.encode_record(RECORDS[0])], Tail(), None)
    header = header_of(segment)
    assert (header.first_slot, header.end_slot) == (FIRST, FIRST)
    assert tail.next_slot == FIRST, "the next segment could start anywhere"
