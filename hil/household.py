"""A household behind a meter: what the meter sees at any instant, a function of its seed.

Load convention: positive power and current flow from the grid into the household.
Nothing is remembered between runs; the registers are the integral of the power since the
day the meter was installed, so a bench that starts again shows the same meters.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hil.day import UJ_PER_WH, DayPlan, Energies, Step
from hil.mains import frequency_hz, voltage_v
from hil.noise import Dice, seed_of
from hil.planning import Dwelling, Equipment, plan_day
from hil.sky import MS_PER_DAY

_PLANS_KEPT = 3


class NotInstalled(ValueError):
    """The instant lies before the meter's first day."""


class Kind(StrEnum):
    """A usual household, by what it owns beside its load."""

    FLAT = "flat"
    SOLAR = "solar"
    STORAGE = "storage"
    ELECTRIC = "electric"


def equipment_of(kind: Kind, phases: int) -> Equipment:
    """Return what such a household owns; three phases carry a greater roof and charger."""
    large = phases > 1
    roof_w, battery_wh, battery_w = (6000, 9600, 5000) if large else (3500, 5000, 2500)
    match kind:
        case Kind.FLAT:
            return Equipment()
        case Kind.SOLAR:
            return Equipment(pv_peak_w=roof_w)
        case Kind.STORAGE:
            return Equipment(roof_w, battery_wh, battery_w)
        case Kind.ELECTRIC:
            return Equipment(roof_w, battery_wh, battery_w, charger_w=11_000 if large else 2300)


@dataclass(frozen=True, slots=True)
class Counters:
    """Energy registers of a meter [Wh, varh]: whole units, never running back."""

    import_wh: int
    export_wh: int
    import_varh: int
    export_varh: int


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase at one instant: r.m.s. values, powers with their sign, and its registers."""

    voltage_v: float
    current_a: float
    power_w: float
    reactive_var: float
    counters: Counters


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that a meter could show at one instant."""

    at_ms: int
    frequency_hz: float
    phases: tuple[Phase, ...]
    counters: Counters

    @property
    def power_w(self) -> float:
        """Return the active power of all phases together [W]."""
        return sum(phase.power_w for phase in self.phases)

    @property
    def reactive_var(self) -> float:
        """Return the reactive power of all phases together [var]."""
        return sum(phase.reactive_var for phase in self.phases)


class Supply(Protocol):
    """What a household hangs on; a voltage of 0 V is an outage."""

    def voltage_v(self, phase: int, unix_ms: int, power_w: float) -> float:
        """Return the voltage of one of its phases to the neutral, as it takes *power_w* there."""
        ...


@dataclass(frozen=True, slots=True)
class OwnMains:
    """A supply of its own for each household, which knows of no network and never fails."""

    seed: int

    def voltage_v(self, phase: int, unix_ms: int, power_w: float) -> float:
        """Return the voltage of one phase at the meter [V]."""
        return voltage_v(self.seed, phase, unix_ms, power_w)


