"""The power flow of many situations at once, by power-grid-model.

Powers follow the load convention: positive is drawn from the grid. A situation is a row: a
quarter of a day, a scenario of it, a tap position tried.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from power_grid_model import (
    CalculationMethod,
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    initialize_array,
)
from power_grid_model.errors import PowerGridError

from central.dso.grid.admittance import Admittance, capacitor_shunts
from central.dso.grid.islands import islands
from central.dso.grid.model import (
    BRANCH_KINDS,
    Booleans,
    Floats,
    Grid,
    Integers,
    Phasors,
    names,
)
from ledger.errors import Rejected

CURRENT_TOLERANCE_PU = 1e-6
NEWTON_TOLERANCE_PU = 1e-8
Array = TypeVar("Array", Integers, Booleans)

_MOST_ITERATIONS = 60
_MOST_TOLD = 3
_DEVIATION = re.compile(r"[Mm]ax deviation:? ([0-9.eE+-]+|nan|inf)")


class NotConverged(Rejected):
    """A situation has no solution that the engine could find, neither by current nor by Newton.

    Args:
        situations: rows that failed.
        island: names of the nodes where, as far as it could be told.
        deviation_pu: how far the voltages still moved in the last iteration.
        where: the grid.
        called: what the rows are; their numbers if not told.
    """

    def __init__(
        self,
        situations: Integers,
        *,
        island: str,
        deviation_pu: float,
        where: str,
        called: Callable[[int], str] = "situation {}".format,
    ) -> None:
        told = ", ".join(called(int(row)) for row in situations[:_MOST_TOLD])
        more = f" and {len(situations) - _MOST_TOLD} more" if len(situations) > _MOST_TOLD else ""
        super().__init__(
            f"no power flow for {told}{more} in the island of {island}: Newton's last "
            f"step was {deviation_pu:.3g} pu",
            where=where,
            remedy="the load is beyond what the grid can carry, or a parameter is wrong: "
            "certiflex central grid check",
            reason="not_converged",
        )
        self.situations = situations
        self.island = island
        self.deviation_pu = deviation_pu

    def calling(self, called: Callable[[int], str]) -> "NotConverged":
        """Return the same in the words of who knows what the rows are."""
        return NotConverged(
            self.situations,
            island=self.island,
            deviation_pu=self.deviation_pu,
            where=self.where,
            called=called,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """Tap positions and closed branches, for all situations or row by row; None is the file's.

    Args:
        tap_pos: shape (transformers) or (situations, transformers).
        closed: shape (branches) or (situations, branches).
        capacitor_steps: steps in service, shape (capacitors) or (situations, capacitors).
        source_pu: voltage of all sources, shape (situations); None is the file's.
    """

    tap_pos: Integers | None = None
    closed: Booleans | None = None
    capacitor_steps: Integers | None = None
    source_pu: Floats | None = None

    def of(self, situation: int) -> "Setting":
        """Return the setting of one situation by itself."""
        source_pu = None if self.source_pu is None else self.source_pu[situation : situation + 1]
        return Setting(
            _row(self.tap_pos, situation),
            _row(self.closed, situation),
            _row(self.capacitor_steps, situation),
            source_pu,
        )

    def halves(self) -> tuple["Setting", "Setting"]:
        """Return what is the same in all situations, and what is given row by row."""
        alike: dict[str, Any] = {}
        apart: dict[str, Any] = {"source_pu": self.source_pu}
        for name in ("tap_pos", "closed", "capacitor_steps"):
            value = getattr(self, name)
            if value is not None and value.ndim > 1 and not _all_alike(value):
                apart[name] = value
            elif value is not None:
                alike[name] = np.atleast_2d(value)[0]
        return Setting(**alike), Setting(**apart)

    def update(self, grid: Grid, situations: int) -> "Update":
        """Return what the setting changes in every situation, as the engine takes it."""

        def rows(value: Any) -> Any:  # noqa: ANN401 -- arrays of any element
            return np.ascontiguousarray(np.broadcast_to(value, (situations, value.shape[-1])))

        update: dict[str, dict[str, Any]] = {}
        if self.closed is not None:
            for kind in BRANCH_KINDS:
                if kind in grid.network:
                    status = rows(self.closed)[:, grid.spans[kind]].astype(np.int8)
                    update[kind] = {"from_status": status.copy(), "to_status": status.copy()}
        if self.tap_pos is not None:
            update.setdefault("transformer", {})["tap_pos"] = rows(self.tap_pos).astype(np.int8)
        if self.capacitor_steps is not None:
            b1, status = capacitor_shunts(grid, rows(self.capacitor_steps))
            update["shunt"] = {"b1": b1, "status": status.astype(np.int8)}
        if self.source_pu is not None:
            sources = len(grid.network["source"])
            update["source"] = {"u_ref": np.repeat(self.source_pu[:, None], sources, axis=1)}
        return {ComponentType[kind]: values for kind, values in update.items()}

    def admittance(self, grid: Grid) -> Admittance:
        """Return the matrices of a grid under a setting that is the same in all situations."""
        return Admittance.of(
            grid, tap_pos=self.tap_pos, closed=self.closed, capacitor_steps=self.capacitor_steps
        )


def _all_alike(rows: Any) -> bool:  # noqa: ANN401 -- arrays of any element
    return len(rows) > 0 and bool((rows == rows[0]).all())


def _row(values: Array | None, situation: int) -> Array | None:
    return values[situation] if values is not None and values.ndim > 1 else values


AS_BUILT = Setting()


@dataclass(frozen=True, slots=True)
class Flow:
    """Solved situations.

    Args:
        voltage_pu: magnitudes of the voltages in per unit of rated voltage, shape (situations,
            nodes); 0 where nothing feeds the node.
        angle_rad: their angles, in the same shape.
        loading_pct: current in percent of the rating at the side where it is greater, for lines
            and transformers alike (the engine's own figure for a transformer is apparent power,
            but what heats is current); 0 for a link; shape (situations, branches).
        from_va: complex power into each branch at its from side, shape (situations, branches).
        source_va: power that each source gives into the grid, shape (situations, sources); it and
            `from_va` have no columns where powers were not asked for.
        by_newton: situations that the iterated current could not solve and Newton did.
        solved: situations that have a solution; all other values of the others are NaN.
    """

    voltage_pu: Floats
    angle_rad: Floats
    loading_pct: Floats
    from_va: Phasors
    source_va: Phasors
    by_newton: Booleans
    solved: Booleans

    @property
    def u_pu(self) -> Phasors:
        """Return the phasors of all voltages [pu], shape (situations, nodes)."""
        return self.phasors_pu(slice(None))

    def phasors_pu(self, rows: int | slice | Integers) -> Phasors:
        """Return the phasors of the voltages in some situations [pu]."""
        magnitude_pu, angle_rad = self.voltage_pu[rows], self.angle_rad[rows]
        phasors_pu: Phasors = np.empty(magnitude_pu.shape, dtype=complex)
        np.multiply(magnitude_pu, np.cos(angle_rad), out=phasors_pu.real)
        np.multiply(magnitude_pu, np.sin(angle_rad), out=phasors_pu.imag)
        return phasors_pu

    def part(self, rows: slice) -> "Flow":
        """Return some of the situations."""
        return Flow(*(getattr(self, each.name)[rows] for each in fields(self)))


class PowerFlow:
    """The power flow of one grid, ready to be asked many times.

    Raises:
        Rejected: `bad_grid`: the engine does not take the network.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._engine = Lock()
        try:
            self._model = PowerGridModel({**grid.network, "sym_load": _loads(grid)})
        except PowerGridError as error:
            raise Rejected(
                _first_line(error),
                where=grid.name,
                remedy="see what is wrong: certiflex central grid check",
                reason="bad_grid",
            ) from error

    def solve(
        self,
        drawn_va: Phasors,
        setting: Setting = AS_BUILT,
        *,
        exact: bool = False,
        partial: bool = False,
        powers: bool = True,
        one_thread: bool = True,
    ) -> Flow:
        """Return the state of every situation.

        Args:
            drawn_va: complex power drawn at each node, shape (situations, nodes).
            setting: taps, switches and source voltage.
            exact: Newton to 1e-8 pu at once, for states that are published.
            partial: situations without a solution are marked instead of raised: for trying what
                may be beyond what the grid can carry.
            powers: whether powers of branches and sources are told too.
            one_thread: else all cores.

        Raises:
            Rejected: `bad_load`: a power or a voltage is not finite; the engine would take it for
                "as in the file" and say nothing.
            NotConverged: neither method found a solution for some situation.
        """
        _refuse_gaps(self.grid, drawn_va, setting)
        alike, apart = setting.halves()
        # A dimension of its own: rows with switches in them make the engine build all anew.
        once = alike.update(self.grid, 1)
        update = {**_load_update(drawn_va), **apart.update(self.grid, len(drawn_va))}
        threads = -1 if one_thread else 0
        by_newton = np.full(len(drawn_va), exact)
        wanted = _STATES_AND_POWERS if powers else _STATES
        method = NEWTON if exact else CURRENT
        found, failed = self._calculate([once, update], method, threads, wanted)
        if failed and not exact:
            again = np.array(sorted(failed))
            by_newton[again] = True
            rows = _rows_of(update, again)
            better, still = self._calculate([once, rows], NEWTON, threads, wanted)
            failed = {int(again[row]): why for row, why in still.items()}
            _put(found, better, again)
        if failed and not partial:
            raise self._explained(drawn_va, setting, failed)
        unsolved = np.array(sorted(failed), dtype=np.int64)
        _clear(found, unsolved)
        return _without_rows(_flow(self.grid, found, by_newton), unsolved)

    def _calculate(
        self,
        updates: Sequence["Update"],
        method: "_Method",
        threads: int,
        wanted: dict[Any, Any],
    ) -> tuple[dict[Any, Any], dict[int, str]]:
        """Return what the engine found, and why for each situation it could not solve."""
        with self._engine:
            found = self._model.calculate_power_flow(
                update_data=[each for each in updates if each],
                calculation_method=method.name,
                error_tolerance=method.tolerance_pu,
                max_iterations=_MOST_ITERATIONS,
                threading=threads,
                output_component_types=wanted,
                continue_on_batch_error=True,
            )
            failure = self._model.batch_error
        if failure is None:
            return found, {}
        told = dict(zip(failure.failed_scenarios, failure.error_messages, strict=True))
        return found, {int(row): str(why) for row, why in told.items()}

    def _explained(
        self, drawn_va: Phasors, setting: Setting, failed: Mapping[int, str]
    ) -> NotConverged:
        """Return what is known of the situations that nobody could solve."""
        unsolved = np.array(sorted(failed))
        first = int(unsolved[0])
        alone_setting = setting.of(first)
        place = "unknown place"
        for island in islands(self.grid, alone_setting.closed):
            alone = np.zeros_like(drawn_va[first])
            alone[island] = drawn_va[first, island]
            update = {**_load_update(alone[None]), **alone_setting.update(self.grid, 1)}
            if self._calculate([update], NEWTON, -1, _STATES)[1]:
                place = names(self.grid.nodes, island, most=3)
                break
        found = _DEVIATION.search(failed[first])
        return NotConverged(
            unsolved,
            island=place,
            deviation_pu=float(found[1]) if found else float("nan"),
            where=self.grid.name,
        )


