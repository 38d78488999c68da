"""Headers, segments, windows, receipts, registrations and entries of logs as bytes."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cbor2 import dumps

from ledger.codec.cbor import (
    HASH_BYTES,
    MAX_ENCODED_BYTES,
    MAX_TEXT,
    U48,
    VERSION,
    decode,
    encode,
    loads_plain,
    need_bytes,
    reject,
)
from ledger.codec.records import SALT_BYTES
from ledger.errors import Rejected
from ledger.facts.document import DocumentEntry
from ledger.facts.interval import SLOT_MS
from ledger.facts.pod import Pod
from ledger.facts.receipt import Receipt, StoredSegment
from ledger.facts.registry import EnrolmentRequest, NodeKey, Registration
from ledger.facts.segment import MAX_RECORDS, Segment, SegmentHeader, slots_per_window
from ledger.facts.window import WindowEntry

_MAX_HEADERS_PER_LEAF = 4_096
_HEADER_FIELDS = 15
_HEADER_KINDS = [int, str, int, int, int, int, int, int, int, bytes, bytes, bytes]
_ONLY_BYTES = {bytes}
_ONE_SALT = {SALT_BYTES}
_ABSENT = dumps([])
_ONE_HASH = b"\x81\x58\x20"
# How CBOR writes an integer below each bound: its head, then the integer in so many bytes.
_INDEX_HEADS = ((24, b"", 1), (1 << 8, b"\x18", 1), (1 << 16, b"\x19", 2), (1 << 32, b"\x1a", 4))


def header_hash(header: bytes) -> bytes:
    """Return the name of a segment: the hash that the next header links to."""
    return hashlib.sha256(header).digest()


def encode_header(header: SegmentHeader) -> bytes:
    """Return the bytes that a node signs."""
    return encode(
        [
            VERSION, header.origin, header.node_index, header.window, header.window_slots,
            header.first_sequence, header.count, header.first_slot, header.end_slot,
            header.reading_slots, header.previous_hash, header.records_root,
            header.first_registers, header.last_registers, header.checkpoint,
        ]
    )  # fmt: skip


def decode_header(encoded: bytes) -> SegmentHeader:
    """Return the header that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    # By hand: a match statement over so many fields costs a tenth of the signature check.
    fields = loads_plain(encoded)
    if type(fields) is not list or list(map(type, fields[:12])) != _HEADER_KINDS:
        raise Rejected("no segment header", reason="wrong_shape")
    if len(fields) != _HEADER_FIELDS or fields[0] != VERSION:
        raise Rejected(f"no segment header of version {VERSION}", reason="wrong_shape")
    (_, origin, node, window, slots, first, count, first_slot, end_slot, bits, previous, root,
     registers_before, registers_after, checkpoint) = fields  # fmt: skip
    header = SegmentHeader(
        origin=origin, node_index=_index(node), window=_index(window),
        window_slots=slots, first_sequence=_index(first), count=count,
        first_slot=_index(first_slot), end_slot=_index(end_slot), reading_slots=bits,
        previous_hash=_hash(previous), records_root=_hash(root),
        first_registers=_registers(registers_before),
        last_registers=_registers(registers_after), checkpoint=_head(checkpoint),
    )  # fmt: skip
    if dumps(fields) != encoded:
        reject("not the deterministic encoding of a segment header", "not_canonical")
    _check_header(header)
    return header


def _check_header(header: SegmentHeader) -> None:
    try:
        slots_per_window(header.window_slots * SLOT_MS)
    except ValueError as error:
        reject(str(error), "out_of_range")
    if not (
        1 <= header.count <= MAX_RECORDS
        and header.first_slot <= header.end_slot
        and len(header.reading_slots) == (header.window_slots + 7) // 8
        and int.from_bytes(header.reading_slots, "little") >> header.window_slots == 0
        and len(header.origin) <= MAX_TEXT
    ):
        reject("a segment header's values contradict each other", "out_of_range")


def encode_segment(segment: Segment) -> bytes:
    """Return the bytes of a segment on its way: header, records, salts."""
    return dumps([segment.signed_header, segment.records, segment.salts])


