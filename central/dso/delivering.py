"""How the offers of a list may deliver: too little, too much, and what comes back later.

Each scenario of each quarter is a situation for the power flow, unless it is the same as that in
which all deliver. Situations stand quarter by quarter, and within a quarter scenario by scenario.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from central.dso.grid.model import Booleans, Floats, Grid, Integers, Phasors
from central.dso.levers import Levers
from central.dso.tasks import Part
from ledger.errors import Rejected

DELIVERED = "delivered"
USUAL_OVER = 1.1


@dataclass(frozen=True, slots=True)
class Rebound:
    """What comes back after a delivery.

    Args:
        share: of the energy that was moved, 0 or more.
        first: quarters from the delivery to the first in which it comes back, at least 1.
        quarters: over how many it is spread evenly.
    """

    share: float = 0.0
    first: int = 1
    quarters: int = 4


NO_REBOUND = Rebound()


def coming_back_w(rebound: Rebound, accepted_w: Floats) -> Floats:
    """Return what comes back in each quarter [W], 0 or more, shape (quarters).

    Args:
        rebound: of the offer.
        accepted_w: what is delivered, 0 or more, shape (quarters).
    """
    back_w = np.zeros_like(accepted_w)
    for quarter in np.flatnonzero(accepted_w):
        first = int(quarter) + rebound.first
        span = slice(first, first + rebound.quarters)
        back_w[span] += accepted_w[quarter] * rebound.share / rebound.quarters
    return back_w


@dataclass(frozen=True)
class Taken:
    """The preliminary list, offer by offer.

    Args:
        mrids: of the offers.
        node: position of each offer's node, by the operator's own registry.
        tan_phi: var that come and go with each watt.
        is_up: whether it is UP (less taken or more given), else DOWN.
        power_w: what the market would take, 0 or more, shape (offers, quarters).
        rebounds: of each offer.
    """

    mrids: tuple[str, ...]
    node: Integers
    tan_phi: Floats
    is_up: Booleans
    power_w: Floats
    rebounds: tuple[Rebound, ...]

    @classmethod
    def of(
        cls,
        grid: Grid,
        mrids: Sequence[str],
        pods: Sequence[str],
        *,
        is_up: Booleans,
        power_w: Floats,
        rebounds: Sequence[Rebound] | None = None,
    ) -> "Taken":
        """Return offers where the registry says their PODs are.

        Raises:
            Rejected: `unknown_pod`, `bad_shape`, `bad_power`, or `bad_rebound`.
        """
        given = (NO_REBOUND,) * len(mrids) if rebounds is None else tuple(rebounds)
        if not len(mrids) == len(pods) == len(is_up) == len(power_w) == len(given):
            raise Rejected(
                f"{len(mrids)} offers, {len(pods)} PODs, {len(is_up)} directions, "
                f"{len(power_w)} rows of power and {len(given)} rebounds",
                where=grid.name,
                reason="bad_shape",
            )
        if len(bad := np.argwhere(~(power_w >= 0) | np.isinf(power_w))):
            offer, quarter = bad[0]
            raise Rejected(
                f"quarter {quarter} has {power_w[offer, quarter]} W, expected 0 or more",
                where=f"offer {mrids[offer]}",
                reason="bad_power",
            )
        for mrid, each in zip(mrids, given, strict=True):
            if not (0 <= each.share < np.inf and min(each.first, each.quarters) >= 1):
                raise Rejected(
                    f"{each} is not something that comes back after it was moved",
                    where=f"offer {mrid}",
                    remedy="share must be 0 or more, first and quarters at least 1",
                    reason="bad_rebound",
                )
        at = np.array([_place(grid, *each) for each in zip(mrids, pods, strict=True)], dtype=int)
        return cls(tuple(mrids), grid.pod_node[at], grid.tan_phi[at], is_up, power_w, given)

    @property
    def unit_va(self) -> Phasors:
        """Return what each offer draws more for one watt delivered, load convention [VA]."""
        units: Phasors = np.where(self.is_up, -1.0, 1.0) * (1 + 1j * self.tan_phi)
        return units

    @property
    def comes_back(self) -> bool:
        """Tell whether something of any offer comes back later."""
        return any(each.share > 0 for each in self.rebounds)

    def changed_va(self, grid: Grid, power_w: Floats) -> Phasors:
        """Return what deliveries make each node draw more, shape (quarters, nodes) [VA].

        Args:
            grid: tells how many nodes there are.
            power_w: delivered, shape (offers, quarters); nothing comes back.
        """
        changed: Phasors = np.zeros((len(grid.nodes), power_w.shape[1]), dtype=complex)
        np.add.at(changed, self.node, power_w * self.unit_va[:, None])
        return changed.T

    def back_w(self, power_w: Floats) -> Floats:
        """Return what comes back of deliveries, against their direction [W], 0 or more.

        Args:
            power_w: delivered, shape (offers, quarters), which is that of the result too.
        """
        pairs = zip(self.rebounds, power_w, strict=True)
        back_w = [coming_back_w(rebound, delivered_w) for rebound, delivered_w in pairs]
        return np.array(back_w).reshape(power_w.shape)

    def lasting_va(self, grid: Grid, power_w: Floats) -> Phasors:
        """Return `changed_va` with what comes back of the deliveries in later quarters."""
        return self.changed_va(grid, power_w - self.back_w(power_w))


def _place(grid: Grid, mrid: str, pod: str) -> int:
    """Return the position of an offer's POD.

    Raises:
        Rejected: `unknown_pod`, with the offer's name.
    """
    try:
        return grid.pod(pod)
    except Rejected as error:
        where = f"offer {mrid}, grid {error.where}"
        raise Rejected(error.what, where=where, remedy=error.remedy, reason=error.reason) from error


@dataclass(frozen=True, slots=True)
class Scenario:
    """How offers deliver: a factor for each, and whether rebound follows."""

    name: str
    factor: Floats
    rebounds: bool = False


def usual_scenarios(grid: Grid, taken: Taken, *, over: float = USUAL_OVER) -> list[Scenario]:
    """Return the scenarios of the validation, that in which all deliver first.

    Args:
        grid: tells the names of nodes.
        taken: the preliminary list.
        over: what is delivered at most, as a factor.
    """
    ones = np.ones(len(taken.mrids))
    made = [Scenario(DELIVERED, ones), Scenario(f"all at {over:g}", ones * over)]
    if taken.comes_back:
        made += [
            Scenario("rebound", ones, rebounds=True),
            Scenario(f"rebound of {over:g}", ones * over, rebounds=True),
        ]
    for node in np.unique(taken.node):
        missing = np.where(taken.node == node, 0.0, 1.0)
        made.append(Scenario(f"nothing at {grid.nodes[node].name}", missing))
    return made


@dataclass(frozen=True)
class Cases:
    """The situations of a list in its scenarios, and a lever for each watt that might be cut.

    Args:
        taken: the list.
        scenario, quarter: of each situation.
        offer, delivery: of each lever: which offer, in which quarter.
        levers: a watt cut of each.
    """

    taken: Taken
    scenario: Integers
    quarter: Integers
    offer: Integers
    delivery: Integers
    levers: Levers

    @classmethod
    def of(cls, grid: Grid, taken: Taken, scenarios: Sequence[Scenario]) -> "Cases":
        """Return the situations of these scenarios; the first has every quarter."""
        delivery, offer = np.nonzero(taken.power_w.T > 0)
        differs = np.array([_differs(taken, each) for each in scenarios])
        differs[0] = True
        quarter, scenario = np.nonzero(differs.T)
        place = np.full(differs.shape, -1)
        place[scenario, quarter] = np.arange(len(quarter))
        factor = np.array([each.factor for each in scenarios])
        table = _delivered(factor, scenario, quarter, offer, delivery)
        if taken.comes_back and any(each.rebounds for each in scenarios):
            table = table + _returned(taken, scenarios, place, offer, delivery)
        levers = Levers(len(grid.nodes), taken.node[offer], -taken.unit_va[offer], table)
        return cls(taken, scenario, quarter, offer, delivery, levers)

    @cached_property
    def power_w(self) -> Floats:
        """Return what each lever could cut."""
        return self.taken.power_w[self.offer, self.delivery]

    @property
    def changed_va(self) -> Phasors:
        """Return what all offers uncut make each node draw more, shape (situations, nodes)."""
        return self.levers.changed_va(-self.power_w)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Return what hangs together: each quarter, or all where something comes back later."""
        return tuple(self._parts())

    def _parts(self) -> Iterator[Part]:
        quarters = self.taken.power_w.shape[1]
        together = self.taken.comes_back
        spans = [(0, quarters)] if together else [(each, each + 1) for each in range(quarters)]
        for first, end in spans:
            rows = slice(*np.searchsorted(self.quarter, [first, end]))
            some = slice(*np.searchsorted(self.delivery, [first, end]))
            quarter = self.quarter[rows]
            yield Part(
                np.arange(rows.start, rows.stop),
                np.searchsorted(quarter, quarter),
                self.levers.part(rows, some),
                most=self.power_w[some],
                cost=np.ones(some.stop - some.start),
                refuge=self.power_w[some],
            )