class Household:
    """The household of a seed, metered since the UTC day *installed_day* (from 1970).

    Args:
        seed: decides habits, battery, car and the first state of the registers.
        phases: 1 or 3.
        equipment: what it owns beside its load.
        installed_day: the first day of its meter; asking for an earlier one is an error.
        weather_seed: the sky, shared by the households of a district.
        supply: what it hangs on; by default a supply of its own.
    """

    def __init__(
        self,
        seed: int,
        *,
        phases: int,
        equipment: Equipment,
        installed_day: int,
        weather_seed: int = 0,
        supply: Supply | None = None,
    ) -> None:
        if phases not in {1, 3}:
            raise ValueError(f"a household has 1 or 3 phases, not {phases}")
        self._dwelling = Dwelling(seed, weather_seed, phases, equipment)
        self._supply = supply or OwnMains(seed_of("feeder", seed))
        self._installed_day = installed_day
        self._opening: list[tuple[tuple[Energies, ...], int]] = [
            (_first_registers(seed, phases), 0)
        ]
        self._plans: dict[int, DayPlan] = {}
        # What it would have used while it was cut off, for each channel; and since when it is.
        self._forgone: tuple[Energies, ...] = (Energies(),) * (1 if phases == 1 else 1 + phases)
        self._cut_at: tuple[Energies, ...] | None = None

    @property
    def is_supplied(self) -> bool:
        """Tell whether the meter has voltage to live on."""
        return self._cut_at is None

    def cut_off(self, unix_ms: int) -> None:
        """Take the supply away: from this instant on nothing is used, and nothing counted.

        A bench that starts again has forgotten the outage, and its registers what they missed.
        """
        if self._cut_at is None:
            self._cut_at = self._counted(unix_ms)

    def supply_again(self, unix_ms: int) -> None:
        """Give the supply back."""
        if self._cut_at is not None:
            missed = map(Energies.__sub__, self._counted(unix_ms), self._cut_at)
            self._forgone = tuple(map(Energies.__add__, self._forgone, missed))
            self._cut_at = None

    def powers_va(self, unix_ms: int) -> tuple[complex, ...]:
        """Return what each phase takes at an instant while it is supplied.

        Raises:
            NotInstalled: the instant lies before the meter's first day.
        """
        plan, step = self._step_at(unix_ms)
        return tuple(
            complex(line.power_mw(step), line.reactive_mvar(step)) / 1000
            for line in plan.channels[-self._dwelling.phases :]
        )

    def at(self, unix_ms: int) -> Measurement:
        """Return what the meter sees at an instant.

        Raises:
            NotInstalled: the instant lies before the meter's first day.
        """
        counters = [
            _counters(energies - forgone)
            for energies, forgone in zip(
                self._cut_at or self._counted(unix_ms), self._forgone, strict=True
            )
        ]
        of_phases = counters[-self._dwelling.phases :]
        phases = tuple(
            self._phase(k, unix_ms, power_va, counted)
            for k, (power_va, counted) in enumerate(
                zip(self.powers_va(unix_ms), of_phases, strict=True)
            )
        )
        return Measurement(unix_ms, frequency_hz(unix_ms), phases, counters[0])

    def _step_at(self, unix_ms: int) -> tuple[DayPlan, Step]:
        day, offset_ms = divmod(unix_ms, MS_PER_DAY)
        plan = self._plan(day)
        return plan, plan.step_at(offset_ms)

    def _counted(self, unix_ms: int) -> tuple[Energies, ...]:
        """Return what the registers would show had the supply never failed."""
        plan, step = self._step_at(unix_ms)
        opening, _ = self._opening[unix_ms // MS_PER_DAY - self._installed_day]
        return tuple(
            start + channel.energies(step)
            for start, channel in zip(opening, plan.channels, strict=True)
        )

    def prepare(self, unix_ms: int) -> None:
        """Lay out the day of an instant ahead of the first question about it."""
        self._plan(unix_ms // MS_PER_DAY)

    def _phase(self, index: int, unix_ms: int, power_va: complex, counters: Counters) -> Phase:
        volts = self._supply.voltage_v(index, unix_ms, power_va.real)
        if not volts:
            return Phase(0.0, 0.0, 0.0, 0.0, counters)
        return Phase(volts, abs(power_va) / volts, power_va.real, power_va.imag, counters)

    def _plan(self, day: int) -> DayPlan:
        if day < self._installed_day:
            raise NotInstalled(f"day {day} lies before the meter's first day {self._installed_day}")
        if day in self._plans:
            return self._plans[day]
        newest = self._installed_day + len(self._opening) - 1
        for missing in range(newest, day):
            opening, charge_uj = self._opening[-1]
            plan = self._plans.get(missing) or plan_day(self._dwelling, missing, charge_uj)
            totals = tuple(map(Energies.__add__, opening, plan.totals()))
            self._opening.append((totals, plan.charge_end_uj))
        _, charge_uj = self._opening[day - self._installed_day]
        plan = plan_day(self._dwelling, day, charge_uj)
        self._plans[day] = plan
        while len(self._plans) > _PLANS_KEPT:
            del self._plans[next(iter(self._plans))]
        return plan


def _first_registers(seed: int, phases: int) -> tuple[Energies, ...]:
    """Return what the registers showed when the meter was put in: it had a life before."""
    dice = Dice("registers", seed)
    lines = [
        Energies(
            import_uj=int(dice.between(200_000, 3_000_000)) * UJ_PER_WH,
            import_uvars=int(dice.between(10_000, 100_000)) * UJ_PER_WH,
            export_uvars=int(dice.between(20_000, 200_000)) * UJ_PER_WH,
        )
        for _ in range(phases)
    ]
    if phases == 1:
        return tuple(lines)
    total = lines[0] + lines[1] + lines[2]
    return (total, *lines)


def _counters(energies: Energies) -> Counters:
    return Counters(
        energies.import_uj // UJ_PER_WH,
        energies.export_uj // UJ_PER_WH,
        energies.import_uvars // UJ_PER_WH,
        energies.export_uvars // UJ_PER_WH,
    )