def decode_segment(encoded: bytes) -> Segment:
    """Return the segment that the bytes stand for; header and records stay encoded.

    Raises:
        Rejected: `not_canonical` or `wrong_shape`.
    """
    if len(encoded) > MAX_ENCODED_BYTES:
        reject(f"{len(encoded)} bytes; at most {MAX_ENCODED_BYTES} are read", "too_long")
    parts = loads_plain(encoded)
    if type(parts) is not list or list(map(type, parts)) != [bytes, list, list]:
        raise Rejected("no segment", reason="wrong_shape")
    header, records, salts = parts
    if not (
        1 <= len(records) <= MAX_RECORDS
        and len(records) == len(salts)
        and _ONLY_BYTES.issuperset(map(type, records))
        and _ONLY_BYTES.issuperset(map(type, salts))
        and _ONE_SALT.issuperset(map(len, salts))
    ):
        reject(f"a segment holds 1 … {MAX_RECORDS} records, each with its salt", "wrong_shape")
    if dumps(parts) != encoded:
        reject("not the deterministic encoding of a segment", "not_canonical")
    return Segment(signed_header=header, records=tuple(records), salts=tuple(salts))


def encode_window_leaf(window: int, node_index: int, header_hashes: Sequence[bytes]) -> bytes:
    """Return leaf `node_index` of a window: what came from the node; nothing means ABSENT."""
    return dumps([VERSION, window, node_index, list(header_hashes)])


def encode_window_leaves(
    window: int, node_count: int, members: Mapping[int, Sequence[bytes]]
) -> list[bytes]:
    """Return every leaf of a window in order: what `encode_window_leaf` gives, for a city."""
    tails = {
        index: _ONE_HASH + hashes[0] if len(hashes) == 1 else dumps(list(hashes))
        for index, hashes in members.items()
    }
    start = b"\x84" + dumps(VERSION) + dumps(window)
    leaves: list[bytes] = []
    for end, head, width in _INDEX_HEADS:
        leaves += [
            start + head + index.to_bytes(width, "big") + tails.get(index, _ABSENT)
            for index in range(len(leaves), min(node_count, end))
        ]
    return leaves


def decode_window_leaf(encoded: bytes) -> tuple[int, int, tuple[bytes, ...]]:
    """Return window, node index and header hashes of a window leaf.

    Raises:
        Rejected: `not_canonical` or `wrong_shape`.
    """
    match decode(encoded):
        case [1, int(window), int(node), [*hashes]] if len(hashes) <= _MAX_HEADERS_PER_LEAF:
            return _index(window), _index(node), tuple(map(_hash, hashes))
        case _:
            raise Rejected("no window leaf", reason="wrong_shape")


def encode_window_entry(entry: WindowEntry) -> bytes:
    """Return the bytes of a log entry."""
    return encode(
        [VERSION, entry.origin, entry.window, entry.closed_ms, entry.node_count, entry.root,
         entry.registry_root]
    )  # fmt: skip


def decode_window_entry(encoded: bytes) -> WindowEntry:
    """Return the window entry that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    match decode(encoded):
        case [1, str(origin), int(window), int(closed), int(count), bytes(root), bytes(registry)]:
            return WindowEntry(
                origin=origin, window=_index(window), closed_ms=_index(closed),
                node_count=_index(count), root=_hash(root), registry_root=_hash(registry),
            )  # fmt: skip
        case _:
            raise Rejected("no window entry", reason="wrong_shape")


def encode_document_entry(entry: DocumentEntry) -> bytes:
    """Return the bytes of an entry of the market log."""
    return encode(
        [VERSION, entry.kind, entry.mrid, entry.revision, entry.arrived_ms, entry.signed_hash,
         int(entry.is_evidence)]
    )  # fmt: skip


def decode_document_entry(encoded: bytes) -> DocumentEntry:
    """Return the entry of the market log that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    match decode(encoded):
        case [1, str(kind), str(mrid), int(revision), int(arrived), bytes(signed), 0 | 1 as marked]:
            return DocumentEntry(
                kind=_text(kind), mrid=_text(mrid), revision=_index(revision),
                arrived_ms=_index(arrived), signed_hash=_hash(signed), is_evidence=bool(marked),
            )  # fmt: skip
        case _:
            raise Rejected("no entry of a market log", reason="wrong_shape")


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the bytes that the gateway signs for a node."""
    stored = [[s.first_sequence, s.count, s.header_hash] for s in receipt.segments]
    return encode(
        [VERSION, receipt.origin, receipt.node_index, receipt.issued_ms, stored,
         receipt.checkpoint]
    )  # fmt: skip


def decode_receipt(encoded: bytes) -> Receipt:
    """Return the receipt that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    match decode(encoded):
        case [1, str(origin), int(node), int(issued), [*stored], checkpoint]:
            return Receipt(
                origin=origin, node_index=_index(node), issued_ms=_index(issued),
                segments=tuple(map(_stored_segment, stored)), checkpoint=_head(checkpoint),
            )  # fmt: skip
        case _:
            raise Rejected("no receipt", reason="wrong_shape")


