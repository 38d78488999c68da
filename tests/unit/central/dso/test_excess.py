"""Limits as numbers: what is beyond, what stands for its neighbourhood, and what it is called."""

import numpy as np
import pytest

from central.dso.excess import direction, excess_pu, limit_at, outstanding, rows_at
from central.dso.grid.admittance import Admittance
from central.dso.limits import Bound, Limits, Margin, violations
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.sensitivity import Jacobian
from tests.grids import feeder, loads_va

GRID = feeder(14, length_km=2.0)
LIMITS = Limits.of(GRID, Margin())
DRAWN_VA = np.concatenate([loads_va(GRID, mean_w=4e5), -loads_va(GRID, mean_w=4e5)])
FLOW = PowerFlow(GRID).solve(DRAWN_VA)


def test_what_is_beyond_are_the_violations() -> None:
    found = excess_pu(FLOW, LIMITS)
    listed = violations(GRID, FLOW, LIMITS)
    assert len(listed) == (found > 0).sum() > 10
    told = {
        (one.situation, one.bound, one.element): one
        for row, column in np.argwhere(found > 0)
        for one in [limit_at(GRID, LIMITS, FLOW, int(row), int(column))]
    }
    for one in listed:
        same = told[one.situation, one.bound, one.element]
        assert (same.value, same.limit) == pytest.approx((one.value, one.limit))


def test_limits_may_differ_from_situation_to_situation() -> None:
    low_pu = np.tile(LIMITS.low_pu, (len(DRAWN_VA), 1))
    low_pu[0] = 0.0
    found = excess_pu(FLOW, Limits(low_pu, LIMITS.high_pu, LIMITS.most_pct))
    same = excess_pu(FLOW, LIMITS)
    assert (found[0, : len(GRID.nodes)] < 0).all()
    assert (found[1:] == same[1:]).all()


def test_no_solution_is_infinitely_wrong() -> None:
    flow = PowerFlow(GRID).solve(DRAWN_VA[:1] * 1000, partial=True)
    assert (excess_pu(flow, LIMITS) == np.inf).all()
    assert not outstanding(GRID, AS_BUILT, excess_pu(flow, LIMITS)).any()


def test_the_worst_of_a_neighbourhood_stands_for_it() -> None:
    excess = excess_pu(FLOW, LIMITS)
    near = outstanding(GRID, AS_BUILT, excess)
    nodes = len(GRID.nodes)
    assert near[(excess > 0).any(axis=1)].any(axis=1).all()
    low = np.flatnonzero(near[0, :nodes])
    assert 0 < len(low) < (excess[0, :nodes] > 0).sum()
    assert int(np.argmax(excess[0, :nodes])) in low
    assert near[:, 2 * nodes :].sum() == (excess[:, 2 * nodes :] > -1e-3).sum()


def test_behind_an_open_switch_nobody_is_a_neighbour() -> None:
    nodes = len(GRID.nodes)
    worse, better = int(GRID.branch_from[3]), int(GRID.branch_to[3])
    excess = np.full((2, 2 * nodes + len(GRID.branches)), -1.0)
    excess[:, [worse, better]] = [0.02, 0.01]
    closed = np.ones((2, len(GRID.branches)), dtype=bool)
    closed[1, 3] = False
    near = outstanding(GRID, Setting(closed=closed), excess)
    assert near[:, [worse, better]].tolist() == [[True, False], [True, True]]
    assert near.sum() == 3


def test_columns_are_the_values_that_the_sensitivities_watch() -> None:
    jacobian, u_pu = Jacobian(Admittance.of(GRID)), FLOW.u_pu[0]
    column = np.array([2 * len(GRID.nodes) + 3, 4, len(GRID.nodes) + 5])
    found = jacobian.sensitivity(u_pu, DRAWN_VA[0], rows_at(jacobian, u_pu, column))
    told = [limit_at(GRID, LIMITS, FLOW, 0, int(each)) for each in column]
    assert [one.bound for one in told] == [Bound.LINE, Bound.UNDERVOLTAGE, Bound.OVERVOLTAGE]
    assert found.value == pytest.approx([one.value for one in told], rel=1e-5)
    assert direction(len(GRID.nodes), column).tolist() == [0.01, -1.0, 1.0]
