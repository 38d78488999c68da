"""Field sensors: what voltage-and-current sensors and low-voltage breakers say of the plant (I-19).

Each has an error of its own that stays, and a smaller one that changes with every sample, both
within its accuracy class and both a function of the seed.
"""

import cmath
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hil.feeder.flow import Flow
from hil.feeder.network import SensorKind, SensorPlace
from hil.noise import Dice
from hil.plant_file import DEFAULT_SIZE_PCT, SensorFaultKind

_PHASES = 3
# Of the class, what stays and what changes; together they never leave it.
_LASTING, _PASSING = 0.7, 0.3
# A class of 1 % allows an angle of about 1 crad (IEC 61869-2, table 201: 60 min at 0.2 to 1.2 In).
_CRAD_PER_PCT = 1.0
# Standard deviation of an error that may lie anywhere within the class: of a voltage, of a current
# with twice the class, and of a power, into which the angle goes as well.
_PER_CLASS_V = 1.0 / math.sqrt(3.0)
_PER_CLASS_A = 2.0 / math.sqrt(3.0)
_PER_CLASS_VA = math.hypot(1.0, 2.0, 2.0 * _CRAD_PER_PCT) / math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class PhaseSample:
    """What one phase shows: voltage to earth, current, and powers away from the node."""

    voltage_mv: int
    current_ma: int
    power_w: int
    reactive_power_var: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sensor measured at an instant, and one standard deviation of its errors.

    Args:
        sensor: its name.
        at_ms: the instant.
        phases: what the phases a, b and c showed.
        voltage_sigma_mv: of the voltages.
        current_sigma_ma: of the currents.
        power_sigma_va: of the powers, active and reactive.
        closed: whether the breaker is closed; nothing for other sensors.
    """

    sensor: str
    at_ms: int
    phases: tuple[PhaseSample, ...]
    voltage_sigma_mv: int
    current_sigma_ma: int
    power_sigma_va: int
    closed: bool | None


@dataclass(frozen=True, slots=True)
class SensorFault:
    """One fault of a sensor, in [from_ms, until_ms) of the bench's clock, or for ever."""

    kind: SensorFaultKind
    from_ms: int
    until_ms: int | None = None
    size_pct: float = DEFAULT_SIZE_PCT

    def covers(self, unix_ms: int) -> bool:
        """Tell whether an instant lies in the fault."""
        return self.from_ms <= unix_ms and (self.until_ms is None or unix_ms < self.until_ms)


class FieldSensor:
    """One sensor in its place.

    Args:
        place: where it sits.
        seed: decides its errors.
        class_pct: its accuracy class for voltages; currents have twice that.
        faults: what is wrong with it, and when.
    """

    def __init__(
        self,
        place: SensorPlace,
        *,
        seed: int,
        class_pct: float,
        faults: Iterable[SensorFault] = (),
    ) -> None:
        self.place = place
        self._seed = seed
        self._class = class_pct / 100.0
        self._faults = list(faults)
        self._last: Sample | None = None
        dice = Dice("sensor", seed, place.name)
        self._lasting = [[dice.between(-1.0, 1.0) for _ in range(_PHASES)] for _ in range(3)]

    def add(self, fault: SensorFault) -> None:
        """Add a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()

    def faults(self, unix_ms: int) -> list[SensorFaultKind]:
        """Return what is wrong with it at an instant."""
        return [fault.kind for fault in self._faults if fault.covers(unix_ms)]

    def sample(self, flow: Flow, closed: Mapping[str, bool], unix_ms: int) -> Sample | None:
        """Return what it says at an instant, or nothing when it is silent."""
        faults = [fault for fault in self._faults if fault.covers(unix_ms)]
        kinds = {fault.kind for fault in faults}
        if SensorFaultKind.SILENT in kinds:
            return None
        if SensorFaultKind.STUCK in kinds and self._last is not None:
            return replace(self._last, at_ms=unix_ms)
        self._last = self._measured(flow, closed, unix_ms, faults)
        return self._last

    def _measured(
        self, flow: Flow, closed: Mapping[str, bool], unix_ms: int, faults: list[SensorFault]
    ) -> Sample:
        place = self.place
        dice = Dice("sample", self._seed, place.name, unix_ms)
        voltages_v = flow.voltage_v(place.node)
        currents_a = flow.branch_current_a(place.branch, place.node)
        phases = tuple(
            _shown(
                *self._read(
                    phase, complex(voltages_v[phase]), complex(currents_a[phase]), dice, faults
                )
            )
            for phase in range(_PHASES)
        )
        return Sample(
            place.name,
            unix_ms,
            phases,
            self._sigma(_PER_CLASS_V, (one.voltage_mv for one in phases)),
            self._sigma(_PER_CLASS_A, (one.current_ma for one in phases)),
            self._sigma(
                _PER_CLASS_VA, (abs(complex(p.power_w, p.reactive_power_var)) for p in phases)
            ),
            closed[place.name] if place.kind is SensorKind.BREAKER else None,
        )

    def _sigma(self, per_class: float, values: Iterable[float]) -> int:
        return max(1, math.ceil(self._class * per_class * max(values)))

    def _read(
        self, phase: int, volts: complex, amperes: complex, dice: Dice, faults: list[SensorFault]
    ) -> tuple[complex, complex]:
        """Return voltage and current of a phase with the sensor's errors, then with its faults."""
        lasting_v, lasting_a, lasting_angle = (kind[phase] for kind in self._lasting)
        volts *= 1.0 + self._class * _error(lasting_v, dice)
        amperes *= 1.0 + 2.0 * self._class * _error(lasting_a, dice)
        amperes *= cmath.rect(1.0, 2.0 * self._class * _CRAD_PER_PCT * _error(lasting_angle, dice))
        for fault in faults:
            size = fault.size_pct / 100.0
            match fault.kind:
                case SensorFaultKind.BIAS:
                    volts, amperes = volts * (1.0 + size), amperes * (1.0 + size)
                case SensorFaultKind.SIGN_FLIP:
                    amperes = -amperes
                case SensorFaultKind.NOISE:
                    volts *= 1.0 + size * dice.between(-1.0, 1.0)
                    amperes *= 1.0 + size * dice.between(-1.0, 1.0)
                case _:
                    pass
        return volts, amperes


def _error(lasting: float, dice: Dice) -> float:
    return _LASTING * lasting + _PASSING * dice.between(-1.0, 1.0)


def _shown(volts: complex, amperes: complex) -> PhaseSample:
    power_va = volts * amperes.conjugate()
    return PhaseSample(
        round(abs(volts) * 1000),
        round(abs(amperes) * 1000),
        round(power_va.real),
        round(power_va.imag),
    )
