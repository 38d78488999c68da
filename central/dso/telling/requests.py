"""The need as requests (I-06): one for each direction, with the table of who can help.

The table speaks of the nodes where somebody could move something. Of several scenarios that press
on the same limit in the same quarter, the one in which it binds most is told.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from central.documents import elements as told
from central.documents.elements import Unsolved, Violation
from central.documents.header import Buyer, Direction, Envelope, Horizon
from central.documents.request import FlexRequest, RequestedQuarter, Sensitivity
from central.dso.expectation import Expectation
from central.dso.grid.model import Floats, Grid
from central.dso.limits import Bound
from central.dso.requesting import Constraint, Need
from central.dso.telling.elements import Elements, scenario_names
from ledger.facts.interval import Interval

_NANO, _MILLI, _PERMILLE, _PCT = 1e9, 1e3, 1e3, 100.0
_LEAST_W = 0.5


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
    wanted = zip((Direction.UP, Direction.DOWN), (need.up_w, need.down_w), envelopes, strict=True)
    for direction, asked_w, envelope in wanted:
        total_w = asked_w.sum(axis=1)
        quarters = {int(q) for q in np.flatnonzero(total_w >= _LEAST_W)}
        if not quarters:
            continue
        table = _Table(grid, need, quarters)
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


class _Table:
    """The limits of some quarters of a need, and what moves them."""

    def __init__(self, grid: Grid, need: Need, quarters: set[int]) -> None:
        self._grid, self._need = grid, need
        self.elements = Elements(grid, need.assessment.margin)
        self.nodes = np.unique(need.resources.node)
        self._binding = [each for each in need.constraints if each.quarter in quarters]
        rows = [self._sensitivity(each) for each in _worst(self._binding)]
        self.sensitivities = tuple(sorted(rows, key=lambda row: (row.position, row.start_ms)))
        self.violations = tuple(sorted(self._violations(), key=_place))
        self.unsolved = tuple(sorted(self._unsolved(quarters), key=_place_unsolved))

    def reason(self) -> Bound:
        """Return the kind of limit that the need is most worth to."""
        worth: dict[Bound, float] = {}
        for each in self._binding:
            worth[each.bound] = worth.get(each.bound, 0.0) + each.worth
        return max(worth, key=lambda bound: (worth[bound], bound.value))

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
        return float(self._grid.rating_a[0][constraint.element]) / _PCT

    def _position(self, constraint: Constraint) -> int:
        named = self._grid.nodes if constraint.bound.is_voltage else self._grid.branches
        return self.elements.position(named[constraint.element].name, constraint.bound)

    def _violations(self) -> Iterator[Violation]:
        for each in self._binding:
            beyond = _beyond(each, each.forecast)
            if beyond > 0:
                milli = beyond * self._unit(each) * _MILLI
                (scenario,) = scenario_names([each.scenario])
                yield Violation(
                    position=self._position(each),
                    start_ms=_start_ms(self._need, each.quarter),
                    scenario=scenario,
                    excess_milli=max(1, math.ceil(milli)),
                    cause="generation" if each.bound is Bound.OVERVOLTAGE else "load",
                )

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


def _place(one: Violation) -> tuple[int, int, str]:
    return one.position, one.start_ms, one.scenario


def _place_unsolved(one: Unsolved) -> tuple[int, str, int]:
    return one.start_ms, one.scenario, -1 if one.position is None else one.position
