"""Three-phase power flow: what voltages a network in one state takes under given loads.

The network is linear but for its loads. Its impedances between all nodes are found once for each
state (`Wiring`); then voltages and the currents of the loads settle in turn (`Wiring.solve`),
radial or meshed alike.

Source: T.-H. Chen, M.-S. Chen, K.-J. Hwang, P. Kotas, E. A. Chebli, "Distribution system power flow
analysis: a rigid approach", IEEE Transactions on Power Delivery 6 (1991) 1146-1152 (Z-bus Gauss).
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hil.feeder.elements import Complexes, line_block, opened, transformer_block
from hil.feeder.network import Line, Network, State, Transformer
from ledger.errors import Rejected

_PHASES = 3
_ITERATIONS = 200
_TOLERANCE_VA = 1e-4
_TURN = np.exp(-2j * np.pi / 3.0 * np.arange(_PHASES))


class Unsolvable(Rejected):
    """The network cannot carry its loads: no voltages were found that balance them."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A solved network.

    Args:
        wiring: the network and its state.
        voltages_v: to earth, for each node and phase; 0 where no supply reaches.
        loads_va: what each node and phase takes; 0 where no supply reaches.
        iterations: how many rounds it took.
    """

    wiring: "Wiring"
    voltages_v: Complexes
    loads_va: Complexes
    iterations: int

    def voltage_v(self, node: str) -> Complexes:
        """Return the three phase voltages of a node."""
        phases: Complexes = self.voltages_v[self.wiring.number[node]]
        return phases

    def branch_current_a(self, branch: str, node: str) -> Complexes:
        """Return the phase currents that flow from a node into a branch."""
        index = self.wiring.branch_number[branch]
        first, second = self.wiring.ends[index]
        both = np.concatenate([self.voltages_v[first], self.voltages_v[second]])
        currents_a: Complexes = self.wiring.blocks[index] @ both
        at_first = self.wiring.number[node] == first
        return currents_a[:_PHASES] if at_first else currents_a[_PHASES:]

    def branch_power_va(self, branch: str, node: str) -> Complexes:
        """Return the phase powers that flow from a node into a branch."""
        return self.voltage_v(node) * self.branch_current_a(branch, node).conj()

    def losses_w(self) -> float:
        """Return what lines, transformers and switched-in capacitors turn into heat together."""
        return float(self._injected_va().sum().real)

    def supplied_va(self) -> complex:
        """Return what the source feeds in."""
        return complex(self._injected_va()[self.wiring.source].sum())

    def mismatch_va(self) -> float:
        """Return the greatest power that any node and phase neither takes nor passes on.

        It is computed from the admittances alone, not from what the solver used.
        """
        missing_va = self._injected_va() + self.loads_va
        missing_va[self.wiring.source] = 0.0
        return float(np.abs(missing_va).max())

    def _injected_va(self) -> Complexes:
        currents_a = self.wiring.admittance_s @ self.voltages_v.reshape(-1)
        return self.voltages_v * currents_a.reshape(-1, _PHASES).conj()


class Wiring:
    """A network in one state: its admittances, its islands, and the impedances between its nodes.

    Args:
        network: what is built.
        state: how it is switched, tapped and damaged.
    """

    def __init__(self, network: Network, state: State) -> None:
        self.network = network
        self.state = state
        self.number = {name: index for index, name in enumerate(network.nodes)}
        self.branch_number = {one.name: index for index, one in enumerate(network.branches)}
        self.source = self.number[network.source]
        self.ends = [
            (self.number[one.ends[0]], self.number[one.ends[1]]) for one in network.branches
        ]
        connected = [self._connected(one.name, one.ends) for one in network.branches]
        self.blocks = [
            self._block(branch, closed)
            for branch, closed in zip(network.branches, connected, strict=True)
        ]
        self.supplied = self._reached(connected)

    def is_supplied(self, node: str) -> bool:
        """Tell whether a way leads from the source to a node."""
        return bool(self.supplied[self.number[node]])

    def unsupplied(self) -> frozenset[str]:
        """Return the nodes that no supply reaches."""
        return frozenset(name for name in self.network.nodes if not self.is_supplied(name))

    def solve(
        self, loads_va: Complexes, *, source_v: float | None = None, start: Flow | None = None
    ) -> Flow:
        """Return the voltages under constant-power loads.

        Args:
            loads_va: for each node and phase, positive is consumed; those of nodes without supply
                are left out.
            source_v: voltage of the source between phases; by default that of the network.
            start: a flow to begin from, of any state.

        Raises:
            Unsolvable: the loads are more than the network can carry, with the worst place.
        """
        served_va = np.where(self.supplied[:, None], loads_va, 0.0)
        kept_v = (self.network.source_v if source_v is None else source_v) / np.sqrt(3.0) * _TURN
        idle_v = self._from_source @ kept_v
        taken_va = served_va.reshape(-1)[self._free]
        found_v = idle_v if start is None else self._carried_over(start, idle_v)
        for round_ in range(1, _ITERATIONS + 1):
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                next_v = idle_v - self._impedance_ohm @ (taken_va / found_v).conj()
                errors_va = np.abs(taken_va) * np.abs(next_v / found_v - 1.0)
            found_v = next_v
            if not np.isfinite(found_v).all():
                break
            if errors_va.max(initial=0.0) < _TOLERANCE_VA:
                return self._flow(found_v, kept_v, served_va, round_)
        raise self._unsolvable(errors_va)

    def _flow(
        self, found_v: Complexes, kept_v: Complexes, served_va: Complexes, rounds: int
    ) -> Flow:
        voltages_v = np.zeros(len(self.number) * _PHASES, dtype=complex)
        voltages_v[self._free] = found_v
        voltages_v[self._kept] = kept_v
        return Flow(self, voltages_v.reshape(-1, _PHASES), served_va, rounds)

    def _carried_over(self, start: Flow, idle_v: Complexes) -> Complexes:
        before_v = start.voltages_v.reshape(-1)[self._free]
        return np.where(before_v == 0.0, idle_v, before_v)

    def _unsolvable(self, errors_va: NDArray[np.float64]) -> Unsolvable:
        worst = int(np.argmax(np.nan_to_num(errors_va, nan=np.inf)))
        node = self.network.nodes[int(self._free[worst]) // _PHASES]
        return Unsolvable(
            f"no voltages balance the loads; the worst place is {node}",
            where="power flow",
            remedy="take load away, or bring a line back",
            reason="unsolvable",
        )

    def _connected(self, branch: str, ends: tuple[str, str]) -> tuple[bool, bool]:
        if branch in self.state.out:
            return False, False
        open_at = {
            switch.node
            for switch in self.network.switches
            if switch.branch == branch and not self.state.closed[switch.name]
        }
        return ends[0] not in open_at, ends[1] not in open_at

    def _block(self, branch: Line | Transformer, connected: tuple[bool, bool]) -> Complexes:
        if not any(connected):
            return np.zeros((2 * _PHASES, 2 * _PHASES), dtype=complex)
        if isinstance(branch, Line):
            whole = line_block(branch)
        else:
            whole = transformer_block(branch, self.state.taps.get(branch.name, 0))
        if all(connected):
            return whole
        return opened(whole, connected.index(False))

    def _reached(self, connected: list[tuple[bool, bool]]) -> NDArray[np.bool_]:
        beside = defaultdict(list)
        for (first, second), closed in zip(self.ends, connected, strict=True):
            if all(closed):
                beside[first].append(second)
                beside[second].append(first)
        reached = np.zeros(len(self.number), dtype=bool)
        reached[self.source] = True
        waiting = deque([self.source])
        while waiting:
            for node in beside[waiting.popleft()]:
                if not reached[node]:
                    reached[node] = True
                    waiting.append(node)
        return reached

    @cached_property
    def admittance_s(self) -> Complexes:
        """Return the admittances between all nodes and phases, those without supply included."""
        count = len(self.number)
        summed = np.zeros((count, _PHASES, count, _PHASES), dtype=complex)
        for (first, second), block in zip(self.ends, self.blocks, strict=True):
            quarters = block.reshape(2, _PHASES, 2, _PHASES)
            for row, at in enumerate((first, second)):
                for column, to in enumerate((first, second)):
                    summed[at, :, to, :] += quarters[row, :, column, :]
        for bank in self.network.capacitors:
            at = self.number[bank.node]
            summed[at, :, at, :] += 1j * bank.step_s * self.state.steps[bank.name] * np.eye(_PHASES)
        return summed.reshape(count * _PHASES, count * _PHASES)

    @cached_property
    def _kept(self) -> NDArray[np.intp]:
        return np.arange(self.source * _PHASES, (self.source + 1) * _PHASES)

    @cached_property
    def _free(self) -> NDArray[np.intp]:
        supplied = np.repeat(self.supplied, _PHASES)
        supplied[self._kept] = False
        return np.flatnonzero(supplied)

    @cached_property
    def _impedance_ohm(self) -> Complexes:
        between = self.admittance_s[np.ix_(self._free, self._free)]
        return np.asarray(np.linalg.inv(between), dtype=np.complex128)

    @cached_property
    def _from_source(self) -> Complexes:
        """Return the idle voltages for each volt of the source's three phases."""
        return -self._impedance_ohm @ self.admittance_s[np.ix_(self._free, self._kept)]
