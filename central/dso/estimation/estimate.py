"""The most likely state of the grid, and which measurements do not fit into it.

power-grid-model finds the state: by its iterative linear method where speed counts, by Newton
where residuals are judged, for only then it is the least-squares state that their statistics are
about (the linear method takes each voltage's angle for measured: up to 5e-4 pu beside it). What
stands out among the normalised residuals is put aside, the greatest first and one at a time,
since one liar bends the residuals of its honest neighbours; then the state is found again. Where a
sensor lies beyond any state, none is found, and there are no residuals: then the sensor farthest
from the state that all but sensors tell is put aside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    DatasetType,
    LoadGenType,
    MeasuredTerminalType,
    PowerGridModel,
    initialize_array,
)
from power_grid_model.errors import NotObservableError, PowerGridError

from central.dso.estimation.measuring import Measurement, checked, references
from central.dso.estimation.residuals import Linearised
from central.dso.grid.admittance import Admittance
from central.dso.grid.islands import unfed_nodes
from central.dso.grid.model import Booleans, Floats, Grid, Integers, Phasors, names
from central.dso.powerflow import AS_BUILT, Setting
from ledger.errors import Rejected

SUSPICIOUS = 3.0
_FALSE_ALARM = 1e-3  # that of all honest sensors of an instant one is named
# The linear method lies up to 5e-4 pu beside the most likely state however long it is iterated.
_TOLERANCE_PU = {CalculationMethod.iterative_linear: 1e-6, CalculationMethod.newton_raphson: 1e-8}
_MOST_ITERATIONS = 50
_VOLTAGE, _POWER = "sym_voltage_sensor", "sym_power_sensor"
_PLACES = (
    (_VOLTAGE, "measured_object"), (_POWER, "measured_object"), (_POWER, "measured_terminal_type"),
)  # fmt: skip
_SAID = {
    _VOLTAGE: ("id", "u_measured", "u_sigma"),
    _POWER: ("id", "p_measured", "q_measured", "p_sigma", "q_sigma"),
}


class NoState(Rejected):
    """What is known contradicts itself beyond any state."""


class NotObservable(NoState):
    """Too little is known to find a state."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A measurement that the others contradict.

    Args:
        measurement: as it was given.
        deviations: its residual in standard deviations.
        estimated: what the others say in its place, in its unit.
    """

    measurement: Measurement
    deviations: float
    estimated: complex


@dataclass(frozen=True, slots=True)
class Estimate:
    """The state found.

    Args:
        u_pu: voltage phasors, shape (nodes); 0 where nothing feeds.
        loading_pct: current of each branch in percent of its rating, shape (branches).
        drawn_va: power drawn at each node in this state, load convention, shape (nodes).
        liars: sensors and meters that were put aside, the worst first.
        surprises: forecasts that were far off; they stand, with their sigma, and are told.
        unchecked: sensors that nothing else could contradict.
        notes: what stood in for what was missing.
    """

    u_pu: Phasors
    loading_pct: Floats
    drawn_va: Phasors
    liars: tuple[Suspect, ...]
    surprises: tuple[Suspect, ...]
    unchecked: tuple[str, ...]
    notes: tuple[str, ...]
    _linearised: Linearised

    def voltage_sigma_pu(self, nodes: Integers) -> Floats:
        """Return how well the voltages of some nodes are known: one standard deviation [pu]."""
        return self._linearised.voltage_sigma_pu(nodes)


class Estimator:
    """Estimation of one grid under one setting.

    Args:
        grid: what is estimated.
        setting: the same for all instants: taps and switches as they stand.
    """

    def __init__(self, grid: Grid, setting: Setting = AS_BUILT) -> None:
        self._grid, self._setting = grid, setting
        self._network = _switched(grid, setting)
        self._admittance = setting.admittance(grid)
        self._unfed = unfed_nodes(grid, setting.closed)
        self._load_nodes = np.unique(grid.pod_node)
        self._engine: tuple[tuple[bytes, ...], PowerGridModel] | None = None

    def estimate(
        self,
        measured: Sequence[Measurement],
        *,
        most_liars: int = 5,
        suspicious: float | None = None,
    ) -> Estimate:
        """Return the state, without the measurements that the others contradict.

        Args:
            measured: field sensors, and an injection for every node with customers.
            most_liars: how many to put aside at most, beside those that no state is found with.
            suspicious: from how many standard deviations on; `suspicious_from` if None.

        Raises:
            NotObservable: something that is needed is not known.
            NoState: even without any sensor there is none.
            Rejected: `bad_measurement`.
        """
        checked(self._grid, measured)
        if suspicious is None:
            suspicious = suspicious_from(int(_judged(measured).sum()))
        kept, beyond, liars = self._with_references(measured), list[Suspect](), list[Suspect]()
        while True:
            u_pu = self._fitted(kept, beyond)
            model = Linearised(self._admittance, u_pu, kept)
            found = model.residuals(_judged(kept))
            worst = int(np.argmax(found.normalised))
            if found.normalised[worst] <= suspicious or len(liars) == most_liars:
                break
            size, estimated = found.normalised[worst], model.estimated[worst]
            liars.append(Suspect(kept[worst], float(size), complex(estimated)))
            kept[worst : worst + 1] = self._instead(kept[worst])
        surprises = [
            Suspect(one, float(found.weighted[k]), complex(model.estimated[k]))
            for k, one in enumerate(kept)
            if one.origin == "forecast" and found.weighted[k] > suspicious
        ]
        return Estimate(
            u_pu,
            self._loading_pct(u_pu),
            -self._admittance.injected_va(u_pu),
            tuple(_told_anew([*beyond, *liars], self._admittance, u_pu)),
            tuple(sorted(surprises, key=lambda one: -one.deviations)),
            tuple(
                one.name
                for k, one in enumerate(kept)
                if one.origin == "sensor" and not found.checkable[k]
            ),
            self._notes([one for one in kept if one.origin == "reference"]),
            model,
        )

    def state(self, measured: Sequence[Measurement], *, exact: bool = False) -> Phasors:
        """Return the voltages that fit the measurements best, whatever they are [pu].

        Args:
            measured: as for `estimate`.
            exact: by Newton at once, not only when the linear method does not get there.

        Raises:
            NotObservable: something that is needed is not known.
            NoState: `no_estimate`: what is known contradicts itself beyond any state.
        """
        model = self._model(measured)
        if not exact:
            try:
                return _voltages(model, CalculationMethod.iterative_linear)
            except PowerGridError:
                return self.state(measured, exact=True)
        try:
            return _voltages(model, CalculationMethod.newton_raphson)
        except NotObservableError as error:
            raise NotObservable(
                self._missing(measured),
                where=self._grid.name,
                remedy="give a forecast for every POD, and a sensor or reference of voltage",
                reason="not_observable",
            ) from error
        except PowerGridError:
            return self._by_steps(model, measured)

    def _fitted(self, kept: list[Measurement], beyond: list[Suspect]) -> Phasors:
        """Return the state of what is kept; sensors that there is none with go to those beyond."""
        while True:
            try:
                return self.state(kept, exact=True)
            except NoState:
                if not any(one.origin == "sensor" for one in kept):
                    raise
                beyond.append(self._farthest(kept))
                kept.remove(beyond[-1].measurement)
                kept[:] = self._with_references(kept)

    def _farthest(self, kept: Sequence[Measurement]) -> Suspect:
        """Return the sensor farthest from what all but sensors tell, by how far both could be."""
        others = self._with_references([one for one in kept if one.origin != "sensor"])
        known = [*others, *(one for one in kept if one.origin == "sensor")]
        u_pu = self.state(others, exact=True)
        is_sensor = np.array([one.origin == "sensor" for one in known], dtype=bool)
        model = Linearised(self._admittance, u_pu, known, compared=is_sensor)
        size = model.residuals(is_sensor).normalised
        worst = int(np.argmax(size))
        return Suspect(known[worst], float(size[worst]), complex(model.estimated[worst]))

    def _with_references(self, measured: Sequence[Measurement]) -> list[Measurement]:
        return [*measured, *references(self._grid, measured, self._setting.closed)]

    def _by_steps(self, model: PowerGridModel, measured: Sequence[Measurement]) -> Phasors:
        """Return the most likely state where the engine's Newton runs away from a flat start."""
        try:
            u_pu = _voltages(model, CalculationMethod.iterative_linear)
        except PowerGridError as error:
            raise self._none(str(error)) from error
        # Angles are told from the first source, as they are in the model of the residuals.
        u_pu *= np.exp(-1j * np.angle(u_pu[self._grid.source_nodes[0]]))
        for _ in range(_MOST_ITERATIONS):
            step_pu = Linearised(self._admittance, u_pu, measured).step_pu()
            u_pu = u_pu + step_pu
            if np.abs(step_pu).max() < _TOLERANCE_PU[CalculationMethod.newton_raphson]:
                return u_pu
        raise self._none(f"the last of {_MOST_ITERATIONS} steps was {np.abs(step_pu).max():.3g} pu")

    def _model(self, measured: Sequence[Measurement]) -> PowerGridModel:
        """Return the engine's model; while sensors stay where they are only values are put in."""
        sensors = _sensors(self._grid, self._load_nodes, measured)
        places = tuple(sensors[kind][field].tobytes() for kind, field in _PLACES)
        try:
            if self._engine is not None and self._engine[0] == places:
                self._engine[1].update(update_data=_values(sensors))
            else:
                self._engine = places, PowerGridModel({**self._network, **sensors})
        except PowerGridError as error:
            self._engine = None
            raise self._none(str(error)) from error
        return self._engine[1]

    def _none(self, why: str) -> NoState:
        return NoState(
            why.strip().splitlines()[0],
            where=self._grid.name,
            remedy="see the measurements: they contradict each other beyond any state",
            reason="no_estimate",
        )

    def _missing(self, measured: Sequence[Measurement]) -> str:
        known = [one.element for one in measured if one.kind == "injection"]
        without = np.setdiff1d(np.unique(self._grid.pod_node), np.union1d(known, self._unfed))
        if len(without):
            return f"nothing is known of what {names(self._grid.nodes, without)} draws"
        return "the state cannot be observed from these measurements"

    def _instead(self, liar: Measurement) -> list[Measurement]:
        """Return what is known without a liar: of a node's draw that contracts bound it."""
        if liar.kind != "injection":
            return []
        here = [each for each in self._grid.connections if each.node == liar.element]
        bound_va = float(sum(each.contract_w for each in here))
        return [replace(liar, value=0j, sigma=bound_va, origin="forecast")]

    def _loading_pct(self, u_pu: Phasors) -> Floats:
        sides = zip(self._admittance.currents_a(u_pu), self._grid.rating_a, strict=True)
        from_share, to_share = (np.abs(current) / rating for current, rating in sides)
        return np.maximum(from_share, to_share) * 100

    def _notes(self, stand_ins: Sequence[Measurement]) -> tuple[str, ...]:
        told = [
            f"no voltage is measured: {one.name} is taken at its set value" for one in stand_ins
        ]
        if len(self._unfed):
            told.append(f"nothing feeds {names(self._grid.nodes, self._unfed)}")
        return tuple(told)


