"""The gate: what a segment must be to enter, decided from its bytes and its neighbours alone.

Numbered as in `examine`, cheap checks before the signature, the signature before all that only
a signed segment can be blamed for:

1. it is a segment, strictly encoded, with a strictly encoded header;
2. it is for this log, and came on the topic of the node that it names;
3. the node is enrolled, not revoked, and has the key;
4. the signature is right;
5. the records are strictly encoded, and every claim of the header about them is true;
6. the key was valid when the records were made, and that was not in the future.

`place` then looks at the known segments of the node: duplicates fold, contradictions are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from operator import itemgetter
from typing import NoReturn

from gateway.ports import Examined, Link, Neighbours
from gateway.registry import FUTURE_TOLERANCE_MS, Keyring
from ledger import codec, merkle
from ledger.codec import Row
from ledger.errors import Rejected
from ledger.facts.interval import SLOT_MS
from ledger.facts.record import RecordKind
from ledger.facts.segment import NO_HASH, Segment, SegmentHeader
from ledger.signing import SEGMENT_CONTEXT, payload_of

MAX_SEGMENT_BYTES = 128 * 1024

_READING = int(RecordKind.READING)
_KIND, _SEQUENCE, _SLOT, _OFFSET = 1, 2, 3, 4
_IMPORT, _EXPORT = 11, 12
_sequence_of = itemgetter(_SEQUENCE)
_slot_of = itemgetter(_SLOT)


def examine(
    payload: bytes, *, topic_node: int, keyring: Keyring, origin: str, now_ms: int
) -> Examined:
    """Return the segment in a message, if everything about it is true by itself.

    Raises:
        Rejected: the first condition that does not hold, in `reason`.
    """
    # 1 ── encoding
    if len(payload) > MAX_SEGMENT_BYTES:
        _refuse(f"{len(payload)} bytes; a segment has at most {MAX_SEGMENT_BYTES}", "too_long")
    segment = codec.decode_segment(payload)
    key_id, encoded_header = payload_of(segment.signed_header)
    header = codec.decode_header(encoded_header)
    # 2 ── address
    if header.origin != origin:
        _refuse(f"is for the log {header.origin!r}, this one is {origin!r}", "foreign_origin")
    if header.node_index != topic_node:
        _refuse(f"node {header.node_index} on the topic of node {topic_node}", "foreign_topic")
    # 3, 4 ── signer and signature
    signer = keyring.signer(header.node_index, key_id, now_ms)
    signer.key.verify(segment.signed_header, SEGMENT_CONTEXT)
    # 5 ── claims
    rows = codec.read_rows(segment.records)
    _check_places(header, rows)
    _check_coverage(header, rows)
    _check_root(header, segment)
    # 6 ── time
    first_ms = _time_ms(rows[0])
    last_ms = _time_ms(rows[-1])
    if last_ms > now_ms + FUTURE_TOLERANCE_MS:
        _refuse(f"was made {last_ms - now_ms} ms in the future", "from_the_future")
    if not signer.may_sign(first_ms, max(last_ms, header.end_slot * SLOT_MS - 1)):
        _refuse("its key was not valid when the records were made", "key_not_valid")
    return Examined(header=header, header_hash=codec.header_hash(encoded_header), payload=payload)


class Placement(Enum):
    """What a segment is beside the known ones of its node."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True)
class Placed:
    """The decision, and the known segment that decided it; `kind` names a contradiction."""

    placement: Placement
    link: Link | None = None
    kind: str = ""


_NEW = Placed(Placement.NEW)


def place(segment: Examined, known: Neighbours) -> Placed:
    """Return what a segment is beside the known segments around it.

    Two different headers over one sequence (`equivocation`), or a header that links to another
    neighbour than the one that is here (`broken_link`), contradict each other: the node signed
    both.

    Raises:
        Rejected: `slots_not_dense`: slots are missing between it and its neighbour.
    """
    for link in known.overlapping:
        if link.header_hash == segment.header_hash:
            return Placed(Placement.DUPLICATE, link)
    if known.overlapping:
        return Placed(Placement.CONTRADICTION, known.overlapping[0], "equivocation")
    header = segment.header
    if known.before is not None:
        if header.previous_hash != known.before.header_hash:
            return Placed(Placement.CONTRADICTION, known.before, "broken_link")
        if not _covers_nothing_yet(known.before):
            _check_dense(known.before.end_slot, header.first_slot)
    if known.after is not None:
        if known.after.previous_hash != segment.header_hash:
            return Placed(Placement.CONTRADICTION, known.after, "broken_link")
        if not _covers_nothing_yet(header):
            _check_dense(header.end_slot, known.after.first_slot)
    return _NEW