def _differs(taken: Taken, scenario: Scenario) -> Booleans:
    """Tell in which quarters a scenario is not that in which all deliver."""
    delivers = taken.power_w > 0
    differs: Booleans = (delivers & (scenario.factor != 1)[:, None]).any(axis=0)
    if scenario.rebounds:
        for each, active in zip(taken.rebounds, delivers, strict=True):
            differs |= _returning(each, len(active)) @ active > 0
    return differs


def _delivered(
    factor: Floats, scenario: Integers, quarter: Integers, offer: Integers, delivery: Integers
) -> sparse.csr_array:
    """Return what a watt of each lever delivers at once, shape (situations, levers).

    Args:
        factor: of each scenario and offer.
        scenario: of each situation.
        quarter: of each situation, in order.
        offer: of each lever.
        delivery: of each lever the quarter, in order.
    """
    column = np.arange(len(offer), dtype=np.int32)
    data, columns, counts = [np.zeros(0)], [column[:0]], [np.zeros(1, dtype=int)]
    for each in np.unique(quarter):
        rows = slice(*np.searchsorted(quarter, [each, each + 1]))
        levers = slice(*np.searchsorted(delivery, [each, each + 1]))
        delivers = factor[np.ix_(scenario[rows], offer[levers])]
        does = delivers != 0
        data.append(delivers[does])
        columns.append(np.broadcast_to(column[levers], does.shape)[does])
        counts.append(does.sum(axis=1))
    starts = np.cumsum(np.concatenate(counts))
    shape = len(quarter), len(offer)
    return sparse.csr_array((np.concatenate(data), np.concatenate(columns), starts), shape)