def _voltages(model: PowerGridModel, method: CalculationMethod) -> Phasors:
    found: Any = model.calculate_state_estimation(
        calculation_method=method,
        error_tolerance=_TOLERANCE_PU[method],
        max_iterations=_MOST_ITERATIONS,
        output_component_types={ComponentType.node: ["u_pu", "u_angle"]},
    )
    nodes = found[ComponentType.node]
    u_pu: Phasors = nodes["u_pu"] * np.exp(1j * nodes["u_angle"])
    return u_pu


def suspicious_from(count: int) -> float:
    """Return from how many standard deviations on one of so many sensors is named, 3 at least.

    The more are asked, the farther off is the farthest of the honest. Once in a thousand instants
    an honest one is named, if their noise is normal.

    Source: Šidák: Rectangular confidence regions (J. Am. Stat. Assoc. 62, 1967), for many at once.
    """
    each = -math.expm1(math.log1p(-_FALSE_ALARM) / max(count, 1)) / 2
    return max(SUSPICIOUS, -NormalDist().inv_cdf(each))


def _judged(measured: Sequence[Measurement]) -> Booleans:
    """Return which measurements can lie; a forecast is only wrong."""
    return np.array([one.origin in {"sensor", "certified"} for one in measured], dtype=bool)


def _told_anew(liars: Sequence[Suspect], admittance: Admittance, u_pu: Phasors) -> list[Suspect]:
    """Return the liars with what the state found without them says in their place."""
    model = Linearised(admittance, u_pu, [liar.measurement for liar in liars])
    return [
        replace(liar, estimated=complex(value))
        for liar, value in zip(liars, model.estimated, strict=True)
    ]


