"""Another way to feed: branch exchange, which closes one switch and opens another in its ring.

The network is radial before and after, so protection stays selective. One state of the switches
holds for all quarters: nobody drives out for fifteen minutes.

Source: Baran and Wu, Network reconfiguration in distribution systems for loss reduction and load
balancing, IEEE Trans. Power Delivery 4 (1989), 1401-1407; Civanlar et al., ibid. 3 (1988),
1217-1223.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from central.dso.expectation import Expectation, situations_of, solved, solved_under
from central.dso.grid.islands import is_radial
from central.dso.grid.model import Booleans, Floats, Grid, Integers
from central.dso.limits import Limits, excess_total
from central.dso.powerflow import Flow, PowerFlow, Setting

_LEAST_GAIN, _DIGITS = 1e-9, 9
_MOST_DECISIVE, _MOST_CONFIRMED = 8, 5


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two switching operations that belong together: branch positions."""

    close: int
    open: int


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a state of the switches is judged by: first what breaks limits, then what is lost."""

    excess_pu: float
    losses_w: float

    @property
    def rank(self) -> tuple[float, float]:
        """Return what sorts the better first, of excesses that differ by noise the least losses."""
        return round(self.excess_pu, _DIGITS), self.losses_w

    def is_better(self, than: "_Worth") -> bool:
        gained_pu = than.excess_pu - self.excess_pu
        if abs(gained_pu) > _LEAST_GAIN:
            return gained_pu > 0
        return self.losses_w < than.losses_w * (1 - _LEAST_GAIN)


def rearranged(
    power_flow: PowerFlow,
    expectation: Expectation,
    limits: Limits,
    setting: Setting,
    *,
    most_exchanges: int = 4,
) -> tuple[Setting, tuple[Exchange, ...]]:
    """Return the setting after the best exchanges, one after the other, and the exchanges.

    Each is the one of all possible ones after which the least is beyond its limits; among equal
    ones, and where nothing is beyond them, the one with the least losses. It ends when none is
    better, or at `most_exchanges`. A network with rings, or one whose switches change from
    quarter to quarter, stays as it is.

    Of many situations the eight that decide most rank the exchanges: those furthest beyond their
    limits, the greatest load and the greatest generation. The best in this rank that is better
    over all situations is made.
    """
    grid = power_flow.grid
    closed = _closed(grid, setting)
    if closed.ndim > 1 or not is_radial(grid, closed):
        return setting, ()
    flow = solved(power_flow, expectation, setting, partial=True)
    made: list[Exchange] = []
    while len(made) < most_exchanges:
        few = situations_of(expectation, setting, _decisive(flow, expectation, limits))
        worth = _worth(flow, expectation, limits)
        for exchange in _ranked(power_flow, *few, limits)[:_MOST_CONFIRMED]:
            tried = replace(setting, closed=exchanged(_closed(grid, setting), exchange))
            found = solved(power_flow, expectation, tried, partial=True)
            if _worth(found, expectation, limits).is_better(worth):
                setting, flow = tried, found
                made.append(exchange)
                break
        else:
            break
    return setting, tuple(made)


def _closed(grid: Grid, setting: Setting) -> Booleans:
    return grid.closed if setting.closed is None else setting.closed


def _decisive(flow: Flow, expectation: Expectation, limits: Limits) -> Integers:
    """Return the few situations that tell most exchanges apart."""
    excess_pu, drawn_w = excess_total(flow, limits), expectation.situations_va.real.sum(axis=1)
    worst = np.argsort(-excess_pu, kind="stable")[: _MOST_DECISIVE - 2]
    return np.unique([*worst, np.argmax(drawn_w), np.argmin(drawn_w)])


def _ranked(
    power_flow: PowerFlow, few: Expectation, setting: Setting, limits: Limits
) -> list[Exchange]:
    """Return all exchanges, the most worth first, judged by a few situations."""
    closed = _closed(power_flow.grid, setting)
    possible = list(exchanges(power_flow.grid, closed))
    tried = (replace(setting, closed=exchanged(closed, each)) for each in possible)
    flows = solved_under(power_flow, few, tried, partial=True)
    worths = [_worth(flow, few, limits) for flow in flows]
    order = sorted(range(len(possible)), key=lambda k: worths[k].rank)
    return [possible[k] for k in order]


def exchanged(closed: Booleans, exchange: Exchange) -> Booleans:
    """Return the state of the branches after an exchange."""
    after = closed.copy()
    after[exchange.close] = True
    after[exchange.open] = False
    return after


def exchanges(grid: Grid, closed: Booleans) -> Iterator[Exchange]:
    """Yield each exchange that keeps a radial network radial and every node fed."""
    switches = np.array([branch.switch for branch in grid.branches])
    parent, via, depth = _tree(grid, closed)
    for tie in np.flatnonzero(switches & ~closed):
        start, end = int(grid.branch_from[tie]), int(grid.branch_to[tie])
        for branch in _ring(start, end, parent, via, depth):
            if switches[branch]:
                yield Exchange(int(tie), branch)


def _tree(grid: Grid, closed: Booleans) -> tuple[Integers, Integers, Integers]:
    """Return each node's parent, the branch to it, and its depth; sources hang on a common root.

    The root is node `len(grid.nodes)`; branches to it are -1.
    """
    root, sources = len(grid.nodes), grid.source_nodes
    live = np.flatnonzero(closed)
    start = np.concatenate([grid.branch_from[live], np.full(len(sources), root)])
    end = np.concatenate([grid.branch_to[live], sources])
    branch = np.concatenate([live, np.full(len(sources), -1)])
    links = sparse.coo_array((np.ones(len(start)), (start, end)), shape=(root + 1, root + 1))
    order, parent = breadth_first_order(links.tocsr(), root, directed=False)
    via = np.full(root + 1, -1)
    child = np.where(parent[end] == start, end, start)
    via[child] = branch
    depth = np.zeros(root + 1, dtype=np.int64)
    for node in order[1:]:
        depth[node] = depth[parent[node]] + 1
    return parent.astype(np.int64), via, depth


def _ring(start: int, end: int, parent: Integers, via: Integers, depth: Integers) -> Iterator[int]:
    """Yield the branches between two nodes of a tree."""
    while start != end:
        if depth[start] < depth[end]:
            start, end = end, start
        if via[start] >= 0:
            yield int(via[start])
        start = int(parent[start])


def _worth(flow: Flow, expectation: Expectation, limits: Limits) -> _Worth:
    excess_pu = float(excess_total(flow, limits).sum())
    losses_w: Floats = flow.source_va.real.sum(axis=1) - expectation.situations_va.real.sum(axis=1)
    return _Worth(excess_pu, float(np.nansum(losses_w)) if np.isfinite(excess_pu) else np.inf)
