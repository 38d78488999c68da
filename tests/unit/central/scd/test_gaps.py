"""Gaps: named by the node, not received, disputed; those that touch are one outage."""

from central.scd.gaps import DISPUTED, NOT_RECEIVED, SlotGap, gaps_between, outages
from central.scd.stored import NamedGap, SegmentEntry


def entry(first_slot: int, end_slot: int, *, disputed: bool = False) -> SegmentEntry:
    return SegmentEntry(
        node_index=0, first_sequence=first_slot, record_count=end_slot - first_slot,
        first_slot=first_slot, end_slot=end_slot, reading_count=0, header_hash=b"",
        previous_hash=b"", arrival=1, window=None, disputed=disputed,
    )  # fmt: skip


def named(from_slot: int, to_slot: int, cause: int) -> NamedGap:
    return NamedGap(node_index=0, sequence=0, from_slot=from_slot, to_slot=to_slot, cause=cause)


def test_what_no_segment_covers_was_not_received() -> None:
    found = gaps_between(0, 50, [entry(10, 20), entry(30, 40)], [])
    assert found == [
        SlotGap(0, 10, NOT_RECEIVED), SlotGap(20, 30, NOT_RECEIVED), SlotGap(40, 50, NOT_RECEIVED),
    ]  # fmt: skip


def test_named_gaps_are_clipped_to_what_was_asked() -> None:
    found = gaps_between(10, 20, [entry(0, 40)], [named(5, 12, 6), named(18, 30, 1)])
    assert found == [SlotGap(10, 12, "POWER_OFF"), SlotGap(18, 20, "METER_TIMEOUT")]


def test_a_disputed_segment_is_a_gap() -> None:
    assert gaps_between(0, 30, [entry(0, 15), entry(15, 30, disputed=True)], []) == [
        SlotGap(15, 30, DISPUTED)
    ]


def test_nothing_is_a_gap_where_everything_is_covered() -> None:
    assert gaps_between(0, 30, [entry(0, 15), entry(15, 30)], []) == []


def test_gaps_that_touch_are_one_outage() -> None:
    gaps = [SlotGap(0, 1, "A"), SlotGap(1, 3, "B"), SlotGap(4, 5, "C")]
    assert outages(gaps) == [gaps[:2], gaps[2:]]
    assert outages([]) == []
