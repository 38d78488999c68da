"""Assessment and localisation (DA-5a, RT-3a): where, when, by how much and why a limit breaks.

Every quarter under every scenario is one row of one batch; with `outages` every quarter is
solved again with each line out in turn (N-1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from central.dso.expectation import Expectation, solved, solved_under
from central.dso.grid.islands import hops, unfed_nodes
from central.dso.grid.model import Booleans, Floats, Grid
from central.dso.limits import Bound, Limits, Margin, Violation, violations
from central.dso.powerflow import AS_BUILT, Flow, PowerFlow, Setting
from ledger.facts.interval import Interval

Cause = Literal["load", "generation"]
USUAL_MARGIN = Margin()


@dataclass(frozen=True, slots=True)
class Congestion:
    """One limit that would not hold: an entry of the localisation (I-10).

    Args:
        element: name of the node or branch.
        bound: which limit.
        quarter: number of the quarter, from 0.
        interval: when it is.
        scenario: under which it breaks.
        value, limit: voltage [pu] or current [% of rating]; the limit has the margin in it.
        cause: what would have to give way: load where the voltage is low or power runs away
            from the source, generation where the voltage is high or power runs back.
        outage: name of the line that is out, "" in normal operation.
        phase: a, b or c; "" where all three are taken to be alike.
    """

    element: str
    bound: Bound
    quarter: int
    interval: Interval
    scenario: str
    value: float
    limit: float
    cause: Cause
    outage: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was found.

    Args:
        expectation: what was assessed.
        setting: with which taps and switches.
        margin: what was kept free.
        flow: all situations of normal operation.
        congestions: in normal operation first, then under outages.
        unfed: nodes that nothing feeds in some quarter, with the switches as they are.
        cut_off: for each line whose loss no switch of this setting makes good, the nodes lost.
    """

    expectation: Expectation
    setting: Setting
    margin: Margin
    flow: Flow
    congestions: tuple[Congestion, ...]
    unfed: tuple[str, ...] = ()
    cut_off: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether every limit holds in normal operation, for whoever is fed."""
        return not any(not found.outage for found in self.congestions)


def assess(
    power_flow: PowerFlow,
    expectation: Expectation,
    *,
    setting: Setting = AS_BUILT,
    margin: Margin = USUAL_MARGIN,
    outages: bool = False,
) -> Assessment:
    """Return every congestion of every quarter and scenario.

    Args:
        power_flow: of the grid.
        expectation: what is drawn.
        setting: one for all quarters, or one row for each quarter.
        margin: what to keep free of every limit.
        outages: with each closed line out in turn as well.

    Raises:
        NotConverged: some situation has no solution.
    """
    grid, limits = power_flow.grid, Limits.of(power_flow.grid, margin)
    flow = solved(power_flow, expectation, setting)
    found = list(_told(grid, expectation, setting, violations(grid, flow, limits), flow))
    cut_off: list[tuple[str, tuple[str, ...]]] = []
    unlit = dark(grid, setting)
    restorable: list[int] = []
    for line in _lines_in_service(grid, setting) if outages else ():
        if lost := dark(grid, without(grid, setting, line)) - unlit:
            names = tuple(grid.nodes[node].name for node in sorted(lost))
            cut_off.append((grid.branches[line].name, names))
        else:
            restorable.append(line)
    outs = [without(grid, setting, line) for line in restorable]
    flows = solved_under(power_flow, expectation, outs)
    for line, out, flow_out in zip(restorable, outs, flows, strict=True):
        broken, name = violations(grid, flow_out, limits), grid.branches[line].name
        found += _told(grid, expectation, out, broken, flow_out, outage=name)
    unfed = tuple(grid.nodes[node].name for node in sorted(unlit))
    return Assessment(expectation, setting, margin, flow, tuple(found), unfed, tuple(cut_off))


def without(grid: Grid, setting: Setting, branch: int) -> Setting:
    """Return a setting with one branch open all the time."""
    closed = (grid.closed if setting.closed is None else setting.closed).copy()
    closed[..., branch] = False
    return replace(setting, closed=closed)


def _told(
    grid: Grid,
    expectation: Expectation,
    setting: Setting,
    broken: Iterable[Violation],
    flow: Flow,
    *,
    outage: str = "",
) -> Iterator[Congestion]:
    """Yield violations in the words of the localisation."""
    distance = Distances(grid, setting)
    for each in broken:
        quarter = expectation.quarter_of(each.situation)
        from_va = 0j if each.bound.is_voltage else flow.from_va[each.situation, each.element]
        away = distance.in_quarter(quarter)
        yield Congestion(
            element=each.name(grid),
            bound=each.bound,
            quarter=quarter,
            interval=expectation.interval_of(quarter),
            scenario=expectation.scenario_of(each.situation),
            value=each.value,
            limit=each.limit,
            cause=cause_of(grid, each.bound, each.element, float(from_va.real), away),
            outage=outage,
        )


def cause_of(grid: Grid, bound: Bound, element: int, from_w: float, distance: Floats) -> Cause:
    """Return what would have to give way.

    Args:
        grid: with the element.
        bound: which of its limits breaks.
        element: position of the node or branch.
        from_w: power into the branch at its from side; not asked for of a voltage.
        distance: of each node from its source, in branches.
    """
    if bound.is_voltage:
        return "load" if bound is Bound.UNDERVOLTAGE else "generation"
    start, end = grid.branch_from[element], grid.branch_to[element]
    outward_w = -from_w if distance[end] < distance[start] else from_w
    return "load" if outward_w >= 0 else "generation"


class Distances:
    """How far each node is from its source, worked out once for each state of the switches."""

    def __init__(self, grid: Grid, setting: Setting) -> None:
        self._grid = grid
        self._closed = grid.closed if setting.closed is None else setting.closed
        self._known: dict[bytes, Floats] = {}

    def in_quarter(self, quarter: int) -> Floats:
        """Return how many branches lie between each node and its source."""
        closed: Booleans = self._closed[quarter] if self._closed.ndim > 1 else self._closed
        state = closed.tobytes()
        if state not in self._known:
            self._known[state] = hops(self._grid, closed)
        return self._known[state]


def _lines_in_service(grid: Grid, setting: Setting) -> Iterable[int]:
    """Return the lines that are closed in some quarter."""
    closed = np.atleast_2d(grid.closed if setting.closed is None else setting.closed)
    span = grid.spans["line"]
    return (int(line) for line in span.start + np.flatnonzero(closed[:, span].any(axis=0)))


def dark(grid: Grid, setting: Setting) -> set[int]:
    """Return the nodes that nothing feeds in some quarter, with the switches as they are."""
    closed = np.atleast_2d(grid.closed if setting.closed is None else setting.closed)
    states = np.unique(closed, axis=0) if len(closed) > 1 else closed
    return {int(node) for state in states for node in unfed_nodes(grid, state)}
