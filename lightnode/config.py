"""Settings of a light node: one TOML file, every number with its unit in the name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ledger.facts.clock import ClockSettings
from ledger.facts.interval import SLOT_MS
from lightnode.meters.line import LineAddress, SerialSettings
from lightnode.meters.profile import Bus, Parity
from lightnode.mqtt import BrokerSettings

_RECORDS_PER_DAY = 86_400_000 // SLOT_MS
_HIGHEST_UNIT = 247


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Where the node keeps its keys, its grant and its outbox, and how long it can be alone."""

    folder: Path
    capacity_days: int = 30

    def __post_init__(self) -> None:
        if self.capacity_days < 1:
            raise ValueError(f"capacity_days must be at least 1, not {self.capacity_days}")

    @property
    def capacity(self) -> int:
        """Return how many records the outbox takes."""
        return self.capacity_days * _RECORDS_PER_DAY


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """The meter: what it is, where it is, and on a serial line how that is set."""

    address: str
    profile: str
    unit: int | None = None
    serial_number: int | None = None
    baud: int | None = None
    parity: Parity | None = None
    stop_bits: Literal[1, 2] | None = None
    budget_ms: int = 3_200

    def __post_init__(self) -> None:
        LineAddress.parse(self.address)
        if self.unit is not None and not 1 <= self.unit <= _HIGHEST_UNIT:
            raise ValueError(f"unit must be 1 … {_HIGHEST_UNIT}, not {self.unit}")
        if not 100 <= self.budget_ms < SLOT_MS:  # noqa: PLR2004 -- shorter is no time at all
            raise ValueError(f"budget_ms must be 100 … {SLOT_MS - 1}, not {self.budget_ms}")

    def serial(self, bus: Bus) -> SerialSettings:
        """Return the settings of the serial port: ours, or as the meter leaves the factory."""
        return SerialSettings(
            baud=self.baud or bus.baud,
            parity=self.parity or bus.parity,
            stop_bits=self.stop_bits or bus.stop_bits,
        )


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """How hard the node tries to deliver."""

    resend_s: float = 30.0
    in_flight: int = 32
    longest_pause_s: float = 60.0

    def __post_init__(self) -> None:
        if not (self.resend_s > 0 and self.longest_pause_s > 0 and self.in_flight >= 1):
            raise ValueError("resend_s and longest_pause_s must be above 0, in_flight at least 1")


@dataclass(frozen=True, slots=True)
class NodeClockSettings(ClockSettings):
    """The time the node lives in, and how far it may be trusted.

    `trusted_error_ms` is the operator's word for a machine whose kernel is told by no NTP.
    """

    trusted_error_ms: int | None = None

    def __post_init__(self) -> None:
        ClockSettings.__post_init__(self)
        if self.trusted_error_ms is not None and self.trusted_error_ms < 0:
            raise ValueError("trusted_error_ms must not be negative")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything in the file."""

    node: NodeSettings
    meter: MeterSettings
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    clock: NodeClockSettings = field(default_factory=NodeClockSettings)