def encode_registration(registration: Registration) -> bytes:
    """Return leaf `node_index` of the registry."""
    keys = [[k.public_key, k.valid_from_ms, k.valid_to_ms] for k in registration.keys]
    return encode(
        [VERSION, registration.node_index, registration.pod.code, registration.meter, keys]
    )


def decode_registration(encoded: bytes) -> Registration:
    """Return the registration that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    match decode(encoded):
        case [1, int(node), str(pod), str(meter), [*keys]]:
            return Registration(
                node_index=_index(node), pod=_pod(pod), meter=meter,
                keys=tuple(map(_node_key, keys)),
            )  # fmt: skip
        case _:
            raise Rejected("no registration", reason="wrong_shape")


def encode_enrolment(request: EnrolmentRequest) -> bytes:
    """Return the bytes that a new node signs with the key it names."""
    return encode(
        [VERSION, request.pod.code, request.meter, request.public_key, request.created_ms]
    )


def decode_enrolment(encoded: bytes) -> EnrolmentRequest:
    """Return the enrolment request that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    match decode(encoded):
        case [1, str(pod), str(meter), bytes(key), int(created)]:
            return EnrolmentRequest(
                pod=_pod(pod), meter=meter, public_key=key, created_ms=_index(created)
            )
        case _:
            raise Rejected("no enrolment request", reason="wrong_shape")


def _index(number: int) -> int:
    if not 0 <= number <= U48:
        reject(f"{number} is not within 0 … 2^48 - 1", "out_of_range")
    return number


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        reject(f"a text of {len(text)} characters; at most {MAX_TEXT}", "out_of_range")
    return text


def _hash(digest: Any) -> bytes:  # noqa: ANN401 -- checks what it is given
    need_bytes(digest, HASH_BYTES)
    return bytes(digest)


def _registers(value: Any) -> tuple[int, int] | None:  # noqa: ANN401 -- checks what it is given
    if value is None:
        return None
    if type(value) is not list or list(map(type, value)) != [int, int]:
        reject("expected import and export registers, or none", "wrong_shape")
    imported, exported = value
    return _index(imported), _index(exported)


def _head(value: Any) -> tuple[int, bytes] | None:  # noqa: ANN401 -- checks what it is given
    if value is None:
        return None
    if type(value) is not list or list(map(type, value)) != [int, bytes]:
        reject("expected size and root of a log, or none", "wrong_shape")
    size, root = value
    return _index(size), _hash(root)


def _stored_segment(value: Any) -> StoredSegment:  # noqa: ANN401 -- checks what it is given
    match value:
        case [int(first), int(count), bytes(digest)]:
            return StoredSegment(
                first_sequence=_index(first), count=_index(count), header_hash=_hash(digest)
            )
        case _:
            raise Rejected("expected first sequence, count and header hash", reason="wrong_shape")


def _node_key(value: Any) -> NodeKey:  # noqa: ANN401 -- checks what it is given
    match value:
        case [bytes(key), int(valid_from), int() | None as valid_to]:
            valid_to_ms = None if valid_to is None else _index(valid_to)
            return NodeKey(
                public_key=key, valid_from_ms=_index(valid_from), valid_to_ms=valid_to_ms
            )
        case _:
            raise Rejected("expected public key and its validity", reason="wrong_shape")


def _pod(code: str) -> Pod:
    try:
        return Pod(code)
    except ValueError as error:
        raise Rejected(str(error), reason="out_of_range") from error
