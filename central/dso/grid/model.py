"""A grid: what power-grid-model calculates with, and beside it what engineers call things.

Positions, not identifiers, run through the platform: node *i* is row *i* of every array with a
node axis, and so for branches and PODs. Branches stand in one order: lines, then transformers,
then links.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ledger.errors import Rejected

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Phasors = NDArray[np.complex128]
Network = Mapping[str, NDArray[Any]]
"""Input data of power-grid-model: a structured array for each kind of component, without loads."""

Phases = Literal["abc", "a", "b", "c"]
SensorKind = Literal["voltage", "current", "power", "breaker"]

BRANCH_KINDS = ("line", "transformer", "link")
FREQUENCY_HZ = 50.0
LEAST_CONTRACT_W = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A node and the band its voltage must keep, in per unit of its rated voltage."""

    name: str
    area: str = ""
    low_pu: float = 0.90
    high_pu: float = 1.10


@dataclass(frozen=True, slots=True)
class Branch:
    """A line, transformer or link; `switch` says that the operator may open or close it."""

    name: str
    switch: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """A point of delivery and where it meets the grid.

    Args:
        pod: its code.
        node: position of its node.
        contract_w: the most it may draw or give [W].
        phases: the phases it hangs on.
        tan_phi: reactive over active power where nothing better is known, load convention.
        profile: the class of customers whose shape stands in while it has no history.
    """

    pod: str
    node: int
    contract_w: int
    phases: Phases = "abc"
    tan_phi: float = 0.0
    profile: str = "household"


@dataclass(frozen=True, slots=True)
class PrimarySubstation:
    """A primary substation by its transformers (positions of branches, from the high side)."""

    name: str
    transformers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapMeans:
    """A tap changer that the operator may move: what a move costs, and how many a day."""

    branch: int
    cost_eur: float = 0.0
    most_moves: int = 12


@dataclass(frozen=True, slots=True)
class CapacitorMeans:
    """A shunt of equal steps that the operator may switch; `shunt` is its position."""

    name: str
    shunt: int
    steps: int
    step_var: float
    cost_eur: float = 0.0
    most_moves: int = 12


@dataclass(frozen=True, slots=True)
class Sensor:
    """A field sensor (I-19): at a node, or at the from side of a branch; sigma is relative."""

    name: str
    kind: SensorKind
    node: int | None = None
    branch: int | None = None
    sigma_pct: float = 1.0


