"""A run of a node's records under one signature."""

from dataclasses import dataclass

from ledger.facts.interval import SLOT_MS

MAX_RECORDS = 225
NO_HASH = bytes(32)

Registers = tuple[int, int]
"""Cumulative import and export registers of the meter [Wh]."""

Head = tuple[int, bytes]
"""A log's size and root."""


def slots_per_window(window_ms: int) -> int:
    """Return how many slots a window holds.

    Raises:
        ValueError: the window is no whole number of slots between one slot and 15 minutes.
    """
    slots, rest = divmod(window_ms, SLOT_MS)
    if rest or not 1 <= slots <= MAX_RECORDS:
        msg = f"a window of {window_ms} ms is not 4 s … 15 min in steps of 4 s"
        raise ValueError(msg)
    return slots


def bitmap(slots: list[int], window: int, slots_in_window: int) -> bytes:
    """Return the slots of a window that hold a reading, as bits.

    Slot i of the window is bit
    ``i % 8`` (least significant first) of byte ``i // 8``.
    """
    bits = 0
    for slot in slots:
        bits |= 1 << (slot - window * slots_in_window)
    return bits.to_bytes((slots_in_window + 7) // 8, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """What a node signs: it fixes every record, every gap and the whole history before it.

    `window` is the node's own window of `window_slots` slots that the segment was closed in;
    `reading_slots` is its bitmap. `[first_slot, end_slot)` are the slots that the records
    cover. `previous_hash` is the hash of the header before it, zeros for the first of all.
    `checkpoint` is the head of the gateway's log that the node has seen last.
    """

    origin: str
    node_index: int
    window: int
    window_slots: int
    first_sequence: int
    count: int
    first_slot: int
    end_slot: int
    reading_slots: bytes
    previous_hash: bytes
    records_root: bytes
    first_registers: Registers | None
    last_registers: Registers | None
    checkpoint: Head | None

    @property
    def next_sequence(self) -> int:
        """Return the sequence that the next segment starts with."""
        return self.first_sequence + self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A signed header (COSE_Sign1) with the records and salts it stands for, as bytes."""

    signed_header: bytes
    records: tuple[bytes, ...]
    salts: tuple[bytes, ...]
