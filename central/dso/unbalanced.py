"""Assessment phase by phase, for low voltage where customers hang on one of three.

The network needs its zero-sequence values: r0, x0, c0 of lines, and winding and grounding of
transformers. Limits are those of the symmetric assessment, kept by each phase, and the unbalance
of the voltages: negative over positive sequence.

Source: EN 50160:2010, 4.2.4 (unbalance up to 2 % for 95 % of a week); power-grid-model 1.12
documentation, Calculations, asymmetric.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    initialize_array,
)
from power_grid_model.errors import PowerGridBatchError, PowerGridError

from central.dso.grid.model import Booleans, Floats, Grid, Phasors
from central.dso.limits import Limits
from central.dso.powerflow import NEWTON_TOLERANCE_PU, Setting
from ledger.errors import Rejected

MOST_UNBALANCE_PCT = 2.0
_PHASES = "abc"
_TURN = np.exp(2j * np.pi / 3)


@dataclass(frozen=True, slots=True)
class PhaseFlow:
    """Solved situations, phase by phase.

    Args:
        u_pu: voltage phasors to neutral, shape (situations, nodes, 3); 0 where nothing feeds.
        loading_pct: current of each phase in percent of the rating, shape (situations,
            branches, 3); 0 for a link.
        from_w: power of each phase into the branch at its from side, same shape.
    """

    u_pu: Phasors
    loading_pct: Floats
    from_w: Floats

    @property
    def unbalance_pct(self) -> Floats:
        """Return negative over positive sequence voltage [%], shape (situations, nodes)."""
        a, b, c = (self.u_pu[..., phase] for phase in range(3))
        positive = np.abs(a + _TURN * b + _TURN**2 * c)
        negative = np.abs(a + _TURN**2 * b + _TURN * c)
        share: Floats = np.divide(
            negative, positive, out=np.zeros_like(negative), where=positive > 0
        )
        return share * 100


@dataclass(frozen=True, slots=True)
class PhaseViolation:
    """One limit that one phase does not keep.

    Args:
        situation: row of the flow.
        element: name of the node or branch.
        phase: a, b or c; "" for the unbalance, which is of all three.
        what: what is not kept.
        value, limit: voltage [pu], current [% of rating] or unbalance [%].
    """

    situation: int
    element: str
    phase: str
    what: str
    value: float
    limit: float


def of_phases(grid: Grid, of_pods: Floats) -> Floats:
    """Return values of PODs, shape (situations, pods), at nodes and phases they hang on.

    A POD on all three phases is shared evenly; shape (situations, nodes, 3).
    """
    phases = [connection.phases for connection in grid.connections]
    shares = np.array([[phase in on for phase in _PHASES] for on in phases], dtype=float)
    shares /= shares.sum(axis=1, keepdims=True)
    return np.stack([grid.at_nodes(of_pods * shares[:, phase]) for phase in range(3)], axis=-1)


class PhaseFlowSolver:
    """The power flow of three phases.

    Raises:
        Rejected: `no_zero_sequence`: a value that three phases need is not given, and where;
            `bad_grid`: the engine does not take the network.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        _need_zero_sequence(grid)
        loads = initialize_array(DatasetType.input, ComponentType.asym_load, len(grid.nodes))
        first = 1 + max(int(component["id"].max()) for component in grid.network.values())
        loads["id"] = first + np.arange(len(grid.nodes))
        loads["node"] = grid.node_ids
        loads["status"] = 1
        loads["type"] = LoadGenType.const_power
        loads["p_specified"] = loads["q_specified"] = 0.0
        try:
            self._model = PowerGridModel({**grid.network, "asym_load": loads})
        except PowerGridError as error:
            raise _refused(grid, error, "bad_grid") from error

    def solve(
        self,
        drawn_va: Phasors,
        setting: Setting,
        called: Callable[[int], str] = "situation {}".format,
    ) -> PhaseFlow:
        """Return the state of every situation.

        Args:
            drawn_va: shape (situations, nodes, 3), load convention.
            setting: as for the symmetric power flow.
            called: what a situation is, for who must be told.

        Raises:
            Rejected: `not_converged`.
        """
        update: dict[Any, Any] = setting.update(self.grid, len(drawn_va))
        update[ComponentType.asym_load] = {
            "p_specified": np.ascontiguousarray(drawn_va.real),
            "q_specified": np.ascontiguousarray(drawn_va.imag),
        }
        try:
            found: Any = self._model.calculate_power_flow(
                symmetric=False,
                update_data=update,
                calculation_method=CalculationMethod.newton_raphson,
                error_tolerance=NEWTON_TOLERANCE_PU,
                output_component_types={
                    ComponentType.node: ["u_pu", "u_angle"],
                    ComponentType.line: ["i_from", "i_to", "p_from"],
                    ComponentType.transformer: ["i_from", "i_to", "p_from"],
                },
            )
        except PowerGridError as error:
            raise _refused(self.grid, error, "not_converged", called) from error
        nodes = found[ComponentType.node]
        u_pu = nodes["u_pu"] * np.exp(1j * nodes["u_angle"])
        shape = len(drawn_va), len(self.grid.branches), 3
        from_w = np.zeros(shape)
        for kind in ("line", "transformer"):
            if kind in self.grid.network:
                from_w[:, self.grid.spans[kind]] = found[ComponentType[kind]]["p_from"]
        return PhaseFlow(u_pu, self._loading_pct(found, len(drawn_va)), from_w)

    def _loading_pct(self, found: Any, situations: int) -> Floats:  # noqa: ANN401 -- the engine's
        loading_pct = np.zeros((situations, len(self.grid.branches), 3))
        for kind in ("line", "transformer"):
            if kind in self.grid.network:
                span, currents = self.grid.spans[kind], found[ComponentType[kind]]
                sides = zip(("i_from", "i_to"), self.grid.rating_a, strict=True)
                shares = [currents[side] / rating_a[span, None] for side, rating_a in sides]
                loading_pct[:, span] = np.maximum(*shares) * 100
        return loading_pct