@dataclass(frozen=True, slots=True)
class _Method:
    name: CalculationMethod
    tolerance_pu: float


CURRENT = _Method(CalculationMethod.iterative_current, CURRENT_TOLERANCE_PU)
NEWTON = _Method(CalculationMethod.newton_raphson, NEWTON_TOLERANCE_PU)

Update = dict[ComponentType, dict[str, Any]]
_STATES: dict[Any, Any] = {
    ComponentType.node: ["u_pu", "u_angle"],
    ComponentType.line: ["i_from", "i_to"],
    ComponentType.transformer: ["i_from", "i_to"],
}
_POWERS: dict[Any, Any] = {
    ComponentType.line: ["p_from", "q_from"],
    ComponentType.transformer: ["p_from", "q_from"],
    ComponentType.link: ["p_from", "q_from"],
    ComponentType.source: ["p", "q"],
}
_STATES_AND_POWERS = {
    kind: _STATES.get(kind, []) + _POWERS.get(kind, []) for kind in {**_STATES, **_POWERS}
}


def _refuse_gaps(grid: Grid, drawn_va: Phasors, setting: Setting) -> None:
    gaps = np.argwhere(~np.isfinite(drawn_va))
    if len(gaps):
        row, node = gaps[0]
        what = f"the load of situation {row} at node {grid.nodes[node].name} is no number"
        raise Rejected(what, where=grid.name, remedy="fill the gaps first", reason="bad_load")
    if setting.source_pu is not None and not np.isfinite(setting.source_pu).all():
        what = "a source's voltage is no number"
        raise Rejected(what, where=grid.name, remedy="fill the gaps first", reason="bad_load")


