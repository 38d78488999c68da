"""One part's way: what it takes for doubtful, and when prices tell that it is at its end."""

import numpy as np
from scipy import sparse

from central.dso.levers import Levers
from central.dso.limits import Limits
from central.dso.linear import optima
from central.dso.powerflow import AS_BUILT, PowerFlow
from central.dso.sensitivity import Jacobians
from central.dso.tasks import CHECKED, Part, State, Task
from central.dso.walk import Walk
from tests.grids import feeder

GRID = feeder(10, seed=1, length_km=5.0)
COUNT = len(GRID.pods)


def walk(*factors: float) -> Walk:
    """Return the way of situations that resemble the first, at its beginning."""
    heavy_va = GRID.at_nodes(np.full(COUNT, 8e5 + 0j))
    drawn_va = np.outer(np.array(factors, dtype=complex), heavy_va)
    share = sparse.csr_array(np.ones((len(factors), COUNT)))
    levers = Levers(len(GRID.nodes), GRID.pod_node, np.full(COUNT, -1 + 0j), share)
    rows = np.arange(len(factors))
    part = Part(rows, np.zeros_like(rows), levers, np.full(COUNT, 1e6), np.ones(COUNT))
    task = Task(PowerFlow(GRID), drawn_va, AS_BUILT, Limits.of(GRID), [part], CHECKED)
    state = State.of(task, rows[:1], drawn_va[:1]).among(rows[:1], len(rows))
    return Walk(task, part, state, Jacobians(GRID, AS_BUILT))


def test_only_what_comes_near_a_limit_is_in_doubt() -> None:
    assert walk(1.3, 0.1, 1.4, 0.2).doubtful().tolist() == [False, False, True, False]


def test_of_many_that_are_worse_only_the_worst_few_are_solved_first() -> None:
    found = walk(1.2, *np.linspace(1.3, 1.5, 9)).doubtful()
    assert np.flatnonzero(found).tolist() == [7, 8, 9]


def test_where_the_first_keeps_its_limits_nothing_is_known_of_the_others() -> None:
    assert not walk(0.1, 1.5).doubtful().any()


def test_prices_tell_the_end_only_where_nothing_broken_is_left() -> None:
    way = walk(1.3)
    assert way.is_open
    way.settle()
    assert way.is_open  # no prices yet
    programme = way.programme()
    (best,) = optima([programme])
    way.aim(programme, best)
    way.settle()
    assert way.is_open  # still where it was
