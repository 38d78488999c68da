"""What is wrong with a grid: every fault at once, each with its place and what to do.

The engine's own validation finds what it cannot calculate with; here is beside it what it would
calculate with, and be wrong: a value in another unit, a rating that never binds, a customer that
nothing feeds.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from power_grid_model import CalculationType
from power_grid_model.validation import validate_input_data

from central.dso.grid.islands import unfed_nodes
from central.dso.grid.model import BRANCH_KINDS, LEAST_CONTRACT_W, Grid, Sensor, names
from ledger.errors import Rejected
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: a stable name, where it is, what it is and what to do."""

    reason: str
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return the fault in one line."""
        return f"{self.where}: {self.what}; {self.remedy}"


class BadGrid(Rejected):
    """A grid with faults, one line each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)), reason="bad_grid")
        self.faults = faults

    def __str__(self) -> str:
        """Return one fault a line."""
        return "\n".join(map(str, self.faults))


def check(grid: Grid) -> None:
    """Refuse a grid that has any fault.

    Raises:
        BadGrid: with every fault found.
    """
    if found := faults(grid):
        raise BadGrid(found)


def faults(grid: Grid) -> list[Fault]:
    """Return every fault of a grid, those of its names first.

    Where an element hangs on a node that is not there, no other question has an answer: then
    these faults are all that is told.
    """
    if astray := list(_astray(grid)):
        return astray
    return [fault for finder in _FINDERS for fault in finder(grid)]


def _astray(grid: Grid) -> Iterator[Fault]:
    for kind, columns in _NODE_COLUMNS.items():
        for column in columns if kind in grid.network else ():
            given = grid.network[kind][column]
            for row in np.flatnonzero(~np.isin(given, grid.network["node"]["id"])):
                yield Fault(
                    "unknown_node", _called(grid, kind, int(row)),
                    f"{column} is {given[row]}, and no node of the network has that identifier",
                    "correct the identifier, or add the node",
                )  # fmt: skip


# ── names ───────────────────────────────────────────────────────────────────────────────────


def _doubled(grid: Grid) -> Iterator[Fault]:
    for kind, told in (
        ("node", [node.name for node in grid.nodes]),
        ("branch", [branch.name for branch in grid.branches]),
        ("pod", [connection.pod for connection in grid.connections]),
        ("sensor", [sensor.name for sensor in grid.sensors]),
    ):
        for name, count in Counter(told).items():
            if count > 1:
                yield Fault(
                    f"doubled_{kind}", f"{kind} {name}", f"stands {count} times in the table",
                    "give each a name of its own",
                )  # fmt: skip


def _pods(grid: Grid) -> Iterator[Fault]:
    for connection in grid.connections:
        where = f"pod {connection.pod}"
        try:
            Pod(connection.pod)
        except ValueError as error:
            yield Fault("bad_pod", where, str(error), "correct the code")


def _contracts(grid: Grid) -> Iterator[Fault]:
    """Find contracts that no connection at their voltage could carry."""
    for connection in grid.connections:
        rated_v = float(grid.rated_v[connection.node])
        if rated_v < _LEAST_V or connection.contract_w > _GREATEST_CONTRACT_W:
            continue  # told of the node, or of the contract, already
        drawn_a = connection.contract_w / (math.sqrt(3) * rated_v)
        if drawn_a > _GREATEST_CONTRACT_A:
            yield Fault(
                "bad_contract", f"pods {connection.pod}",
                f"contract_w is {connection.contract_w}, {drawn_a:.0f} A at {rated_v:g} V",
                f"no customer has more than {_GREATEST_CONTRACT_A} A; is it mW instead of W?",
            )  # fmt: skip


def _substations(grid: Grid) -> Iterator[Fault]:
    if not grid.substations:
        yield Fault(
            "no_substation", grid.name, "has no primary substation",
            "name its transformers under substations",
        )  # fmt: skip
    transformers = range(*grid.spans["transformer"].indices(len(grid.branches)))
    named = [(each.name, t) for each in grid.substations for t in each.transformers]
    named += [("taps", means.branch) for means in grid.taps]
    for owner, branch in named:
        if branch not in transformers:
            yield Fault(
                "no_transformer", owner, f"{grid.branches[branch].name} is no transformer",
                "name a transformer there",
            )  # fmt: skip


