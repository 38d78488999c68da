"""The plant: the network with its customers at an instant, in the state it was brought into.

It is the real world of the bench. What is done to it happens (`act`); whether it should was for
somebody else to ask (`hil.scada`).
"""

import logging
from collections.abc import Iterable

import numpy as np

from hil.consumption import Consumption
from hil.feeder.customers import Customer, customers_of, phases_of_house
from hil.feeder.description import Description
from hil.feeder.elements import Complexes
from hil.feeder.flow import Flow, Unsolvable, Wiring
from hil.feeder.network import Network, State, Transformer, built
from hil.household import Household, Supply
from hil.noise import seed_of, wander
from hil.plant_file import Action, Growth
from ledger.errors import Rejected

_PHASES = 3
_SOURCE_KNOT_MS = 1_800_000
_log = logging.getLogger("hil")


class Plant:
    """A network that lives.

    Args:
        description: the network.
        seed: decides the customers without a meter.
        weather_seed: the sky over the district.
        source_wander_pct: how far the voltage of the source drifts, either way.
        growth: of what homes take.
    """

    def __init__(
        self,
        description: Description,
        *,
        seed: int = 0,
        weather_seed: int = 0,
        source_wander_pct: float = 0.0,
        growth: Growth | None = None,
    ) -> None:
        self.network: Network = built(description)
        self.customers: tuple[Customer, ...] = customers_of(description)
        self.at_ms = 0
        self.failure: str | None = None
        self._wiring = Wiring(self.network, self.network.normal_state())
        self._flow: Flow | None = None
        self._consumption = Consumption(
            self.customers, seed=seed, weather_seed=weather_seed, growth=growth
        )
        self._places = {one.pod: index for index, one in enumerate(self.customers)}
        self._houses: dict[str, tuple[Household, tuple[int, ...]]] = {}
        self._source_seed = seed_of("source", seed)
        self._wander = source_wander_pct / 100.0

    @property
    def state(self) -> State:
        """Return how the network is switched, tapped and damaged."""
        return self._wiring.state

    @property
    def flow(self) -> Flow:
        """Return the last flow; nothing has flowed before the first `solve`."""
        if self._flow is None:
            raise RuntimeError("the plant was asked before it was solved")
        return self._flow

    def supply_of(self, pod: str, phases: int) -> Supply:
        """Return what a metered house at a POD hangs on.

        Raises:
            Rejected: no metered house stands at that POD.
        """
        customer = self._metered(pod)
        return _Supply(self, customer.node, phases_of_house(pod, phases))

    def connect(self, pod: str, household: Household, phases: int) -> None:
        """Let a household take the place of the customer at a POD.

        Raises:
            Rejected: no metered house stands at that POD.
        """
        self._houses[self._metered(pod).pod] = household, phases_of_house(pod, phases)

    def _metered(self, pod: str) -> Customer:
        metered = [one for one in self.customers if one.metered]
        for customer in metered:
            if customer.pod == pod:
                return customer
        known = f"{metered[0].pod} to {metered[-1].pod}" if metered else "none"
        raise Rejected(
            f"no metered house of the network stands at {pod}",
            where="pod",
            remedy=f"known: {known}",
        )

    def solve(self, unix_ms: int) -> None:
        """Find the voltages of an instant; if there are none, the last stay and it is told."""
        try:
            flow = self._wiring.solve(
                self.loads_va(unix_ms), source_v=self._source_v(unix_ms), start=self._flow
            )
        except Unsolvable as error:
            if self._flow is None:
                raise
            if self.failure is None:
                _log.warning("hil.plant_unsolvable", extra={"why": error.what})
            self.failure = error.what
            return
        if self.failure is not None:
            _log.info("hil.plant_solved_again")
        self.failure, self._flow, self.at_ms = None, flow, unix_ms

    def loads_va(self, unix_ms: int) -> Complexes:
        """Return what is taken at each node and phase; negative is given."""
        powers_va = self._consumption.at_va(unix_ms)
        loads_va = np.zeros((len(self.network.nodes), _PHASES), dtype=complex)
        for pod, (household, phases) in self._houses.items():
            index = self._places[pod]
            node = self._wiring.number[self.customers[index].node]
            powers_va[index] = 0.0
            loads_va[node, list(phases)] += household.powers_va(unix_ms)
        for customer, power_va in zip(self.customers, powers_va, strict=True):
            node = self._wiring.number[customer.node]
            loads_va[node, list(customer.phases)] += power_va / len(customer.phases)
        return loads_va

    def _source_v(self, unix_ms: int) -> float:
        drift = wander(self._source_seed, unix_ms, _SOURCE_KNOT_MS)
        return self.network.source_v * (1.0 + self._wander * drift)

    def act(self, action: Action, device: str, position: int | None, unix_ms: int) -> None:
        """Do something to the plant, and solve it anew.

        Raises:
            Rejected: there is no such device, or it cannot stand so.
        """
        self.enter(self.after(self.state, action, device, position), unix_ms)
        told = {"action": action, "device": device, "position": position}
        _log.info("hil.plant_changed", extra=told)

    def after(self, state: State, action: Action, device: str, position: int | None) -> State:
        """Return the state that an action leads to.

        Raises:
            Rejected: there is no such device, or it cannot stand so.
        """
        match action:
            case Action.OUT:
                return state.without(self._known(device, [b.name for b in self.network.branches]))
            case Action.BACK:
                return state.restored(self._known(device, state.out))
            case Action.OPEN | Action.CLOSE:
                name = self._known(device, state.closed)
                return state.switched(name, closed=action is Action.CLOSE)
            case Action.TAP:
                return state.tapped(self._known(device, state.taps), self._tap(device, position))
            case Action.CAPACITOR:
                return state.stepped(
                    self._known(device, state.steps), self._steps(device, position)
                )

    def enter(self, state: State, unix_ms: int) -> None:
        """Bring the network into a state, with what that means to the houses, and solve it."""
        self._wiring = Wiring(self.network, state)
        for pod, (household, _) in self._houses.items():
            if self._wiring.is_supplied(self.customers[self._places[pod]].node):
                household.supply_again(unix_ms)
            else:
                household.cut_off(unix_ms)
        self.solve(unix_ms)

    def foreseen(self, state: State, unix_ms: int) -> Flow:
        """Return what would flow at an instant in another state.

        Raises:
            Unsolvable: nothing that balances.
        """
        loads_va, source_v = self.loads_va(unix_ms), self._source_v(unix_ms)
        return Wiring(self.network, state).solve(loads_va, source_v=source_v, start=self._flow)

    def unsupplied(self, state: State | None = None) -> tuple[Customer, ...]:
        """Return the customers whom no supply reaches, now or in another state."""
        wiring = self._wiring if state is None else Wiring(self.network, state)
        dark = wiring.unsupplied()
        return tuple(one for one in self.customers if one.node in dark)

    def changer(self, device: str) -> Transformer | None:
        """Return the transformer of that name, if there is one."""
        return next((one for one in self.network.transformers if one.name == device), None)

    def switch_on(self, device: str) -> str:
        """Return the switch that stands in a line, where its name is asked for; else what is."""
        here = [one.name for one in self.network.switches if one.branch == device]
        return here[0] if len(here) == 1 else device

    def _known(self, device: str, names: Iterable[str]) -> str:
        known = sorted(names)
        if device not in known:
            raise Rejected(
                f"no such device: {device!r}",
                where="plant",
                remedy=f"there are {', '.join(known) or 'none'}",
                reason="unknown_device",
            )
        return device

    def _tap(self, device: str, position: int | None) -> int:
        changer = self.changer(device)
        span = changer.tap_span if changer is not None else 0
        return _within(device, position, -span, span)

    def _steps(self, device: str, position: int | None) -> int:
        (bank,) = (one for one in self.network.capacitors if one.name == device)
        return _within(device, position, 0, bank.steps)


def _within(device: str, position: int | None, least: int, most: int) -> int:
    if position is None or not least <= position <= most:
        raise Rejected(
            f"{device} stands at {least} to {most}, not at {position}",
            where="plant",
            reason="out_of_range",
        )
    return position


class _Supply:
    """What a house feels of the plant: the voltages of its node as they were last solved."""

    def __init__(self, plant: Plant, node: str, phases: tuple[int, ...]) -> None:
        self._plant = plant
        self._node = node
        self._phases = phases

    def voltage_v(self, phase: int, unix_ms: int, power_w: float) -> float:
        """Return the voltage of one phase of the house [V]."""
        del unix_ms, power_w
        return float(abs(self._plant.flow.voltage_v(self._node)[self._phases[phase]]))
