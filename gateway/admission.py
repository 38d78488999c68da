"""The gate: what a segment must be to enter, decided from its bytes and its neighbours alone.

Numbered as the functions do it, cheap checks before the signature, the signature before all that
only a signed segment can be blamed for:

1. it is a segment, strictly encoded, with a strictly encoded header;          `open_segment`
2. it is for this log, and came on the topic of the node that it names;        `open_segment`
3. the node is enrolled, not revoked, and has the key;                         `open_segment`
4. the signature is right;                                                     `verify`
5. the records are strictly encoded, and every claim about them is true;       `check`
6. the key was valid when they were made, and that was not in the future.      `check`

`place` then looks at the known segments of the node: duplicates fold, contradictions are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from operator import add, itemgetter
from typing import NoReturn

from gateway.ports import Examined, Link, Neighbours
from gateway.registry import FUTURE_TOLERANCE_MS, Keyring, Signer
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


@dataclass(slots=True)
class Opened:
    """A segment whose sender is known, and not yet believed."""

    payload: bytes
    segment: Segment
    header: SegmentHeader
    encoded_header: bytes
    signer: Signer


def open_segment(
    payload: bytes, *, topic_node: int, keyring: Keyring, origin: str, now_ms: int
) -> Opened:
    """Return the segment in a message with its signer: conditions 1 to 3.

    Raises:
        Rejected: the first condition that does not hold, in `reason`.
    """
    if len(payload) > MAX_SEGMENT_BYTES:
        _refuse(f"{len(payload)} bytes; a segment has at most {MAX_SEGMENT_BYTES}", "too_long")
    segment = codec.decode_segment(payload)
    key_id, encoded_header = payload_of(segment.signed_header)
    header = codec.decode_header(encoded_header)
    if header.origin != origin:
        _refuse(f"is for the log {header.origin!r}, this one is {origin!r}", "foreign_origin")
    if header.node_index != topic_node:
        _refuse(f"node {header.node_index} on the topic of node {topic_node}", "foreign_topic")
    signer = keyring.signer(header.node_index, key_id, now_ms)
    return Opened(payload, segment, header, encoded_header, signer)


def verify(opened: Opened) -> None:
    """Check the signature: condition 4.

    Raises:
        Rejected: `bad_signature`, or `wrong_key` for one of another algorithm.
    """
    opened.signer.key.verify(opened.segment.signed_header, SEGMENT_CONTEXT)


def check(opened: Opened, now_ms: int) -> Examined:
    """Return the segment if its header is true and its time is plausible: conditions 5 and 6.

    Raises:
        Rejected: the first condition that does not hold, in `reason`.
    """
    header, segment = opened.header, opened.segment
    if header.count != len(segment.records):
        _refuse(f"claims {header.count} records, holds {len(segment.records)}", "wrong_count")
    if (header.first_sequence == 0) != (header.previous_hash == NO_HASH):
        _refuse("only the first segment of all has no segment before it", "wrong_link")
    first, last = _dense_readings(header, segment.records) or _covering(header, segment.records)
    _check_root(header, segment)
    first_ms, last_ms = _time_ms(first), _time_ms(last)
    if last_ms > now_ms + FUTURE_TOLERANCE_MS:
        _refuse(f"was made {last_ms - now_ms} ms in the future", "from_the_future")
    if not opened.signer.may_sign(first_ms, max(last_ms, header.end_slot * SLOT_MS - 1)):
        _refuse("its key was not valid when the records were made", "key_not_valid")
    return Examined(
        header=header,
        header_hash=codec.header_hash(opened.encoded_header),
        payload=opened.payload,
    )


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


def _dense_readings(header: SegmentHeader, records: Sequence[bytes]) -> tuple[Row, Row] | None:
    """Return first and last row if the records are one reading for each slot, and nothing else.

    Nearly every segment is like that, and then its records need not be decoded: they match the
    grammar of a reading, and their sequences and slots are the expected ones. None says only
    that it must be looked at one by one.
    """
    # Before any list is made of it: the header is not believed yet, and could claim 2^48 slots.
    if header.end_slot != header.first_slot + header.count:
        return None
    skimmed = codec.skim_readings(records)
    if skimmed is None:
        return None
    places, first, last = skimmed
    sequences = range(header.first_sequence, header.next_sequence)
    slots = range(header.first_slot, header.end_slot)
    if places[::2] != list(sequences) or places[1::2] != list(slots):
        return None
    _check_summary(header, first, last, _dense_bits(header, header.first_slot, header.end_slot))
    return first, last


def _covering(header: SegmentHeader, records: Sequence[bytes]) -> tuple[Row, Row]:
    """Return first and last row, if sequences, slots, bitmap and registers are as claimed."""
    rows = codec.read_rows(records)
    if list(map(_sequence_of, rows)) != list(range(header.first_sequence, header.next_sequence)):
        _refuse(f"sequences are not dense from {header.first_sequence}", "sequence_not_dense")
    slots = list(map(_slot_of, rows))
    if slots != sorted(slots):
        _refuse("slots go back", "slots_go_back")
    spans = [span for span in map(codec.row_span, rows) if span is not None]
    if any(before[1] != after[0] for before, after in pairwise(spans)):
        _refuse("slots are missing or covered twice", "slots_not_dense")
    covered = (spans[0][0], spans[-1][1]) if spans else (header.first_slot, header.first_slot)
    if (header.first_slot, header.end_slot) != covered:
        _refuse(
            f"claims slots {header.first_slot} … {header.end_slot}, covers {covered[0]} … "
            f"{covered[1]}",
            "wrong_slots",
        )
    readings = [row for row in rows if row[_KIND] == _READING]
    bits = 0
    for row in readings:
        bits |= _dense_bits(header, row[_SLOT], row[_SLOT] + 1)
    first, last = (readings[0], readings[-1]) if readings else (None, None)
    _check_summary(header, first, last, bits)
    return rows[0], rows[-1]


def _check_summary(header: SegmentHeader, first: Row | None, last: Row | None, bits: int) -> None:
    """Check the bitmap and the energy registers against first and last reading, if any."""
    if int.from_bytes(header.reading_slots, "little") != bits:
        _refuse("the bitmap does not show the readings", "wrong_bitmap")
    if (header.first_registers, header.last_registers) != (_registers(first), _registers(last)):
        _refuse("the energy registers are not those of the readings", "wrong_registers")


def _dense_bits(header: SegmentHeader, first_slot: int, end_slot: int) -> int:
    start = header.window * header.window_slots
    if first_slot < start or end_slot > start + header.window_slots:
        _refuse(f"a reading lies outside window {header.window}", "outside_window")
    return (1 << end_slot - start) - (1 << first_slot - start)


def _registers(row: Row | None) -> tuple[int, int] | None:
    return None if row is None else (row[_IMPORT], row[_EXPORT])


def _check_root(header: SegmentHeader, segment: Segment) -> None:
    leaves = merkle.leaf_hashes(map(add, segment.salts, segment.records))
    if merkle.root(leaves) != header.records_root:
        _refuse("the records are not those that were signed", "wrong_root")


def _time_ms(row: Row) -> int:
    return int(row[_SLOT]) * SLOT_MS + int(row[_OFFSET])


def _refuse(what: str, reason: str) -> NoReturn:
    raise Rejected(what, reason=reason)