def _loads(grid: Grid) -> Any:  # noqa: ANN401 -- a structured array of the engine
    """Return one load for each node: what its points of delivery draw together."""
    loads = initialize_array(DatasetType.input, ComponentType.sym_load, len(grid.nodes))
    first = 1 + max(int(component["id"].max()) for component in grid.network.values())
    loads["id"] = first + np.arange(len(grid.nodes))
    loads["node"] = grid.node_ids
    loads["status"] = 1
    loads["type"] = LoadGenType.const_power
    loads["p_specified"] = loads["q_specified"] = 0.0
    return loads


def _load_update(drawn_va: Phasors) -> Update:
    return {
        ComponentType.sym_load: {
            "p_specified": np.ascontiguousarray(drawn_va.real),
            "q_specified": np.ascontiguousarray(drawn_va.imag),
        }
    }


def _rows_of(update: Update, rows: Integers) -> Update:
    return {
        kind: {field: np.ascontiguousarray(values[rows]) for field, values in fields.items()}
        for kind, fields in update.items()
    }


def _put(found: dict[Any, Any], better: Mapping[Any, Any], rows: Integers) -> None:
    """Write what was solved later into its rows."""
    for kind, columns in better.items():
        for field, values in columns.items():
            found[kind][field][rows] = values


def _clear(found: Mapping[Any, Any], rows: Integers) -> None:
    """Write zeros over what the engine left in rows it could not solve: whatever memory held."""
    for columns in found.values():
        for values in columns.values():
            values[rows] = 0.0