@dataclass(frozen=True)
class Grid:
    """One grid, usually what hangs on one primary substation.

    Args:
        name: how it is called.
        source: where its parameters come from, with page.
        network: input data of power-grid-model; loads are put in by `powerflow`.
        nodes: in the order of ``network["node"]``.
        branches: in the order of `BRANCH_KINDS`, each kind in the order of the network.
        connections: all points of delivery.
        substations: at least one.
        taps, capacitors, sensors: own means, and what is seen in the field.
    """

    name: str
    source: str
    network: Network
    nodes: tuple[Node, ...]
    branches: tuple[Branch, ...]
    connections: tuple[Connection, ...]
    substations: tuple[PrimarySubstation, ...]
    taps: tuple[TapMeans, ...] = ()
    capacitors: tuple[CapacitorMeans, ...] = ()
    sensors: tuple[Sensor, ...] = ()

    # ── nodes ───────────────────────────────────────────────────────────────────────────────

    @cached_property
    def node_ids(self) -> Integers:
        """Return the identifiers that power-grid-model knows the nodes by."""
        return self.network["node"]["id"].astype(np.int64)

    @cached_property
    def rated_v(self) -> Floats:
        """Return each node's rated voltage, line to line [V]."""
        return self.network["node"]["u_rated"].astype(np.float64)

    @cached_property
    def low_pu(self) -> Floats:
        """Return the lower limit of each node's voltage [pu]."""
        return np.array([node.low_pu for node in self.nodes])

    @cached_property
    def high_pu(self) -> Floats:
        """Return the upper limit of each node's voltage [pu]."""
        return np.array([node.high_pu for node in self.nodes])

    @cached_property
    def source_nodes(self) -> Integers:
        """Return the positions of the nodes that a source feeds."""
        sources = self.network["source"]
        return self.positions(sources["node"][sources["status"] == 1])

    def positions(self, node_ids: NDArray[Any]) -> Integers:
        """Return the positions of nodes given by identifier.

        Raises:
            Rejected: `unknown_node`.
        """
        order = np.argsort(self.node_ids)
        found = np.searchsorted(self.node_ids, node_ids, sorter=order)
        positions: Integers = order[np.minimum(found, len(order) - 1)]
        if len(strangers := np.setdiff1d(node_ids, self.node_ids)):
            raise Rejected(
                f"no node has the identifier {int(strangers[0])}",
                where=self.name,
                reason="unknown_node",
            )
        return positions

    def node(self, name: str) -> int:
        """Return the position of a node.

        Raises:
            Rejected: `unknown_node`.
        """
        return _named(self._node_by_name, name, "node", self.name)

    @cached_property
    def _node_by_name(self) -> Mapping[str, int]:
        return {node.name: position for position, node in enumerate(self.nodes)}

    # ── branches ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def spans(self) -> Mapping[str, slice]:
        """Return where each kind stands among the branches."""
        spans, start = {}, 0
        for kind in BRANCH_KINDS:
            end = start + len(self.network.get(kind, ()))
            spans[kind] = slice(start, end)
            start = end
        return spans

    @cached_property
    def branch_ids(self) -> Integers:
        """Return the identifiers that power-grid-model knows the branches by."""
        return self._of_branches("id").astype(np.int64)

    @cached_property
    def branch_from(self) -> Integers:
        """Return the position of the node at the from side of each branch."""
        return self.positions(self._of_branches("from_node"))

    @cached_property
    def branch_to(self) -> Integers:
        """Return the position of the node at the to side of each branch."""
        return self.positions(self._of_branches("to_node"))

    @cached_property
    def branch_ends(self) -> tuple[Integers, Integers, Integers]:
        """Return branch ends node by node: where each node's begin, branch, and node beyond."""
        here = np.concatenate([self.branch_from, self.branch_to])
        order = np.argsort(here, kind="stable")
        starts = np.searchsorted(here[order], np.arange(len(self.nodes) + 1))
        there = np.roll(here, len(self.branches))
        return starts, order % max(len(self.branches), 1), there[order]

    @cached_property
    def closed(self) -> Booleans:
        """Return which branches are closed at both ends, as the file says."""
        both: Booleans = (self._of_branches("from_status") == 1) & (
            self._of_branches("to_status") == 1
        )
        return both

    @cached_property
    def tap_pos(self) -> Integers:
        """Return the tap position of each transformer, as the file says."""
        transformers = self.network.get("transformer")
        none: Integers = np.zeros(0, dtype=np.int64)
        return none if transformers is None else transformers["tap_pos"].astype(np.int64)

    @cached_property
    def capacitor_steps(self) -> Integers:
        """Return how many steps of each capacitor are in service, as the file says."""
        steps = np.zeros(len(self.capacitors), dtype=np.int64)
        for column, means in enumerate(self.capacitors):
            shunt = self.network["shunt"][means.shunt]
            rated_v = self.rated_v[self.positions(shunt["node"][None])[0]]
            given_var = shunt["b1"] * rated_v**2 * (shunt["status"] == 1)
            steps[column] = round(float(given_var) / means.step_var)
        return steps

    @cached_property
    def rating_a(self) -> tuple[Floats, Floats]:
        """Return the greatest current at the from and the to side [A]; inf for a link."""
        from_a, to_a = (np.full(len(self.branches), np.inf) for _ in range(2))
        if "line" in self.network:
            span = self.spans["line"]
            from_a[span] = to_a[span] = self.network["line"]["i_n"]
        if "transformer" in self.network:
            span, made = self.spans["transformer"], self.network["transformer"]
            from_a[span] = made["sn"] / made["u1"] / np.sqrt(3)
            to_a[span] = made["sn"] / made["u2"] / np.sqrt(3)
        return from_a, to_a

    def branch(self, name: str) -> int:
        """Return the position of a branch.

        Raises:
            Rejected: `unknown_branch`.
        """
        return _named(self._branch_by_name, name, "branch", self.name)

    @cached_property
    def _branch_by_name(self) -> Mapping[str, int]:
        return {branch.name: position for position, branch in enumerate(self.branches)}

    def _of_branches(self, field: str) -> NDArray[Any]:
        kinds = [self.network[kind][field] for kind in BRANCH_KINDS if kind in self.network]
        return np.concatenate(kinds) if kinds else np.zeros(0, dtype=np.int64)

    # ── points of delivery ──────────────────────────────────────────────────────────────────

    @cached_property
    def pods(self) -> tuple[str, ...]:
        """Return the codes of the points of delivery."""
        return tuple(connection.pod for connection in self.connections)

    @cached_property
    def pod_node(self) -> Integers:
        """Return the position of each POD's node."""
        return np.array([connection.node for connection in self.connections], dtype=np.int64)

    @cached_property
    def tan_phi(self) -> Floats:
        """Return each POD's usual reactive over active power."""
        return np.array([connection.tan_phi for connection in self.connections])

    def pod(self, code: str) -> int:
        """Return the position of a POD.

        Raises:
            Rejected: `unknown_pod`.
        """
        return _named(self._pod_by_code, code, "pod", self.name)

    @cached_property
    def _pod_by_code(self) -> Mapping[str, int]:
        return {code: position for position, code in enumerate(self.pods)}

    @cached_property
    def _incidence(self) -> sparse.csr_array:
        count = len(self.connections)
        ones = np.ones(count)
        shape = (len(self.nodes), count)
        return sparse.csr_array((ones, (self.pod_node, np.arange(count))), shape=shape)

    def at_nodes(self, of_pods: Floats) -> Floats:
        """Return values of PODs, shape (…, pods), summed at their nodes, shape (…, nodes)."""
        flat = of_pods.reshape(-1, len(self.connections))
        summed: Floats = (self._incidence @ flat.T).T
        return np.ascontiguousarray(summed).reshape(*of_pods.shape[:-1], len(self.nodes))


_LISTED = {
    kind: f"certiflex central grid show FILE --list {kinds}"
    for kind, kinds in (("node", "nodes"), ("branch", "branches"), ("pod", "pods"))
}


def _named(known: Mapping[str, int], name: str, kind: str, where: str) -> int:
    if name not in known:
        raise Rejected(
            f"no {kind} is called {name!r}",
            where=where,
            remedy=_similar(name, known) or f"see all names: {_LISTED[kind]}, or --demo for FILE",
            reason=f"unknown_{kind}",
        )
    return known[name]


def _similar(name: str, known: Iterable[str]) -> str:
    alike = [each for each in known if each.casefold() == name.casefold()]
    return f"did you mean {alike[0]!r}?" if alike else ""


def names(nodes: Sequence[Node], positions: Iterable[int], most: int = 5) -> str:
    """Return the names of some nodes in words, the first few of them."""
    chosen = list(positions)
    told = ", ".join(nodes[position].name for position in chosen[:most])
    return told + (f" and {len(chosen) - most} more" if len(chosen) > most else "")