def _means(grid: Grid) -> Iterator[Fault]:
    """Find own means that could move nothing."""
    span = grid.spans["transformer"]
    for means in grid.taps:
        if span.start <= means.branch < span.stop:
            made = grid.network["transformer"][means.branch - span.start]
            if not made["tap_size"] > 0 or made["tap_min"] == made["tap_max"]:
                yield Fault(
                    "no_taps", f"transformer {grid.branches[means.branch].name}",
                    "stands under taps and has none",
                    "give tap_min, tap_max and tap_size, or take it out of taps",
                )  # fmt: skip
    for bank in grid.capacitors:
        if not (_STEPS.holds(bank.steps) and _STEP_VAR.holds(bank.step_var)):
            continue  # `_outside` tells it
        shunt = grid.network["shunt"][bank.shunt]
        rated_v = grid.rated_v[grid.positions(shunt["node"][None])[0]]
        steps = float(shunt["b1"] * rated_v**2 / bank.step_var) * (shunt["status"] == 1)
        if abs(steps - round(steps)) > _NOISE or not 0 <= round(steps) <= bank.steps:
            yield Fault(
                "bad_capacitor", f"capacitor {bank.name}",
                f"its shunt stands at {steps:.3g} of {bank.steps} steps",
                "b1 is a whole number of steps over the rated voltage squared",
            )  # fmt: skip


def _sensors(grid: Grid) -> Iterator[Fault]:
    for sensor in grid.sensors:
        if (sensor.node is None) == (sensor.branch is None):
            yield Fault(
                "bad_sensor", f"sensor {sensor.name}", "must be at a node or at a branch",
                "give exactly one of node and branch",
            )  # fmt: skip
        elif (sensor.kind == "voltage") != (sensor.node is not None):
            place = "node" if sensor.kind == "voltage" else "branch"
            yield Fault(
                "bad_sensor", f"sensor {sensor.name}", f"measures {sensor.kind}",
                f"that needs a {place}",
            )  # fmt: skip


# ── topology ────────────────────────────────────────────────────────────────────────────────


def _unconnected(grid: Grid) -> Iterator[Fault]:
    touched = np.union1d(grid.branch_from, grid.branch_to)
    alone = np.setdiff1d(np.arange(len(grid.nodes)), np.union1d(touched, grid.source_nodes))
    for node in alone:
        yield Fault(
            "unconnected_node", f"node {grid.nodes[node].name}", "no branch leads there",
            "connect it, or take it out",
        )  # fmt: skip
    unfed = np.setdiff1d(unfed_nodes(grid), alone)
    if len(unfed):
        yield Fault(
            "island", names(grid.nodes, unfed),
            "nothing feeds it with the switches as in the file",
            "close a branch to it, or give it a source",
        )  # fmt: skip
    dark = set(unfed.tolist()) | set(alone.tolist())
    for connection in grid.connections:
        if connection.node in dark:
            yield Fault(
                "unfed_pod", f"pod {connection.pod}",
                f"its node {grid.nodes[connection.node].name} is not fed",
                "connect the node, or move the POD",
            )  # fmt: skip


def _bands(grid: Grid) -> Iterator[Fault]:
    for node in grid.nodes:
        if not _LOWEST_BAND_PU <= node.low_pu < node.high_pu <= _HIGHEST_BAND_PU:
            yield Fault(
                "bad_band", f"node {node.name}",
                f"low_pu … high_pu is {node.low_pu} … {node.high_pu} pu",
                f"it is per unit: {_LOWEST_BAND_PU} ≤ low < high ≤ {_HIGHEST_BAND_PU}",
            )  # fmt: skip


# ── values ──────────────────────────────────────────────────────────────────────────────────

_NODE_COLUMNS = dict.fromkeys(BRANCH_KINDS, ("from_node", "to_node")) | {
    "shunt": ("node",),
    "source": ("node",),
}
_LEAST_V = 100
_GREATEST_CONTRACT_W, _GREATEST_CONTRACT_A = 10**9, 4_000
_NOISE = 1e-3
_LOWEST_BAND_PU, _HIGHEST_BAND_PU = 0.5, 1.5


