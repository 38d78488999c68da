"""The search itself: where it begins, how it steps back, and when it says that it is done."""

import numpy as np
import pytest
from scipy import sparse

from central.dso import relief
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Limits
from central.dso.powerflow import AS_BUILT, NotConverged, PowerFlow, Setting
from central.dso.relief import Part, Task, relieve, rows_of
from tests.grids import feeder, loads_va

GRID = feeder(10, seed=1, length_km=5.0)
FLOW = PowerFlow(GRID)
LIMITS = Limits.of(GRID)


def levers(grid: Grid, situations: int = 1) -> sparse.csr_array:
    """Return one lever for each POD: a watt less drawn at its node, in all situations alike."""
    count, nodes = len(grid.pods), len(grid.nodes)
    less = sparse.csr_array((-np.ones(count), (grid.pod_node, np.arange(count))), (nodes, count))
    none = sparse.csr_array((nodes, count))
    return sparse.csr_array(sparse.vstack([less] * situations + [none] * situations))


def task(drawn_va: Phasors, *, most_w: float = 1e6, refuge: Floats | None = None) -> Task:
    """Return each situation as a part of its own."""
    count = len(GRID.pods)
    parts = [
        Part(
            np.array([row]), np.array([0]), levers(GRID), np.full(count, most_w), np.ones(count),
            refuge,
        )
        for row in range(len(drawn_va))
    ]  # fmt: skip
    return Task(FLOW, drawn_va, AS_BUILT, LIMITS, parts)


def heavy(*factors: float) -> Phasors:
    """Return situations with these multiples of a load that is just too much."""
    one = np.full(len(GRID.pods), 8e5)
    drawn_va = GRID.at_nodes(one.astype(complex))
    drawn: Phasors = np.outer(np.array(factors, dtype=complex), drawn_va)
    return drawn


def test_parts_go_their_own_ways_as_if_they_were_alone() -> None:
    together = relieve(task(heavy(0.1, 1.0, 1.3)))
    for row, use in enumerate(together.uses):
        alone = relieve(task(heavy(0.1, 1.0, 1.3)[[row]])).uses[0]
        assert use.x == pytest.approx(alone.x, abs=1.0)
        assert use.settled
    assert together.uses[0].rounds == 0
    assert together.uses[1].rounds > 1
    assert (together.excess_pu <= 0).all()


def test_the_answer_is_the_state_that_it_shows() -> None:
    found = relieve(task(heavy(1.3)))
    drawn_va = heavy(1.3)
    drawn_va[0, GRID.pod_node] -= found.uses[0].x
    assert found.drawn_va == pytest.approx(drawn_va)
    assert found.flow.u_pu == pytest.approx(FLOW.solve(drawn_va, exact=True).u_pu, abs=1e-9)


def test_a_situation_without_a_power_flow_is_named() -> None:
    with pytest.raises(NotConverged, match="situation 1"):
        relieve(task(heavy(1.0, 50.0)))


def test_with_a_refuge_the_search_begins_there_and_comes_back_as_far_as_it_may() -> None:
    drawn_va = heavy(1.0, 5.0)
    with pytest.raises(NotConverged):
        FLOW.solve(drawn_va, exact=True)
    all_off = np.full(len(GRID.pods), 4e6)
    found = relieve(task(drawn_va, most_w=4e6, refuge=all_off))
    assert found.uses[1].settled
    assert (found.excess_pu <= 0).all()
    assert found.excess_pu[1].max() > -1e-7  # no further: some limit binds
    assert found.uses[1].x.sum() < all_off.sum() * 0.95


def test_a_search_cut_short_says_so_and_is_no_worse_than_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relief, "MOST_ROUNDS", 1)
    before = FLOW.solve(heavy(1.3), exact=True).voltage_pu[0, 2:].min()
    found = relieve(task(heavy(1.3)))
    assert not found.uses[0].settled
    assert found.flow.voltage_pu[0, 2:].min() > before


def test_situations_that_share_levers_are_kept_together() -> None:
    drawn_va = heavy(1.0, 1.2, -0.1)
    count = len(GRID.pods)
    part = Part(
        np.arange(3), np.arange(3), levers(GRID, 3), np.full(count, 1e6), np.ones(count)
    )  # fmt: skip
    found = relieve(Task(FLOW, drawn_va, AS_BUILT, LIMITS, [part]))
    worst = relieve(task(drawn_va[[1]]))
    assert (found.excess_pu[:2] <= 0).all()
    assert found.uses[0].x.sum() >= worst.uses[0].x.sum() - 1.0


def test_a_situation_nobody_watches_is_solved_at_the_end_and_may_reopen_the_search() -> None:
    """One that is fine at first breaks by the cure: it must not be overlooked."""
    drawn_va = heavy(1.3, -0.35)
    count = len(GRID.pods)
    assert FLOW.solve(drawn_va).voltage_pu[1].max() < 1.049
    part = Part(np.arange(2), np.arange(2), levers(GRID, 2), np.full(count, 1e6), np.ones(count))
    found = relieve(Task(FLOW, drawn_va, AS_BUILT, LIMITS, [part]))
    alone = relieve(task(drawn_va[[0]])).uses[0]
    other = drawn_va[1].copy()
    other[GRID.pod_node] -= alone.x
    broken_alone = FLOW.solve(other[None]).voltage_pu.max()
    assert broken_alone > 1.05
    assert found.flow.voltage_pu[1].max() < broken_alone
    assert found.flow.u_pu[1] == pytest.approx(
        FLOW.solve(found.drawn_va[1:], exact=True).u_pu[0], abs=1e-9
    )


def test_rows_of_a_setting_are_those_of_its_situations() -> None:
    setting = Setting(
        tap_pos=np.array([[0], [1], [2]]), closed=np.ones(9, dtype=bool),
        source_pu=np.array([1.0, 1.01, 1.02]),
    )  # fmt: skip
    some = rows_of(setting, np.array([2, 0]))
    assert some.tap_pos is not None
    assert some.tap_pos.tolist() == [[2], [0]]
    assert some.closed is setting.closed
    assert some.source_pu is not None
    assert some.source_pu.tolist() == [1.02, 1.0]


@pytest.mark.parametrize("seed", range(5))
def test_meshed_grids_are_relieved_too(seed: int) -> None:
    grid = feeder(12, seed=seed, rings=3, length_km=4.0, rating_a=90.0)
    closed = np.ones(len(grid.branches), dtype=bool)
    drawn_va = loads_va(grid, situations=2, seed=seed, mean_w=7e5)
    count = len(grid.pods)
    parts = [
        Part(np.array([row]), np.array([0]), levers(grid), np.full(count, 3e6), np.ones(count))
        for row in range(2)
    ]
    found = relieve(Task(PowerFlow(grid), drawn_va, Setting(closed=closed), Limits.of(grid), parts))
    assert any(use.rounds for use in found.uses)
    assert (found.excess_pu <= 0).all()
    assert all(use.settled for use in found.uses)
