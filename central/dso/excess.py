"""Every limit of every situation as one number: how far beyond it the state is.

Columns are the lower limits of the nodes, the upper limits of the nodes [pu] and the limits of
the branches [% of rating / 100], so that voltages and currents can stand in one table.
"""

import numpy as np

from central.dso.grid.model import Booleans, Floats, Grid, Integers, Phasors
from central.dso.levers import entries_of
from central.dso.limits import Bound, Limits, Violation
from central.dso.powerflow import Flow, Setting
from central.dso.sensitivity import Jacobian, Rows

FULL_PCT = 100.0
NEAR_PU = 1e-3


def excess_pu(flow: Flow, limits: Limits) -> Floats:
    """Return how far beyond each limit every situation is [pu]; below 0 where there is room.

    The limits may have a first axis for the situations. Shape (situations, columns); inf
    everywhere in a situation without a solution, -inf at a node that nothing feeds.
    """
    voltage_pu, nodes = flow.voltage_pu, flow.voltage_pu.shape[1]
    found = np.empty((len(voltage_pu), 2 * nodes + flow.loading_pct.shape[1]))
    low, high, over = np.split(found, [nodes, 2 * nodes], axis=1)
    np.subtract(limits.low_pu, voltage_pu, out=low)
    np.subtract(voltage_pu, limits.high_pu, out=high)
    np.subtract(flow.loading_pct, limits.most_pct, out=over)
    over /= FULL_PCT
    dead = voltage_pu == 0
    low[dead] = high[dead] = -np.inf
    found[~flow.solved] = np.inf
    return found


def outstanding(grid: Grid, setting: Setting, excess: Floats) -> Booleans:
    """Return the limits that are broken or nearly, of nodes those with no worse neighbour.

    What cures the worst node of a neighbourhood cures the others, mostly; one that is left over
    is then the worst.

    Args:
        grid: tells who is a neighbour.
        setting: of these situations.
        excess: as `excess_pu` returns it.
    """
    near: Booleans = (excess > -NEAR_PU) & np.isfinite(excess)
    nodes = len(grid.nodes)
    closed = np.atleast_2d(grid.closed if setting.closed is None else setting.closed)
    first, branch, there = grid.branch_ends
    for side in (slice(0, nodes), slice(nodes, 2 * nodes)):
        of_nodes = excess[:, side]
        row, node = np.nonzero(near[:, side])
        which, end = entries_of(first, node)
        beside = closed[row[which] % len(closed), branch[end]]
        worse = of_nodes[row[which], there[end]] > of_nodes[row[which], node[which]]
        lesser = which[beside & worse]
        near[:, side][row[lesser], node[lesser]] = False
    return near


def rows_at(jacobian: Jacobian, u_pu: Phasors, column: Integers) -> Rows:
    """Return the voltages and currents behind columns: a current at its greater side.

    `u_pu` has the shape (nodes), or (columns, nodes) for each in a state of its own.
    """
    nodes = u_pu.shape[-1]
    is_node = column < 2 * nodes
    element = np.where(is_node, column % nodes, column - 2 * nodes)
    at_to = np.zeros(len(column), dtype=bool)
    seen_pu = np.broadcast_to(u_pu, (len(column), nodes))[~is_node]
    at_to[~is_node] = jacobian.greater_side(seen_pu, element[~is_node])
    return Rows(element, is_node, at_to)


def direction(nodes: int, column: Integers) -> Floats:
    """Return what the excess does when the voltage [pu] or current [% of rating] rises by 1."""
    found: Floats = np.select([column < nodes, column < 2 * nodes], [-1.0, 1.0], 1 / FULL_PCT)
    return found


def limit_at(grid: Grid, limits: Limits, flow: Flow, situation: int, column: int) -> Violation:
    """Return value and limit behind a column, kept or not."""
    nodes = len(grid.nodes)
    low_pu, high_pu, most_pct = (
        each[situation] if each.ndim > 1 else each
        for each in (limits.low_pu, limits.high_pu, limits.most_pct)
    )
    if column >= 2 * nodes:
        element, lines = column - 2 * nodes, grid.spans["line"]
        bound = Bound.LINE if lines.start <= element < lines.stop else Bound.TRANSFORMER
        value, limit = flow.loading_pct[situation, element], most_pct[element]
    else:
        is_low, element = column < nodes, column % nodes
        bound = Bound.UNDERVOLTAGE if is_low else Bound.OVERVOLTAGE
        value = flow.voltage_pu[situation, element]
        limit = low_pu[element] if is_low else high_pu[element]
    return Violation(situation, bound, element, float(value), float(limit))