def _covers_nothing_yet(first: Link | SegmentHeader) -> bool:
    """Tell whether this is the first segment of all, without a slot: the next starts anywhere."""
    return first.first_sequence == 0 and first.first_slot == first.end_slot


def _check_dense(end_slot: int, first_slot: int) -> None:
    if end_slot != first_slot:
        _refuse(
            f"slots are not dense: one segment ends at {end_slot}, the next starts at {first_slot}",
            "slots_not_dense",
        )


def _check_places(header: SegmentHeader, rows: Sequence[Row]) -> None:
    """Check count, dense sequence, slots that never go back, and the link of the very first."""
    if header.count != len(rows):
        _refuse(f"claims {header.count} records, holds {len(rows)}", "wrong_count")
    first = header.first_sequence
    if list(map(_sequence_of, rows)) != list(range(first, first + len(rows))):
        _refuse(f"sequences are not dense from {first}", "sequence_not_dense")
    slots = list(map(_slot_of, rows))
    if slots != sorted(slots):
        _refuse("slots go back", "slots_go_back")
    if (first == 0) != (header.previous_hash == NO_HASH):
        _refuse("only the first segment of all has no segment before it", "wrong_link")


def _check_coverage(header: SegmentHeader, rows: Sequence[Row]) -> None:
    """Check dense slots, their borders, the bitmap and the energy registers."""
    readings = [row for row in rows if row[_KIND] == _READING]
    if len(readings) == len(rows):
        first_slot, end_slot = rows[0][_SLOT], rows[-1][_SLOT] + 1
        is_dense = end_slot - first_slot == len(rows) == len(set(map(_slot_of, rows)))
    else:
        first_slot, end_slot, is_dense = _span(header, rows)
    if not is_dense:
        _refuse("slots are missing or covered twice", "slots_not_dense")
    if (header.first_slot, header.end_slot) != (first_slot, end_slot):
        _refuse(
            f"claims slots {header.first_slot} … {header.end_slot}, covers {first_slot} … "
            f"{end_slot}",
            "wrong_slots",
        )
    if int.from_bytes(header.reading_slots, "little") != _bits(header, readings):
        _refuse("the bitmap does not show the readings", "wrong_bitmap")
    first = (readings[0][_IMPORT], readings[0][_EXPORT]) if readings else None
    last = (readings[-1][_IMPORT], readings[-1][_EXPORT]) if readings else None
    if (header.first_registers, header.last_registers) != (first, last):
        _refuse("the energy registers are not those of the readings", "wrong_registers")


def _span(header: SegmentHeader, rows: Sequence[Row]) -> tuple[int, int, bool]:
    """Return first slot, end and density; what covers nothing may stand anywhere."""
    spans = [span for span in map(codec.row_span, rows) if span is not None]
    if not spans:
        return header.first_slot, header.first_slot, True
    is_dense = all(before[1] == after[0] for before, after in pairwise(spans))
    return spans[0][0], spans[-1][1], is_dense


def _bits(header: SegmentHeader, readings: Sequence[Row]) -> int:
    start = header.window * header.window_slots
    if not readings:
        return 0
    first, last = readings[0][_SLOT] - start, readings[-1][_SLOT] - start
    if first < 0 or last >= header.window_slots:
        _refuse(f"a reading lies outside window {header.window}", "outside_window")
    if last - first == len(readings) - 1:
        return (1 << int(last) + 1) - (1 << int(first))
    bits = 0
    for row in readings:
        bits |= 1 << row[_SLOT] - start
    return bits


def _check_root(header: SegmentHeader, segment: Segment) -> None:
    leaves = [
        merkle.leaf_hash(salt + record)
        for salt, record in zip(segment.salts, segment.records, strict=True)
    ]
    if merkle.root(leaves) != header.records_root:
        _refuse("the records are not those that were signed", "wrong_root")


def _time_ms(row: Row) -> int:
    return int(row[_SLOT]) * SLOT_MS + int(row[_OFFSET])


def _refuse(what: str, reason: str) -> NoReturn:
    raise Rejected(what, reason=reason)
