"""Field measurements (I-19) as what the estimation weighs: per unit, VA, and one sigma.

A sensor reads three phases or all alike; the symmetric estimation takes their mean. What a
sensor cannot be believed for is refused by name; a sensor that the grid does not know is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.measurement import BreakerState, FieldMeasurements, SensorReading
from central.dso.estimation.measuring import Measurement
from central.dso.grid.model import Booleans, Grid, Sensor
from ledger.errors import Rejected

_MILLI = 1_000
_ROOT3 = np.sqrt(3)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard up to an instant.

    Args:
        measured: the newest reading of each sensor that is not too old.
        closed: which branches are closed, with what breakers show, shape (branches).
        silent: sensors that the grid has and nobody heard in time.
        strangers: sensors and breakers that the grid does not know.
    """

    measured: tuple[Measurement, ...]
    closed: Booleans
    silent: tuple[str, ...]
    strangers: tuple[str, ...]


def heard(
    grid: Grid, documents: Sequence[FieldMeasurements], now_ms: int, *, oldest_s: int = 900
) -> Heard:
    """Return what field sensors say of the grid now.

    Args:
        grid: with its sensors.
        documents: measurements in any order; the newest of each sensor counts.
        now_ms: later ones are not known yet.
        oldest_s: older ones are not believed any more.

    Raises:
        Rejected: `bad_measurement`.
    """
    known = {sensor.name: sensor for sensor in grid.sensors}
    newest: dict[str, SensorReading] = {}
    breakers: dict[str, tuple[int, BreakerState]] = {}
    for document in documents:
        for reading in document.sensors:
            _keep(newest, reading, now_ms, oldest_s)
        for breaker in document.breakers:
            last_ms = breakers.get(breaker.breaker, (-1, breaker.state))[0]
            if last_ms < breaker.measured_ms <= now_ms:
                breakers[breaker.breaker] = breaker.measured_ms, breaker.state
    strangers = {*newest, *breakers} - {*known, *(branch.name for branch in grid.branches)}
    closed = grid.closed.copy()
    for name, (_, state) in breakers.items():
        if name not in strangers:
            closed[_branch(grid, known, name)] = state is BreakerState.CLOSED
    measured = [
        each
        for name, reading in sorted(newest.items())
        if name in known
        for each in _measurements(grid, known[name], reading)
    ]
    return Heard(
        tuple(measured),
        closed,
        tuple(sorted(name for name in known if name not in newest)),
        tuple(sorted(strangers)),
    )


def _keep(
    newest: dict[str, SensorReading], reading: SensorReading, now_ms: int, oldest_s: int
) -> None:
    if not now_ms - oldest_s * _MILLI <= reading.measured_ms <= now_ms:
        return
    last = newest.get(reading.sensor)
    if last is None or last.measured_ms < reading.measured_ms:
        newest[reading.sensor] = reading


def _branch(grid: Grid, known: dict[str, Sensor], name: str) -> int:
    sensor = known.get(name)
    return grid.branch(name) if sensor is None or sensor.branch is None else sensor.branch


def _measurements(grid: Grid, sensor: Sensor, reading: SensorReading) -> list[Measurement]:
    """Return what one reading tells: a voltage, and of a branch the power or the current."""
    found: list[Measurement] = []
    phases = reading.phases
    node = _node(grid, sensor)
    voltages_mv = [phase.voltage_mv for phase in phases if phase.voltage_mv is not None]
    if voltages_mv and reading.voltage_sigma_mv is not None:
        to_neutral = phases[0].phase is not None
        rated_mv = grid.rated_v[node] * _MILLI / (_ROOT3 if to_neutral else 1.0)
        found.append(
            Measurement(
                sensor.name, "voltage", node, complex(np.mean(voltages_mv) / rated_mv),
                float(reading.voltage_sigma_mv / rated_mv / np.sqrt(len(voltages_mv))), "sensor",
            )
        )  # fmt: skip
    if sensor.branch is None:
        return found
    powers_w = [phase.power_w for phase in phases if phase.power_w is not None]
    reactive_var = [
        phase.reactive_power_var for phase in phases if phase.reactive_power_var is not None
    ]
    if powers_w and len(powers_w) == len(reactive_var) and reading.power_sigma_w is not None:
        sigma_w = max(reading.power_sigma_w, reading.reactive_power_sigma_var or 1)
        value = complex(sum(powers_w), sum(reactive_var))
        spread = float(sigma_w * np.sqrt(len(powers_w)))
        found.append(Measurement(sensor.name, "flow", sensor.branch, value, spread, "sensor"))
        return found
    currents_ma = [phase.current_ma for phase in phases if phase.current_ma is not None]
    if currents_ma and reading.current_sigma_ma is not None:
        spread = float(reading.current_sigma_ma / _MILLI / np.sqrt(len(currents_ma)))
        mean_a = complex(np.mean(currents_ma) / _MILLI)
        found.append(Measurement(sensor.name, "current", sensor.branch, mean_a, spread, "sensor"))
    return found


def _node(grid: Grid, sensor: Sensor) -> int:
    if sensor.node is not None:
        return sensor.node
    if sensor.branch is None:
        raise Rejected(
            "is neither at a node nor at a branch",
            where=f"sensor {sensor.name}",
            remedy="correct its row: certiflex central grid check",
            reason="bad_measurement",
        )
    return int(grid.branch_from[sensor.branch])
