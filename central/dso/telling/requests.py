"""The need as requests (I-06): one for each direction, with the table of who can help.

The table speaks of the nodes where somebody could move something. Of several scenarios that press
on the same limit in the same quarter, the one in which it binds most is told. The table has every
limit that must hold, those too that the power asked for strains. Reason and violations are of those
that it relieves; what neither direction relieves is told with both, so that nothing broken is lost.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from central.documents import elements as told
from central.documents.elements import Unsolved
from central.documents.header import Buyer, Direction, Envelope, Horizon
from central.documents.request import FlexRequest, RequestedQuarter, Sensitivity
from central.dso.assessment import Congestion
from central.dso.excess import FULL_PCT
from central.dso.expectation import Expectation
from central.dso.grid.model import Floats, Grid
from central.dso.limits import Bound
from central.dso.requesting import Constraint, Need
from central.dso.telling.elements import Elements, scenario_names
from ledger.facts.interval import Interval

_NANO, _PERMILLE = 1e9, 1e3
_LEAST_W = 0.5
_LEAST_SHARE = 0.01
"""Of what the best place does to a limit: all power on a grid moves all its limits a little."""


def flex_requests(
    grid: Grid,
    need: Need,
    envelopes: Sequence[Envelope],
    *,
    session: str,
    horizon: Horizon,
    expires_ms: int,
    maximum_price_eur_per_mwh: float,
    reliability: float,
) -> tuple[FlexRequest, ...]:
    """Return a request for each direction in which something is needed, UP first.

    Args:
        grid: that needs it.
        need: what was sized.
        envelopes: headers, one for each direction.
        session: the market session.
        horizon: day ahead or real time.
        expires_ms: when the request ends.
        maximum_price_eur_per_mwh: the most that is paid.
        reliability: how sure delivery must be, 0 … 1.
    """
    made = []
    up_w, down_w = _asked_w(need.up_w), _asked_w(need.down_w)
    wanted = zip(
        (Direction.UP, Direction.DOWN), (-up_w, down_w), (down_w, -up_w), envelopes, strict=True
    )
    for direction, more_w, other_w, envelope in wanted:
        total_w = np.abs(more_w.sum(axis=1))
        quarters = {int(q) for q in np.flatnonzero(total_w)}
        if not quarters:
            continue
        table = _Table(grid, need, quarters, more_w, other_w)
        made.append(
            FlexRequest(
                mrid=envelope.mrid,
                revision=envelope.revision,
                created_ms=envelope.created_ms,
                sender=envelope.sender,
                receiver=envelope.receiver,
                validity=_validity(need.assessment.expectation),
                session=session,
                horizon=horizon,
                expires_ms=expires_ms,
                buyer=Buyer.DSO,
                primary_substation=", ".join(each.name for each in grid.substations),
                direction=direction,
                reason=told.Bound(table.reason().value),
                quarters=tuple(
                    RequestedQuarter(
                        start_ms=_start_ms(need, quarter),
                        power_w=max(1, math.ceil(total_w[quarter])),
                    )
                    for quarter in sorted(quarters)
                ),
                elements=tuple(table.elements.listed),
                violations=table.violations,
                nodes=tuple(grid.nodes[node].name for node in table.nodes),
                sensitivities=table.sensitivities,
                maximum_price_ueur_per_mwh=round(maximum_price_eur_per_mwh * 1_000_000),
                reliability_permille=round(reliability * _PERMILLE),
                confidence_permille=round(need.confidence * _PERMILLE),
                unsolved=table.unsolved,
            )
        )
    return tuple(made)


def _asked_w(of_resources_w: Floats) -> Floats:
    """Return what is asked of resources [W], nothing where it is no watt together."""
    enough = of_resources_w.sum(axis=1, keepdims=True) >= _LEAST_W
    asked_w: Floats = np.where(enough, of_resources_w, 0.0)
    return asked_w


class _Table:
    """The limits of some quarters of a need, and what moves them.

    `more_w` is what the request makes resources draw more, `other_w` what that of the other
    direction does, shape (quarters, resources).
    """

    def __init__(
        self, grid: Grid, need: Need, quarters: set[int], more_w: Floats, other_w: Floats
    ) -> None:
        self._grid, self._need = grid, need
        self.elements = Elements(grid, need.assessment.margin)
        self.nodes = np.unique(need.resources.node)
        binding = [each for each in need.constraints if each.quarter in quarters]
        rows = [self._sensitivity(each) for each in _worst(binding)]
        self.sensitivities = tuple(sorted(rows, key=lambda row: (row.position, row.start_ms)))
        self._relief = [(each, _relief(need, each, more_w)) for each in binding]
        self.violations = self.elements.violations(self._told(other_w))
        self.unsolved = tuple(sorted(self._unsolved(quarters), key=_place_unsolved))

    def reason(self) -> Bound:
        """Return the kind of limit for whose sake most of the power is asked for."""
        saved: dict[Bound, float] = {}
        for each, relief in self._relief:
            unit = FULL_PCT if each.bound.is_voltage else 1.0
            saved[each.bound] = saved.get(each.bound, 0.0) + each.worth * unit * max(relief, 0.0)
        return max(saved, key=lambda bound: (saved[bound], bound.value))

    def _told(self, other_w: Floats) -> Iterator[Congestion]:
        """Yield what the assessment found of the limits that are relieved, or that nothing is."""
        places = {
            (each.quarter, each.scenario, each.bound, self._name(each))
            for each, relief in self._relief
            if relief > 0 or _relief(self._need, each, other_w) <= 0
        }
        for one in self._need.assessment.congestions:
            place = one.quarter, one.scenario, one.bound, one.element
            if place in places and not one.outage:
                yield one

    def _sensitivity(self, constraint: Constraint) -> Sensitivity:
        nano = self._unit(constraint) * _NANO
        return Sensitivity(
            position=self._position(constraint),
            start_ms=_start_ms(self._need, constraint.quarter),
            p_nano_per_w=_whole(constraint.per_w[self.nodes] * nano),
            q_nano_per_var=_whole(constraint.per_var[self.nodes] * nano),
        )

    def _unit(self, constraint: Constraint) -> float:
        """Return volts in one pu, or amperes in one percent of the rating."""
        if constraint.bound.is_voltage:
            return float(self._grid.rated_v[constraint.element])
        return float(self._grid.rating_a[0][constraint.element]) / FULL_PCT

    def _position(self, constraint: Constraint) -> int:
        return self.elements.position(self._name(constraint), constraint.bound)

    def _name(self, constraint: Constraint) -> str:
        named = self._grid.nodes if constraint.bound.is_voltage else self._grid.branches
        return named[constraint.element].name

    def _unsolved(self, quarters: set[int]) -> Iterator[Unsolved]:
        expectation = self._need.assessment.expectation
        for each in self._need.residual:
            quarter = expectation.quarter_of(each.situation)
            if quarter in quarters:
                name = each.name(self._grid)
                beyond = self.elements.milli(name, each.bound, each.excess)
                (scenario,) = scenario_names([expectation.scenario_of(each.situation)])
                yield Unsolved(
                    start_ms=_start_ms(self._need, quarter),
                    scenario=scenario,
                    position=self.elements.position(name, each.bound),
                    residual_milli=max(1, math.ceil(beyond)),
                    why=self._need.why_left(each),
                )


def _relief(need: Need, constraint: Constraint, more_w: Floats) -> float:
    """Return by how much power makes a limit stand better where it counts, in the limit's unit.

    Below 0 where it strains the limit. Places that hardly move the limit do not count.
    """
    of = need.resources
    per_w = constraint.per_w[of.node] + of.tan_phi * constraint.per_var[of.node]
    moving = np.abs(per_w) >= _LEAST_SHARE * np.abs(per_w).max()
    rise = float(per_w[moving] @ more_w[constraint.quarter, moving])
    return rise if constraint.bound is Bound.UNDERVOLTAGE else -rise


def _beyond(constraint: Constraint, value: float) -> float:
    """Return how far a value is beyond a limit, in the limit's unit; below 0 within it."""
    if constraint.bound is Bound.UNDERVOLTAGE:
        return constraint.limit - value
    return value - constraint.limit


def _worst(constraints: Sequence[Constraint]) -> list[Constraint]:
    """Return of each limit and quarter the scenario in which it binds most."""
    chosen: dict[tuple[int, Bound, int], Constraint] = {}
    for each in constraints:
        key = each.quarter, each.bound, each.element
        last = chosen.get(key)
        if last is None or _beyond(each, each.value) > _beyond(last, last.value):
            chosen[key] = each
    return list(chosen.values())


def _whole(values: Floats) -> tuple[int, ...]:
    return tuple(int(value) for value in np.rint(values))


def _start_ms(need: Need, quarter: int) -> int:
    return need.assessment.expectation.interval_of(quarter).start_ms


def _validity(expectation: Expectation) -> Interval:
    last = expectation.interval_of(expectation.quarters - 1)
    return Interval(expectation.start_ms, last.end_ms)


def _place_unsolved(one: Unsolved) -> tuple[int, str, int]:
    return one.start_ms, one.scenario, -1 if one.position is None else one.position