def _returned(
    taken: Taken,
    scenarios: Sequence[Scenario],
    place: Integers,
    offer: Integers,
    delivery: Integers,
) -> sparse.csr_array:
    """Return what a watt of each lever delivers later, below 0 since it comes back.

    Args:
        taken: the list.
        scenarios: some with rebound.
        place: of each scenario and quarter the situation, -1 where there is none.
        offer: of each lever.
        delivery: of each lever, the quarter.
    """
    situation, lever, share = [], [], []
    for row, scenario in enumerate(scenarios):
        for position, each in enumerate(taken.rebounds if scenario.rebounds else ()):
            mine = np.flatnonzero(offer == position)
            back = _returning(each, place.shape[1])[:, delivery[mine]]
            quarter, column = np.nonzero((back > 0) & (place[row] >= 0)[:, None])
            situation.append(place[row, quarter])
            lever.append(mine[column])
            share.append(-back[quarter, column] * scenario.factor[position])
    shape = place.max() + 1, len(offer)
    at = np.concatenate(situation), np.concatenate(lever)
    return sparse.csr_array((np.concatenate(share), at), shape=shape)


def _returning(rebound: Rebound, quarters: int) -> Floats:
    """Return what a watt delivered brings back, shape (quarters back, quarters delivered).

    What would come back after the last quarter is nobody's business here.
    """
    lag = np.subtract.outer(np.arange(quarters), np.arange(quarters))
    comes = (lag >= rebound.first) & (lag < rebound.first + rebound.quarters)
    return np.where(comes, rebound.share / rebound.quarters, 0.0)
