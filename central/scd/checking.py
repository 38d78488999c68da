"""A segment's parts checked against one another; its signature is not looked at here.

The gateway has checked the signature, and the audit checks it again. What is checked here is
that nothing derived from the records can differ from what the node signed:

1. header, records and salts are the deterministic encoding, within bounds;
2. the header is of this log, and its root is the root over these records;
3. the records carry the sequences that the header states, without a hole;
4. the slots they cover are those of the header, each once, without a hole;
5. the bitmap and the registers of the header are those of the readings.
"""

from collections.abc import Sequence
from operator import add

from central.scd.quarters import sums_of
from central.scd.stored import CheckedSegment, LastValue, NamedGap
from ledger.codec import Row, decode_header, decode_segment, header_hash, read_rows, row_span
from ledger.codec.cbor import reject
from ledger.errors import Rejected
from ledger.facts.record import RecordKind
from ledger.facts.segment import Segment, SegmentHeader, bitmap
from ledger.merkle import leaf_hashes, root
from ledger.signing import payload_of

# An enumeration member is compared ten times as slowly as an integer, and this is a hot path.
_READING, _GAP = int(RecordKind.READING), int(RecordKind.GAP)
_SLOT, _IMPORT, _EXPORT = 3, 11, 12
_PHASES = 3
_NOTHING_READ: list[tuple[int, int] | None] = [None, None]


def check(body: bytes, origin: str) -> CheckedSegment:
    """Return a segment, with all that is derived from it, if its parts agree.

    Raises:
        Rejected: with the reason, for example `wrong_root` or `not_canonical`.
    """
    segment = decode_segment(body)
    _, payload = payload_of(segment.signed_header)
    header = decode_header(payload)
    if header.origin != origin:
        raise Rejected(f"of log {header.origin!r}, not {origin!r}", reason="wrong_origin")
    rows, readings = checked_rows(segment, header)
    return CheckedSegment(
        node_index=header.node_index,
        first_sequence=header.first_sequence,
        record_count=header.count,
        first_slot=header.first_slot,
        end_slot=header.end_slot,
        reading_count=len(readings),
        header_hash=header_hash(payload),
        previous_hash=header.previous_hash,
        checkpoint=header.checkpoint,
        body=body,
        quarters=sums_of(header.node_index, readings),
        gaps=() if len(readings) == len(rows) else gaps_of(header.node_index, rows),
        last=last_value(header.node_index, readings[-1]) if readings else None,
    )


def checked_rows(segment: Segment, header: SegmentHeader) -> tuple[list[Row], list[Row]]:
    """Return the rows of a segment, and the readings among them, if its header stands for them.

    Raises:
        Rejected: `wrong_count`, `wrong_root`, `wrong_sequence`, `wrong_slots` or
            `wrong_registers`.
    """
    if header.count != len(segment.records):
        reject(f"{len(segment.records)} records; the header says {header.count}", "wrong_count")
    if root(leaf_hashes(map(add, segment.salts, segment.records))) != header.records_root:
        reject("the records' root is not the one in the header", "wrong_root")
    rows = read_rows(segment.records)
    if [row[2] for row in rows] != list(range(header.first_sequence, header.next_sequence)):
        reject("the records' sequences are not those of the header", "wrong_sequence")
    readings = readings_of(rows)
    slots = [row[_SLOT] for row in readings]
    if len(readings) == len(rows):
        _check_slots(slots, [slot + 1 for slot in slots], header)
    else:
        _check_slots(*_spans(rows), header)
    _check_bitmap(slots, header)
    found = [(row[_IMPORT], row[_EXPORT]) for row in (*readings[:1], *readings[-1:])]
    if (found or _NOTHING_READ) != [header.first_registers, header.last_registers]:
        reject("the registers are not those of the readings", "wrong_registers")
    return rows, readings


def readings_of(rows: Sequence[Row]) -> list[Row]:
    """Return the readings among checked rows."""
    return [row for row in rows if row[1] == _READING]


def _spans(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    spans = [span for span in map(row_span, rows) if span is not None]
    return [start for start, _ in spans], [end for _, end in spans]


def _check_slots(starts: list[int], ends: list[int], header: SegmentHeader) -> None:
    edges = (starts[0], ends[-1]) if starts else (header.end_slot, header.end_slot)
    if edges != (header.first_slot, header.end_slot) or starts[1:] != ends[:-1]:
        reject("the records do not cover each slot of the header once", "wrong_slots")


def _check_bitmap(slots: list[int], header: SegmentHeader) -> None:
    start = header.window * header.window_slots
    inside = not slots or (start <= slots[0] and slots[-1] < start + header.window_slots)
    if not inside or bitmap(slots, header.window, header.window_slots) != header.reading_slots:
        reject("the bitmap is not that of the readings", "wrong_slots")


def gaps_of(node_index: int, rows: Sequence[Row]) -> tuple[NamedGap, ...]:
    """Return the gaps that checked rows name."""
    return tuple(
        NamedGap(
            node_index=node_index, sequence=row[2], from_slot=row[5], to_slot=row[6], cause=row[7]
        )
        for row in rows
        if row[1] == _GAP
    )


def last_value(node_index: int, row: Row) -> LastValue:
    """Return a checked reading row as a node's latest value."""
    _, _, sequence, slot, offset, latency, p, q, u, i, f, imported, exported, quality, error = row
    u1, u2, u3 = u if len(u) == _PHASES else (u[0], None, None)
    i1, i2, i3 = i if len(i) == _PHASES else (i[0], None, None)
    return LastValue(
        node_index=node_index, sequence=sequence, slot=slot, offset_ms=offset, latency_ms=latency,
        power_w=p, reactive_power_var=q, voltage_l1_mv=u1, voltage_l2_mv=u2, voltage_l3_mv=u3,
        current_l1_ma=i1, current_l2_ma=i2, current_l3_ma=i3, frequency_mhz=f,
        import_wh=imported, export_wh=exported, quality=quality, clock_error_ms=error,
    )  # fmt: skip
