"""Field measurements (I-19) as what the estimation weighs: per unit, VA, and one sigma.

A sensor reads three phases or all alike, and the estimation is symmetric. A branch has three
phases, whatever its sensor tells of: a power or a current is theirs together, and is put aside if
it lacks one, or was found with a voltage that cannot be. Voltages hardly differ: the mean of those
that are there stands for all three, with a greater sigma where one is wanting. One that is dead,
or beyond what a grid runs at, is put aside and the mean taken of the others; so is one where
nothing feeds.

Nothing that a sensor says ends the estimation: what is put aside is told, with value and reason.

Source: EN 50160:2010, 4.2.4 (uneven voltages up to 2 % for 95 % of a week; below 5 % a supply is
interrupted); Cochran: Sampling Techniques (3rd ed., 1977), section 2.6 (the mean of some of three).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.elements import Phase
from central.documents.measurement import (
    BreakerState,
    FieldMeasurements,
    PhaseReading,
    SensorReading,
)
from central.dso.estimation.measuring import Measurement
from central.dso.grid.islands import unfed_nodes
from central.dso.grid.model import Booleans, Grid, Sensor
from ledger.errors import Rejected

_Which = Phase | None
_MILLI = 1_000
_ROOT3 = np.sqrt(3)
_DEAD_PU = 0.05
# Protection ends what is farther off; beside an earth fault healthy phases read 1.73 to earth.
_LEAST_PU, _MOST_PU = 0.5, 1.5
_UNEVEN_PU = 0.01  # one phase beside the mean of three, one standard deviation


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a sensor says that cannot be, whatever others say.

    Args:
        sensor: its name.
        kind: voltage, power, current, or the whole reading.
        said: the value, with its phase and unit.
        reason: why it is put aside.
    """

    sensor: str
    kind: str
    said: str
    reason: str

    def statement(self) -> str:
        """Return it in words."""
        return f"{self.sensor}: {self.kind} {self.said}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard up to an instant.

    Args:
        measured: the newest reading of each sensor that is not too old.
        closed: which branches are closed, with what breakers show, shape (branches).
        silent: sensors that the grid has and nobody heard in time.
        strangers: sensors and breakers that the grid does not know.
        doubts: what was put aside of what was heard, and why.
    """

    measured: tuple[Measurement, ...]
    closed: Booleans
    silent: tuple[str, ...]
    strangers: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()


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
        Rejected: `bad_measurement`: the grid has a sensor that is nowhere.
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
    unfed = frozenset(unfed_nodes(grid, closed).tolist())
    told = [
        each
        for name, reading in sorted(newest.items())
        if name in known
        for each in _told(grid, known[name], reading, unfed)
    ]
    return Heard(
        tuple(each for each in told if isinstance(each, Measurement)),
        closed,
        tuple(sorted(name for name in known if name not in newest)),
        tuple(sorted(strangers)),
        tuple(each for each in told if isinstance(each, Doubt)),
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


def _told(
    grid: Grid, sensor: Sensor, reading: SensorReading, unfed: frozenset[int]
) -> Iterator[Measurement | Doubt]:
    """Yield what one reading tells: a voltage, and of a branch the power or the current."""
    phases = {row.phase for row in reading.phases}
    if None in phases and len(phases) > 1:
        said = f"of all three alike and of {_named(phases - {None})}"
        yield Doubt(sensor.name, "reading", said, "which of them counts is not told")
        return
    node = _node(grid, sensor)
    amiss = _amiss(grid, node, reading, is_fed=node not in unfed)
    yield from _voltage(grid, sensor, reading, amiss)
    if sensor.branch is None:
        return
    power = list(_power(sensor, sensor.branch, reading, amiss))
    yield from power
    if not any(isinstance(each, Measurement) for each in power):
        yield from _current(sensor, sensor.branch, reading)


def _rated_mv(grid: Grid, node: int, row: PhaseReading) -> float:
    """Return what a phase is rated to neutral, and all three alike phase to phase [mV]."""
    return float(grid.rated_v[node]) * _MILLI / (1.0 if row.phase is None else _ROOT3)


def _amiss(grid: Grid, node: int, reading: SensorReading, *, is_fed: bool) -> dict[_Which, str]:
    """Return the phases whose voltage cannot be that of a grid that runs, and why."""
    found: dict[_Which, str] = {}
    for row in reading.phases:
        if row.voltage_mv is None:
            continue
        reads_pu = row.voltage_mv / _rated_mv(grid, node, row)
        is_dead = reads_pu < _DEAD_PU
        if not is_fed and not is_dead:
            found[row.phase] = f"nothing feeds {grid.nodes[node].name}"
        elif is_fed and is_dead:
            found[row.phase] = "the phase or its sensor is dead"
        elif is_fed and not _LEAST_PU <= reads_pu <= _MOST_PU:
            span = f"{_LEAST_PU:g} … {_MOST_PU:g} pu"
            found[row.phase] = f"{reads_pu:.3g} pu, and no grid runs beyond {span}"
    return found


def _voltage(
    grid: Grid, sensor: Sensor, reading: SensorReading, amiss: Mapping[_Which, str]
) -> Iterator[Measurement | Doubt]:
    """Yield the mean of the voltages that can be, and those that cannot; of a dead node nothing."""
    node, rows = _node(grid, sensor), [r for r in reading.phases if r.voltage_mv is not None]
    for reason in dict.fromkeys(amiss.values()):
        yield _doubted(sensor, [row for row in rows if amiss.get(row.phase) == reason], reason)
    reads_pu = [
        (row.voltage_mv or 0) / _rated_mv(grid, node, row) for row in rows if row.phase not in amiss
    ]
    live_pu = [each for each in reads_pu if each >= _DEAD_PU]
    if not live_pu or reading.voltage_sigma_mv is None:
        return
    told = len(live_pu)
    noise_pu = reading.voltage_sigma_mv / _rated_mv(grid, node, reading.phases[0]) / np.sqrt(told)
    wanting = 0 if reading.phases[0].phase is None else len(Phase) - told
    uneven_pu = _UNEVEN_PU * np.sqrt(wanting / (2 * told))
    sigma_pu = float(np.hypot(noise_pu, uneven_pu))
    mean_pu = complex(np.mean(live_pu))
    yield Measurement(sensor.name, "voltage", node, mean_pu, sigma_pu, "sensor")


def _doubted(sensor: Sensor, rows: Sequence[PhaseReading], reason: str) -> Doubt:
    """Return the voltages that are put aside for one reason."""
    values = ", ".join(dict.fromkeys(f"{(row.voltage_mv or 0) / _MILLI:g}" for row in rows))
    of = "" if rows[0].phase is None else f" of {_named(row.phase for row in rows)}"
    return Doubt(sensor.name, "voltage", f"{values} V{of}", reason)


def _power(
    sensor: Sensor, branch: int, reading: SensorReading, amiss: Mapping[_Which, str]
) -> Iterator[Measurement | Doubt]:
    """Yield the power of all phases together, or what is wanting of it; nothing if none is told."""
    rows = reading.phases
    powers_w, lacks_w = _of_all(rows, lambda row: row.power_w)
    reactive_var, lacks_var = _of_all(rows, lambda row: row.reactive_power_var)
    if not powers_w and not reactive_var:
        return
    wanting = [
        f"without {what} of {_named(phases)}"
        for what, phases in (("active power", lacks_w), ("reactive power", lacks_var))
        if phases
    ]
    if amiss:
        wanting.append(f"found with the voltage of {_named(amiss)}, which cannot be")
    if wanting:
        said = f"{sum(powers_w)} W, {sum(reactive_var)} var"
        yield Doubt(sensor.name, "power", said, " and ".join(wanting))
        return
    sigma_w = max(reading.power_sigma_w or 1, reading.reactive_power_sigma_var or 1)
    value = complex(sum(powers_w), sum(reactive_var))
    spread = float(sigma_w * np.sqrt(len(powers_w)))
    yield Measurement(sensor.name, "flow", branch, value, spread, "sensor")


def _current(sensor: Sensor, branch: int, reading: SensorReading) -> Iterator[Measurement | Doubt]:
    """Yield the mean of the currents of all phases, or what is wanting of it."""
    currents_ma, lacks = _of_all(reading.phases, lambda row: row.current_ma)
    if not currents_ma or reading.current_sigma_ma is None:
        return
    mean_a = float(np.mean(currents_ma)) / _MILLI
    if lacks:
        yield Doubt(sensor.name, "current", f"{mean_a:g} A", f"without {_named(lacks)}")
        return
    spread = float(reading.current_sigma_ma / _MILLI / np.sqrt(len(currents_ma)))
    yield Measurement(sensor.name, "current", branch, complex(mean_a), spread, "sensor")


def _of_all(
    rows: Sequence[PhaseReading], figure: Callable[[PhaseReading], int | None]
) -> tuple[list[int], set[_Which]]:
    """Return what is told of a figure, and the phases of which it is not."""
    told = {row.phase: value for row in rows if (value := figure(row)) is not None}
    whole: set[_Which] = {None} if rows[0].phase is None else set(Phase)
    return list(told.values()), whole - set(told)


def _named(phases: Iterable[_Which]) -> str:
    """Return phases in words."""
    names = sorted(phase.value for phase in phases if phase is not None)
    if not names:
        return "all three alike"
    *most, last = names
    return f"phases {', '.join(most)} and {last}" if most else f"phase {last}"


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
