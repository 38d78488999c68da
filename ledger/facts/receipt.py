"""The gateway's promise: these segments are durable in the Shared Customer Database."""

from dataclasses import dataclass

from ledger.facts.segment import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """One stored segment, named so that no other can be meant."""

    first_sequence: int
    count: int
    header_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a node may forget; `checkpoint` is the log's head when the receipt was made."""

    origin: str
    node_index: int
    issued_ms: int
    segments: tuple[StoredSegment, ...]
    checkpoint: Head | None