def _switched(grid: Grid, setting: Setting) -> dict[str, Any]:
    """Return the network as it stands under a setting, with a load where customers are."""
    network: dict[str, Any] = {kind: values.copy() for kind, values in grid.network.items()}
    if setting.closed is not None:
        for kind, span in grid.spans.items():
            if kind in network:
                network[kind]["from_status"] = network[kind]["to_status"] = setting.closed[span]
    if setting.tap_pos is not None:
        network["transformer"]["tap_pos"] = setting.tap_pos
    nodes = np.unique(grid.pod_node)
    loads = initialize_array(DatasetType.input, ComponentType.sym_load, len(nodes))
    loads["id"] = _free_id(grid) + np.arange(len(nodes))
    loads["node"] = grid.node_ids[nodes]
    loads["status"] = 1
    loads["type"] = LoadGenType.const_power
    network["sym_load"] = loads
    return network


def _free_id(grid: Grid) -> int:
    return 1 + max(int(component["id"].max()) for component in grid.network.values())


def _values(sensors: dict[str, Any]) -> dict[str, Any]:
    """Return what the sensors say, for a model that knows where they are."""
    values: dict[str, Any] = {}
    for kind, rows in sensors.items():
        update = initialize_array(DatasetType.update, ComponentType[kind], len(rows))
        for field in _SAID[kind]:
            update[field] = rows[field]
        values[kind] = update
    return values


