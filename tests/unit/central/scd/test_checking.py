"""A segment is stored only if its parts agree: every byte that matters is changed once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from central.scd.checking import check, last_value
from ledger.codec import decode_segment, encode_header, encode_record, encode_segment, read_rows
from ledger.errors import Rejected
from ledger.facts.record import GapCause, Reading, Record
from ledger.facts.segment import Segment, SegmentHeader
from ledger.signing import SEGMENT_CONTEXT
from tests.segments import FIRST_SLOT, ORIGIN, TestNode, header_of, lively

Change = Callable[[SegmentHeader], SegmentHeader]


def resigned(node: TestNode, body: bytes, change: Change) -> bytes:
    """Return a segment whose node signed another header over the same records."""
    segment = decode_segment(body)
    header = encode_header(change(header_of(body)))
    return encode_segment(replace(segment, signed_header=node.key.sign(header, SEGMENT_CONTEXT)))


def test_what_agrees_is_taken_apart() -> None:
    node = TestNode(2, power=lively(2), three_phase=True)
    found = check(node.segment(gaps={3: GapCause.METER_CRC}, boots=True), ORIGIN)
    assert (found.node_index, found.first_sequence, found.record_count) == (2, 0, 16)
    assert (found.first_slot, found.end_slot) == (FIRST_SLOT, FIRST_SLOT + 15)
    assert found.reading_count == 14
    assert [(gap.from_slot - FIRST_SLOT, gap.sequence) for gap in found.gaps] == [(3, 4)]
    assert found.quarters[0].reading_count == 14
    assert found.last is not None
    assert found.last.sequence == 15
    assert found.last.voltage_l3_mv == 230_100


def test_one_phase_leaves_the_others_empty() -> None:
    found = check(TestNode(0).segment(), ORIGIN)
    assert found.last is not None
    assert (found.last.voltage_l1_mv, found.last.voltage_l2_mv) == (230_100, None)


def test_an_outage_is_a_segment_without_readings() -> None:
    found = check(TestNode(0).outage(3), ORIGIN)
    assert (found.reading_count, found.quarters, found.last) == (0, (), None)
    assert found.end_slot - found.first_slot == 45


def test_a_boot_alone_covers_nothing() -> None:
    node = TestNode(0)
    found = check(node.sealed([node._boot()], FIRST_SLOT), ORIGIN)
    assert (found.record_count, found.first_slot, found.end_slot) == (1, FIRST_SLOT, FIRST_SLOT)


def test_readings_of_two_quarters_are_summed_apart() -> None:
    node = TestNode(0, slot=FIRST_SLOT + 220, window_slots=28)
    start = node.slot
    found = check(node.segment(), ORIGIN)
    assert start < FIRST_SLOT + 225 < found.end_slot, "the example must span two quarters"
    counts = [sums.reading_count for sums in found.quarters]
    assert counts == [5, found.reading_count - 5]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: replace(h, count=h.count + 1), "wrong_count"),
        (lambda h: replace(h, records_root=bytes(32)), "wrong_root"),
        (lambda h: replace(h, first_sequence=1), "wrong_sequence"),
        (lambda h: replace(h, first_slot=h.first_slot - 1), "wrong_slots"),
        (lambda h: replace(h, end_slot=h.end_slot + 1), "wrong_slots"),
        (lambda h: replace(h, reading_slots=b"\xfe\x7f"), "wrong_slots"),
        (lambda h: replace(h, window=h.window + 1), "wrong_slots"),
        (lambda h: replace(h, first_registers=(0, 0)), "wrong_registers"),
        (lambda h: replace(h, last_registers=None), "wrong_registers"),
        (lambda h: replace(h, origin="elsewhere"), "wrong_origin"),
    ],
    ids=[
        "count",
        "root",
        "sequence",
        "first slot",
        "end slot",
        "bitmap",
        "window",
        "first registers",
        "last registers",
        "origin",
    ],
)
def test_a_header_that_contradicts_its_records_is_refused(change: Change, reason: str) -> None:
    node = TestNode(0)
    with pytest.raises(Rejected) as caught:
        check(resigned(node, node.segment(), change), ORIGIN)
    assert caught.value.reason == reason


def test_a_slot_covered_twice_is_refused() -> None:
    node = TestNode(0)
    readings = [node._reading(FIRST_SLOT + slot) for slot in (0, 1, 1, 2)]
    with pytest.raises(Rejected) as caught:
        check(node.sealed(readings, FIRST_SLOT + 3), ORIGIN)
    assert caught.value.reason == "wrong_slots"


def test_a_slot_left_out_is_refused() -> None:
    node = TestNode(0)
    records: list[Record] = [
        node._reading(FIRST_SLOT),
        node._gap(FIRST_SLOT + 2, GapCause.OVERLOAD),
    ]
    with pytest.raises(Rejected) as caught:
        check(node.sealed(records, FIRST_SLOT + 3), ORIGIN)
    assert caught.value.reason == "wrong_slots"


@pytest.mark.parametrize("part", ["record", "salt"])
def test_a_changed_record_or_salt_is_refused(part: str) -> None:
    body = TestNode(0).segment()
    segment = decode_segment(body)
    if part == "salt":
        changed = replace(segment, salts=(bytes(16), *segment.salts[1:]))
    else:
        changed = replace(segment, records=(segment.records[1], *segment.records[1:]))
    with pytest.raises(Rejected) as caught:
        check(encode_segment(changed), ORIGIN)
    assert caught.value.reason == "wrong_root"


def test_every_flipped_byte_is_noticed_or_changes_nothing_but_the_signature() -> None:
    body = TestNode(0).segment()
    honest = check(body, ORIGIN)
    noticed = 0
    for place in range(len(body)):
        flipped = bytearray(body)
        flipped[place] ^= 0x01
        try:
            found = check(bytes(flipped), ORIGIN)
        except Rejected:
            noticed += 1
        else:
            # Signature and key id are not looked at here; a changed header has another name.
            assert replace(found, body=honest.body) == honest or (
                found.header_hash != honest.header_hash
            )
    assert noticed > len(body) * 0.8


def test_a_huge_span_costs_nothing() -> None:
    node = TestNode(0)
    huge = resigned(node, node.segment(), lambda h: replace(h, end_slot=(1 << 48) - 1))
    with pytest.raises(Rejected):
        check(huge, ORIGIN)


def test_a_row_becomes_a_last_value_with_its_time() -> None:
    node = TestNode(0)
    reading = node._reading(FIRST_SLOT)
    assert isinstance(reading, Reading)
    value = last_value(0, read_rows([encode_record(reading)])[0])
    assert value.time_ms == reading.time_ms
    assert isinstance(decode_segment(node.segment()), Segment)
