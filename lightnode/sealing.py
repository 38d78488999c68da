"""Records under one signature: the segment, its header, and the chain it continues."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ledger import codec, merkle
from ledger.codec import Row
from ledger.facts.record import RecordKind
from ledger.facts.segment import Head, Registers, Segment, SegmentHeader, bitmap
from ledger.signing import SEGMENT_CONTEXT
from lightnode.ports import SealedSegment, Signer, Tail

_KIND, _SEQUENCE, _SLOT = 1, 2, 3
_IMPORT, _EXPORT = 11, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the node is to the log it writes for."""

    origin: str
    node_index: int
    window_slots: int

    def window_of(self, slot: int) -> int:
        """Return the window that a slot belongs to."""
        return slot // self.window_slots


class Seal:
    """Signs segments in the node's name.

    Args:
        identity: who the node is.
        signer: its key.
        secret: what the records' salts are made from.
    """

    def __init__(self, identity: Identity, signer: Signer, secret: bytes) -> None:
        self.identity = identity
        self._signer = signer
        self._secret = secret

    def segment(
        self, records: Sequence[bytes], tail: Tail, checkpoint: Head | None
    ) -> tuple[SealedSegment, Tail]:
        """Return the segment of these records, which follow on `tail`, and the tail after it.

        The segment belongs to the window of its last record.

        Raises:
            Rejected: a record is none of ours; `codec.read_rows` says which.
        """
        rows = codec.read_rows(records)
        salts = tuple(codec.leaf_salt(self._secret, row[_SEQUENCE]) for row in rows)
        header = self._header(rows, _root(records, salts), tail, checkpoint)
        encoded_header = codec.encode_header(header)
        header_hash = codec.header_hash(encoded_header)
        signed = self._signer.sign(encoded_header, SEGMENT_CONTEXT)
        segment = Segment(signed_header=signed, records=tuple(records), salts=salts)
        sealed = SealedSegment(
            first_sequence=header.first_sequence,
            count=header.count,
            header_hash=header_hash,
            encoded=codec.encode_segment(segment),
        )
        ended = replace(after(tail, rows), previous_hash=header_hash, next_slot=header.end_slot)
        return sealed, ended

    def _header(
        self, rows: Sequence[Row], root: bytes, tail: Tail, checkpoint: Head | None
    ) -> SegmentHeader:
        identity, window = self.identity, self.identity.window_of(rows[-1][_SLOT])
        spans = _spans(rows)
        start = rows[0][_SLOT] if tail.next_slot is None else tail.next_slot
        first_slot, end_slot = (spans[0][0], spans[-1][1]) if spans else (start, start)
        readings = [row for row in rows if row[_KIND] == RecordKind.READING]
        reading_slots = [row[_SLOT] for row in readings]
        return SegmentHeader(
            origin=identity.origin,
            node_index=identity.node_index,
            window=window,
            window_slots=identity.window_slots,
            first_sequence=tail.next_sequence,
            count=len(rows),
            first_slot=first_slot,
            end_slot=end_slot,
            reading_slots=bitmap(reading_slots, window, identity.window_slots),
            previous_hash=tail.previous_hash,
            records_root=root,
            first_registers=_registers(readings[0]) if readings else None,
            last_registers=_registers(readings[-1]) if readings else None,
            checkpoint=checkpoint,
        )


def after(tail: Tail, rows: Iterable[Row]) -> Tail:
    """Return the tail after some rows that follow on `tail`; its hash stays the old one."""
    next_sequence, next_slot, last_slot = tail.next_sequence, tail.next_slot, tail.last_slot
    for row in rows:
        next_sequence, last_slot = row[_SEQUENCE] + 1, row[_SLOT]
        if span := codec.row_span(row):
            next_slot = span[1]
    return replace(tail, next_sequence=next_sequence, next_slot=next_slot, last_slot=last_slot)


def _spans(rows: Sequence[Row]) -> list[tuple[int, int]]:
    return [span for row in rows if (span := codec.row_span(row))]


def _registers(row: Row) -> Registers:
    return row[_IMPORT], row[_EXPORT]


def _root(records: Sequence[bytes], salts: Sequence[bytes]) -> bytes:
    leaves = [merkle.leaf_hash(salt + record) for salt, record in zip(salts, records, strict=True)]
    return merkle.root(leaves)