def _sensors(grid: Grid, load_nodes: Integers, measured: Sequence[Measurement]) -> dict[str, Any]:
    """Return the measurements as sensors of the engine."""
    first_load = _free_id(grid)
    voltages = [one for one in measured if one.kind == "voltage"]
    powers = [one for one in measured if one.kind in {"injection", "flow"}]
    first = first_load + len(load_nodes)
    volt = initialize_array(DatasetType.input, ComponentType.sym_voltage_sensor, len(voltages))
    volt["id"] = first + np.arange(len(voltages))
    nodes = [one.element for one in voltages]
    volt["measured_object"] = grid.node_ids[nodes]
    rated_v = grid.rated_v[nodes]
    volt["u_measured"] = np.array([one.value.real for one in voltages]) * rated_v
    volt["u_sigma"] = np.array([one.sigma for one in voltages]) * rated_v
    power = initialize_array(DatasetType.input, ComponentType.sym_power_sensor, len(powers))
    power["id"] = first + len(voltages) + np.arange(len(powers))
    at_load = np.array([one.kind == "injection" for one in powers], dtype=bool)
    elements = np.array([one.element for one in powers], dtype=np.int64)
    if len(strangers := np.setdiff1d(elements[at_load], load_nodes)):
        raise Rejected(
            f"an injection is told of {names(grid.nodes, strangers)}, where no POD is",
            where=grid.name,
            remedy="see the measurements, and the PODs of the grid",
            reason="bad_measurement",
        )
    power["measured_object"][at_load] = first_load + np.searchsorted(load_nodes, elements[at_load])
    power["measured_object"][~at_load] = grid.branch_ids[elements[~at_load]]
    power["measured_terminal_type"] = np.where(
        at_load, MeasuredTerminalType.load, MeasuredTerminalType.branch_from
    )
    values = np.array([one.value for one in powers], dtype=complex)
    power["p_measured"], power["q_measured"] = values.real, values.imag
    power["p_sigma"] = power["q_sigma"] = [one.sigma for one in powers]
    return {_VOLTAGE: volt, _POWER: power}