def _flow(grid: Grid, found: Mapping[Any, Any], by_newton: Booleans) -> Flow:
    nodes = found[ComponentType.node]
    situations = len(nodes["u_pu"])
    loading_pct = np.zeros((situations, len(grid.branches)))
    for kind in BRANCH_KINDS:
        if kind in grid.network and kind != "link":
            span, branches = grid.spans[kind], found[ComponentType[kind]]
            share_from = branches["i_from"] / grid.rating_a[0][span]
            share_to = branches["i_to"] / grid.rating_a[1][span]
            loading_pct[:, span] = np.maximum(share_from, share_to) * 100
    return Flow(
        nodes["u_pu"],
        nodes["u_angle"],
        loading_pct,
        *_powers_va(grid, found, situations),
        by_newton,
        np.ones(situations, dtype=bool),
    )


def _powers_va(grid: Grid, found: Mapping[Any, Any], situations: int) -> tuple[Phasors, Phasors]:
    """Return what flows into branches, and what sources give."""
    if ComponentType.source not in found:
        nothing: Phasors = np.zeros((situations, 0), dtype=complex)
        return nothing, nothing
    from_va = np.zeros((situations, len(grid.branches)), dtype=complex)
    for kind in BRANCH_KINDS:
        if kind in grid.network:
            span, branches = grid.spans[kind], found[ComponentType[kind]]
            from_va.real[:, span], from_va.imag[:, span] = branches["p_from"], branches["q_from"]
    sources = found[ComponentType.source]
    return from_va, sources["p"] + 1j * sources["q"]


def _without_rows(flow: Flow, rows: Integers) -> Flow:
    """Blank the rows that have no solution."""
    for values in (
        flow.voltage_pu, flow.angle_rad, flow.loading_pct, flow.from_va, flow.source_va,
    ):  # fmt: skip
        values[rows] = np.nan
    flow.solved[rows] = False
    return flow


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def unfed(flow: Flow) -> Iterable[tuple[int, int]]:
    """Return (situation, node) of the nodes that nothing feeds."""
    return [(int(row), int(node)) for row, node in np.argwhere(flow.voltage_pu == 0)]