@dataclass(frozen=True, slots=True)
class _Plausible:
    """The values that a column can have in its unit; outside it is another unit, or none."""

    kind: str
    column: str
    unit: str
    low: float
    high: float
    usual_slip: str
    must: bool = True


_RANGES = (
    _Plausible("node", "u_rated", "V", _LEAST_V, 800e3, "kV instead of V"),
    _Plausible("line", "r1", "Ω", 0, 200, "Ω/km without the length, or mΩ"),
    _Plausible("line", "x1", "Ω", -50, 200, "Ω/km without the length, or mΩ"),
    _Plausible("line", "c1", "F", 0, 1e-3, "nF instead of F"),
    _Plausible("line", "i_n", "A", 1, 10e3, "kA instead of A, or no rating"),
    _Plausible("transformer", "u1", "V", 100, 800e3, "kV instead of V"),
    _Plausible("transformer", "u2", "V", 100, 800e3, "kV instead of V"),
    _Plausible("transformer", "sn", "VA", 1e3, 2e9, "kVA or MVA instead of VA"),
    _Plausible("transformer", "uk", "1", 1e-3, 0.5, "percent instead of a share"),
    _Plausible("transformer", "pk", "W", 0, 10e6, "kW instead of W"),
    _Plausible("transformer", "tap_size", "V", 0, 100e3, "percent instead of V"),
    _Plausible("source", "u_ref", "pu", 0.5, 1.5, "kV instead of per unit"),
    _Plausible("source", "sk", "VA", 1e5, 1e20, "MVA instead of VA", must=False),
)


