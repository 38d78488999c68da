"""What the Shared Customer Database keeps: one class for each kind of row."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from ledger.facts.interval import QUARTER_MS, SLOT_MS
from ledger.facts.segment import Head

QUARTER_SLOTS = QUARTER_MS // SLOT_MS

LATEST = (1 << 63) - 1
"""An arrival after every other."""


class Outcome(StrEnum):
    """What became of a segment that was handed in."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class State(StrEnum):
    """How far a value has come: shown, signed and stored, or vouched for by the ledger."""

    LIVE = "live"
    RECEIVED = "received"
    ANCHORED = "anchored"


class ArrivalKind(IntEnum):
    """What an arrival is, as it stands in the evidence."""

    SEGMENT = 1
    CONFLICT = 2
    REGISTRATION = 3
    WINDOW = 4
    ANCHOR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterSums:
    """What the readings of one node in one quarter-hour add up to.

    `quarter` counts quarter-hours since 1970, UTC. Energies are whole watt-seconds, so their sum
    does not depend on the order of arrival. `first_…` and `last_…` are the slot and the
    registers of the earliest and the latest reading. Import and export are never netted.
    """

    node_index: int
    quarter: int
    reading_count: int
    flagged_count: int
    import_ws: int
    export_ws: int
    first_slot: int
    first_import_wh: int
    first_export_wh: int
    last_slot: int
    last_power_w: int
    last_import_wh: int
    last_export_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastValue:
    """The latest reading of a node; absent phases are None."""

    node_index: int
    sequence: int
    slot: int
    offset_ms: int
    latency_ms: int
    power_w: int
    reactive_power_var: int
    voltage_l1_mv: int
    voltage_l2_mv: int | None
    voltage_l3_mv: int | None
    current_l1_ma: int
    current_l2_ma: int | None
    current_l3_ma: int | None
    frequency_mhz: int
    import_wh: int
    export_wh: int
    quality: int
    clock_error_ms: int | None

    @property
    def time_ms(self) -> int:
        """Return the instant the meter was asked [ms since 1970, UTC]."""
        return self.slot * SLOT_MS + self.offset_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGap:
    """The slots `[from_slot, to_slot)` of a node have no reading, by its own signed word."""

    node_index: int
    sequence: int
    from_slot: int
    to_slot: int
    cause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSegment:
    """A segment whose parts agree with one another, with all that is derived from it."""

    node_index: int
    first_sequence: int
    record_count: int
    first_slot: int
    end_slot: int
    reading_count: int
    header_hash: bytes
    previous_hash: bytes
    checkpoint: Head | None
    body: bytes
    quarters: tuple[QuarterSums, ...]
    gaps: tuple[NamedGap, ...]
    last: LastValue | None

    @property
    def next_sequence(self) -> int:
        """Return the sequence that the next segment starts with."""
        return self.first_sequence + self.record_count


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEntry:
    """Where a stored segment stands; `window` is its number in the log, None while in none."""

    node_index: int
    first_sequence: int
    record_count: int
    first_slot: int
    end_slot: int
    reading_count: int
    header_hash: bytes
    previous_hash: bytes
    arrival: int
    window: int | None
    disputed: bool

    @property
    def next_sequence(self) -> int:
        """Return the sequence that the next segment starts with."""
        return self.first_sequence + self.record_count


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegmentBody:
    """A stored segment with the bytes that arrived."""

    entry: SegmentEntry
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """A second content for sequences that another segment has: kept, never settled."""

    arrival: int
    node_index: int
    first_sequence: int
    record_count: int
    header_hash: bytes
    window: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far the evidence of a node reaches.

    Every sequence below `next_sequence` is stored; `end_sequence` is one past the highest.
    """

    node_index: int
    next_sequence: int
    end_sequence: int
    end_slot: int
    arrived_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRegistration:
    """A registration as it arrived; `body` is its leaf in the registry tree."""

    arrival: int
    node_index: int
    pod: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWindow:
    """A window of the log: its entry as it stands there, and who was in it.

    `registry_arrival` is the last registration that `registry_root` in the entry covers.
    """

    window: int
    arrival: int
    registry_arrival: int
    closed_ms: int
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnchor:
    """A checkpoint of the log, with the part that ties it to the chain."""

    size: int
    arrival: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One line of the change feed: what arrived, in the order of arrival.

    `reference` is the first sequence of a segment, the number of a window, the size of an
    anchored log, or the node index of a registration.
    """

    arrival: int
    kind: ArrivalKind
    node_index: int | None
    reference: int
    arrived_ms: int
    header_hash: bytes | None = None
    first_slot: int | None = None
    end_slot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much the evidence holds."""

    node_count: int
    segment_count: int
    conflict_count: int
    reading_count: int
    gap_slots_by_cause: dict[int, int]
    window_count: int
    anchored_count: int