def phase_violations(grid: Grid, flow: PhaseFlow, limits: Limits) -> list[PhaseViolation]:
    """Return every limit that some phase does not keep, by situation."""
    voltage_pu = np.abs(flow.u_pu)
    low_pu, high_pu = limits.low_pu[:, None], limits.high_pu[:, None]
    node_names, branch_names = ([each.name for each in of] for of in (grid.nodes, grid.branches))
    fed = voltage_pu > 0
    found = [
        *_listed("undervoltage", node_names, fed & (voltage_pu < low_pu), voltage_pu, low_pu),
        *_listed("overvoltage", node_names, voltage_pu > high_pu, voltage_pu, high_pu),
        *_listed(
            "current",
            branch_names,
            flow.loading_pct > limits.most_pct[:, None],
            flow.loading_pct,
            limits.most_pct[:, None],
        ),
    ]
    unbalance_pct = flow.unbalance_pct
    for row, node in np.argwhere(unbalance_pct > MOST_UNBALANCE_PCT):
        value = float(unbalance_pct[row, node])
        found.append(
            PhaseViolation(int(row), node_names[node], "", "unbalance", value, MOST_UNBALANCE_PCT)
        )
    return sorted(found, key=lambda one: one.situation)


def _listed(
    what: str,
    names: list[str],
    where: Booleans,
    values: Floats,
    limits: Floats,
) -> Iterator[PhaseViolation]:
    bounds = np.broadcast_to(limits, values.shape[1:])
    for row, element, phase in np.argwhere(where):
        yield PhaseViolation(
            int(row),
            names[element],
            _PHASES[phase],
            what,
            float(values[row, element, phase]),
            float(bounds[element, phase]),
        )


def _need_zero_sequence(grid: Grid) -> None:
    for column in ("r0", "x0", "c0", "tan0") if "line" in grid.network else ():
        missing = np.flatnonzero(np.isnan(grid.network["line"][column]))
        if len(missing):
            name = grid.branches[grid.spans["line"].start + int(missing[0])].name
            raise Rejected(
                f"{column} of {len(missing)} lines is not given",
                where=f"line {name}",
                remedy="three phases need the zero-sequence values: give them in the network",
                reason="no_zero_sequence",
            )


def _refused(
    grid: Grid,
    error: PowerGridError,
    reason: str,
    called: Callable[[int], str] = "situation {}".format,
) -> Rejected:
    told, where = str(error), f"{grid.name}, three phases"
    if isinstance(error, PowerGridBatchError):
        told = str(error.error_messages[0])
        where += f", {called(int(error.failed_scenarios[0]))}"
    return Rejected(
        told.strip().splitlines()[0],
        where=where,
        remedy="see what is wrong: certiflex central grid check",
        reason=reason,
    )