def _implausible(grid: Grid) -> Iterator[Fault]:
    for rule in _RANGES:
        if rule.kind not in grid.network:
            continue
        values = grid.network[rule.kind][rule.column].astype(np.float64)
        for row in np.flatnonzero(np.isnan(values)) if rule.must else ():
            yield Fault(
                "missing_rating" if rule.column in {"i_n", "sn"} else "missing_value",
                _called(grid, rule.kind, int(row)), f"{rule.column} is not given",
                f"give it in {rule.unit}",
            )  # fmt: skip
        outside = (values < rule.low) | (values > rule.high)
        for row in np.flatnonzero(outside):
            yield Fault(
                "wrong_unit", _called(grid, rule.kind, int(row)),
                f"{rule.column} = {values[row]:g} {rule.unit} is outside "
                f"{rule.low:g} … {rule.high:g}",
                f"is it {rule.usual_slip}?",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Span:
    """What an entry of the table can be in its unit; what is no number is outside, too."""

    reason: str
    table: str
    column: str
    unit: str
    low: float
    high: float
    usual_slip: str
    either_sign: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value, or its size where it can have either sign, is within."""
        return self.low <= (abs(value) if self.either_sign else value) <= self.high

    def expected(self) -> str:
        """Return in words what a value must be."""
        sign = "±" if self.either_sign else ""
        within = f"{sign}{self.low:g} … {sign}{self.high:g} {self.unit}"
        return f"expected is a number within {within}; is it {self.usual_slip}?"


_Entries = Callable[[Grid], Iterable[tuple[str, Any]]]
_ENTRIES: Mapping[str, _Entries] = {
    "pods": lambda grid: ((each.pod, each) for each in grid.connections),
    "taps": lambda grid: ((grid.branches[each.branch].name, each) for each in grid.taps),
    "capacitors": lambda grid: ((each.name, each) for each in grid.capacitors),
    "sensors": lambda grid: ((each.name, each) for each in grid.sensors if _is_unsure(each)),
}


def _is_unsure(sensor: Sensor) -> bool:
    """Tell whether a sensor must say how unsure it is; a breaker is open or closed."""
    return sensor.kind != "breaker" or sensor.sigma_pct != 0


_STEPS = _Span("bad_capacitor", "capacitors", "steps", "steps", 1, 1_000, "var instead of steps")
_STEP_VAR = _Span(
    "bad_capacitor", "capacitors", "step_var", "var", 1, 1e9, "Mvar instead of var",
    either_sign=True,
)  # fmt: skip
_SPANS = (
    _STEPS,
    _STEP_VAR,
    _Span("bad_contract", "pods", "contract_w", "W", LEAST_CONTRACT_W, _GREATEST_CONTRACT_W,
          "kW instead of W"),
    _Span("bad_tan_phi", "pods", "tan_phi", "var per W", -10, 10, "percent, or degrees"),
    _Span("bad_cost", "taps", "cost_eur", "EUR", 0, 1e6, "a gain, or another currency"),
    _Span("bad_moves", "taps", "most_moves", "moves a day", 0, 1_000, "moves a year"),
    _Span("bad_cost", "capacitors", "cost_eur", "EUR", 0, 1e6, "a gain, or another currency"),
    _Span("bad_moves", "capacitors", "most_moves", "moves a day", 0, 1_000, "moves a year"),
    _Span("bad_sigma", "sensors", "sigma_pct", "%", 1e-3, 100, "a variance, or parts per million"),
)  # fmt: skip


def _outside(grid: Grid) -> Iterator[Fault]:
    """Find entries of the table that no element has."""
    for span in _SPANS:
        for name, entry in _ENTRIES[span.table](grid):
            if not span.holds(value := getattr(entry, span.column)):
                yield Fault(
                    span.reason, f"{span.table} {name}", f"{span.column} is {value}",
                    span.expected(),
                )  # fmt: skip


def _called(grid: Grid, kind: str, row: int) -> str:
    if kind == "node":
        return f"node {grid.nodes[row].name}"
    if kind in BRANCH_KINDS:
        return f"{kind} {grid.branches[grid.spans[kind].start + row].name}"
    return f"{kind} {int(grid.network[kind]['id'][row])}"


def _levels(grid: Grid) -> Iterator[Fault]:
    """Find lines between two voltage levels, and windings far from their node's level."""
    rated_v = grid.rated_v
    for kind in ("line", "link"):
        span = grid.spans[kind]
        start_v, end_v = rated_v[grid.branch_from[span]], rated_v[grid.branch_to[span]]
        for row in np.flatnonzero(start_v != end_v):
            yield Fault(
                "two_levels", _called(grid, kind, int(row)),
                f"joins {start_v[row]:g} V and {end_v[row]:g} V",
                "put a transformer between them",
            )  # fmt: skip
    if "transformer" not in grid.network:
        return
    span, made = grid.spans["transformer"], grid.network["transformer"]
    for side, nodes in (("u1", grid.branch_from), ("u2", grid.branch_to)):
        ratio = made[side] / rated_v[nodes[span]]
        for row in np.flatnonzero(np.abs(ratio - 1) > _MOST_OFF_RATIO):
            yield Fault(
                "two_levels", _called(grid, "transformer", int(row)),
                f"{side} is {ratio[row]:.2f} times its node's rated voltage",
                "from is the high side and to the low side",
            )  # fmt: skip


_MOST_OFF_RATIO = 0.2


def _engine(grid: Grid) -> Iterator[Fault]:
    """Return what the engine would refuse, in its own words."""
    found = validate_input_data(
        dict(grid.network), calculation_type=CalculationType.power_flow, symmetric=True
    )
    for error in found or ():
        yield Fault(
            f"engine_{_snake(type(error).__name__)}",
            _place(grid, error.ids),
            str(error),
            "correct the network",
        )


def _place(grid: Grid, ids: Sequence[Any] | None) -> str:
    known = {int(key): grid.branches[n].name for n, key in enumerate(grid.branch_ids)}
    known |= {int(key): grid.nodes[n].name for n, key in enumerate(grid.node_ids)}
    numbers = [each[1] if isinstance(each, tuple) else each for each in ids or ()]
    told = [known.get(int(number), str(number)) for number in numbers[:5]]
    return ", ".join(told) or grid.name


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")


_FINDERS: tuple[Callable[[Grid], Iterator[Fault]], ...] = (
    _doubled,
    _pods,
    _contracts,
    _substations,
    _means,
    _sensors,
    _unconnected,
    _bands,
    _outside,
    _implausible,
    _levels,
    _engine,
)
