"""Devices as their owners declare them to the aggregator."""

from dataclasses import dataclass
from typing import ClassVar

from central.calendar import SLOTS
from central.documents.availability import Resource
from central.documents.header import FULL_PERMILLE
from central.documents.offer import Rebound
from ledger.errors import Rejected

QUARTER_S = 900
_DAY_S = 86_400
_LEAST_CURRENT_A = 6
_PHASE_V = 230
_LEAST_EFFICIENCY_PERMILLE = 500
ALL_BACK = Rebound(share_permille=FULL_PERMILLE, delay_s=0, duration_s=7_200)
"""All of the energy, over the two hours that follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What runs earlier or later: a heat pump, a boiler, a pump, a process.

    Args:
        power_w: most that can be moved at once, and most that it takes.
        share_permille: how much of what the baseline takes above its standing load is this.
        longest_s: longest activation.
        rebound: what comes back after it.
        in_one_piece: it moves as a whole, once in a day.
        burden_ueur_per_mwh: what moving it costs its owner in comfort.

    Raises:
        Rejected: `bad_device`.
    """

    resource: ClassVar[Resource] = Resource.LOAD

    power_w: int
    share_permille: int = FULL_PERMILLE
    longest_s: int = 7_200
    rebound: Rebound = ALL_BACK
    in_one_piece: bool = False
    burden_ueur_per_mwh: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no load."""
        _need(self.power_w > 0, "power_w must be above 0")
        _need(0 <= self.share_permille <= FULL_PERMILLE, "share_permille must be 0 … 1000")
        _need(self.longest_s >= QUARTER_S, "longest_s must be a quarter of an hour at least")
        back_s = self.rebound.delay_s + self.rebound.duration_s
        _need(back_s <= _DAY_S, "its rebound must end within a day")
        _need(self.burden_ueur_per_mwh >= 0, "burden_ueur_per_mwh must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """The part of a battery that is kept for the market, at rest unless it is called.

    What the battery does beside that, for its own home, is in the baseline and not in here.

    Args:
        power_w: most that it gives or takes.
        capacity_wh: how much that part holds.
        charge_wh: what is in it as the market's interval begins.
        efficiency_permille: of what goes in, what comes out again.
        burden_ueur_per_mwh: wear.

    Raises:
        Rejected: `bad_device`.
    """

    resource: ClassVar[Resource] = Resource.BATTERY

    power_w: int
    capacity_wh: int
    charge_wh: int
    efficiency_permille: int = 900
    burden_ueur_per_mwh: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no battery."""
        _need(self.power_w > 0, "power_w must be above 0")
        _need(0 <= self.charge_wh <= self.capacity_wh, "charge_wh must be 0 … capacity_wh")
        _need(
            _LEAST_EFFICIENCY_PERMILLE <= self.efficiency_permille <= FULL_PERMILLE,
            "efficiency_permille must be 500 … 1000",
        )
        _need(self.burden_ueur_per_mwh >= 0, "burden_ueur_per_mwh must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A car that is plugged in every day by the same clock, and full enough when it leaves.

    Args:
        power_w: what its charger takes, over all phases.
        phases: 1 or 3.
        arrives_slot, leaves_slot: quarters of local time, 0 … 95; it leaves after it arrived,
            on the next day if need be.
        starts_slot: when it begins to charge by itself; on arrival if None.
        energy_wh: what it needs until it leaves.
        burden_ueur_per_mwh: what its owner wants for waiting.

    Raises:
        Rejected: `bad_device`.
    """

    resource: ClassVar[Resource] = Resource.VEHICLE

    power_w: int
    phases: int = 1
    arrives_slot: int
    leaves_slot: int
    energy_wh: int
    starts_slot: int | None = None
    burden_ueur_per_mwh: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no car at a charger."""
        _need(self.phases in {1, 3}, "phases must be 1 or 3")
        _need(self.power_w >= self.least_w, f"a charger takes {self.least_w} W at least")
        told = (self.arrives_slot, self.leaves_slot, self.begins_slot)
        _need(all(0 <= slot < SLOTS for slot in told), "slots must be 0 … 95")
        plugged = (self.leaves_slot - self.arrives_slot) % SLOTS
        _need(plugged > 0, "it leaves as it arrives")
        waits = (self.begins_slot - self.arrives_slot) % SLOTS
        _need(waits < plugged, "starts_slot must lie between arrival and departure")
        _need(self.energy_wh > 0, "energy_wh must be above 0")
        _need(self.burden_ueur_per_mwh >= 0, "burden_ueur_per_mwh must be 0 or more")

    @property
    def least_w(self) -> int:
        """Return the least that a car can be told to take: 6 A on each phase [W].

        Source: IEC 61851-1:2017, annex A: a duty cycle of 10 % stands for 6 A, none is less.
        """
        return _LEAST_CURRENT_A * _PHASE_V * self.phases

    @property
    def begins_slot(self) -> int:
        """Return the quarter of local time at which it begins to charge by itself."""
        return self.arrives_slot if self.starts_slot is None else self.starts_slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What gives, and can be told to give less: a roof of solar cells.

    Args:
        power_w: most that it gives.
        burden_ueur_per_mwh: what its owner wants beside the energy's worth.

    Raises:
        Rejected: `bad_device`.
    """

    resource: ClassVar[Resource] = Resource.GENERATION

    power_w: int
    burden_ueur_per_mwh: int = 0

    def __post_init__(self) -> None:
        """Refuse what gives nothing."""
        _need(self.power_w > 0, "power_w must be above 0")
        _need(self.burden_ueur_per_mwh >= 0, "burden_ueur_per_mwh must be 0 or more")


Device = Load | Battery | Vehicle | Generation


def _need(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like a sentence
    if not holds:
        raise Rejected(
            otherwise, where="device", remedy="ask its owner for the figures", reason="bad_device"
        )
