"""What one light node tells, in one sequence: readings, gaps, boots, clock steps, set-points.

The slots of a node are dense: a reading covers its slot, a gap covers `[from_slot, to_slot)`,
and each covering record starts where the one before it ended. Nothing can be left out unseen.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from ledger.facts.interval import SLOT_MS


class RecordKind(IntEnum):
    """The kinds of record, as they stand on the wire."""

    READING = 1
    GAP = 2
    BOOT = 3
    CLOCK_STEP = 4
    SETPOINT = 5
    ANSWER = 6


class GapCause(IntEnum):
    """Why a slot has no reading."""

    METER_TIMEOUT = 1
    METER_CRC = 2
    METER_EXCEPTION = 3
    METER_RANGE = 4
    DISK_FULL = 5
    POWER_OFF = 6
    PROCESS_DOWN = 7
    CLOCK_UNSYNC = 8
    OVERLOAD = 9


class Quality(IntFlag):
    """What a user of the value must know about it."""

    GOOD = 0
    CLOCK_UNSYNCHRONISED = 1
    SUBSTITUTED = 2
    OUT_OF_RANGE = 4


class Verdict(IntEnum):
    """What the light node decided about a set-point it received."""

    ACCEPTED = 1
    REFUSED = 2


class Answer(IntEnum):
    """What the EMS answered, as in IEEE 2030.5 table 27."""

    ACKNOWLEDGED = 1
    ACTIVE = 2
    COMPLETED = 3
    OPT_OUT = 4
    PARTIAL_OPT_OUT = 5
    REJECTED = 6
    NO_ANSWER = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a record stands: its number in the node's sequence, and when it was made.

    `offset_ms` is the time since the start of the slot, so an instant outside its slot cannot
    be written down.
    """

    sequence: int
    slot: int
    offset_ms: int

    @property
    def time_ms(self) -> int:
        """Return the instant of the record [ms since 1970, UTC]."""
        return self.slot * SLOT_MS + self.offset_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Stamp):
    """What the meter gave in one slot (I-04); `time_ms` is the instant it was asked.

    Load convention: positive power is taken from the grid. One value per phase, one or three.
    `latency_ms` is the time the meter took to answer; `clock_error_ms` bounds the error of the
    clock, None when nobody knows it.
    """

    latency_ms: int
    power_w: int
    reactive_power_var: int
    voltages_mv: tuple[int, ...]
    currents_ma: tuple[int, ...]
    frequency_mhz: int
    import_wh: int
    export_wh: int
    quality: Quality
    clock_error_ms: int | None

    @property
    def span(self) -> tuple[int, int]:
        """Return the slots it covers, half-open."""
        return self.slot, self.slot + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Stamp):
    """The slots `[from_slot, to_slot)` have no reading, and this is why."""

    from_slot: int
    to_slot: int
    cause: GapCause

    @property
    def span(self) -> tuple[int, int]:
        """Return the slots it covers, half-open."""
        return self.from_slot, self.to_slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot(Stamp):
    """The node's program started, with this software and meter profile."""

    boot_id: bytes
    software: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep(Stamp):
    """The node's clock was set by `step_ms`: positive is forward."""

    step_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPointReceived(Stamp):
    """A set-point (I-09) arrived; its hash and what the node decided."""

    set_point_id: bytes
    set_point_hash: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EmsAnswer(Stamp):
    """What the building's EMS answered to a set-point."""

    set_point_id: bytes
    answer: Answer


Record = Reading | Gap | Boot | ClockStep | SetPointReceived | EmsAnswer
