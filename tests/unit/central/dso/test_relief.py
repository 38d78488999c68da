"""The search itself: where it begins, how it steps back, and when it says that it is done."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from central.dso import relief
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.levers import Levers
from central.dso.limits import Limits
from central.dso.powerflow import AS_BUILT, Flow, NotConverged, PowerFlow, Setting
from central.dso.relief import relieve
from central.dso.tasks import Part, Task
from tests.grids import feeder, loads_va

GRID = feeder(10, seed=1, length_km=5.0)
FLOW = PowerFlow(GRID)
LIMITS = Limits.of(GRID)


def levers(grid: Grid, situations: int = 1) -> Levers:
    """Return one lever for each POD: a watt less drawn at its node, in all situations alike."""
    count = len(grid.pods)
    share = sparse.csr_array(np.ones((situations, count)))
    return Levers(len(grid.nodes), grid.pod_node, np.full(count, -1 + 0j), share)


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


def test_the_answer_is_the_same_with_one_thread_and_with_all() -> None:
    of = task(heavy(*np.linspace(0.9, 1.4, 11)))
    one, several = relieve(of), relieve(replace(of, one_thread=False))
    assert all(use.rounds for use in one.uses[3:])
    for use, other in zip(one.uses, several.uses, strict=True):
        assert (use.x == other.x).all()
    assert (one.excess_pu == several.excess_pu).all()


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
    monkeypatch.setattr(relief, "LAST_ROUNDS", 0)
    before = FLOW.solve(heavy(1.3), exact=True).voltage_pu[0, 2:].min()
    found = relieve(task(heavy(1.3)))
    assert not found.uses[0].settled
    assert found.flow.voltage_pu[0, 2:].min() > before


def test_in_its_last_rounds_a_search_keeps_limits_and_does_not_say_it_is_cheapest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cheapest = relieve(task(heavy(1.3))).uses[0]
    monkeypatch.setattr(relief, "MOST_ROUNDS", 1)
    found = relieve(task(heavy(1.3)))
    assert (found.excess_pu <= 0).all()
    assert not found.uses[0].settled
    assert 1 < found.uses[0].rounds <= cheapest.rounds
    assert found.uses[0].x.sum() == pytest.approx(cheapest.x.sum(), rel=1e-2)


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


def test_a_situation_that_resembles_another_is_relieved_without_being_solved_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second is worse than the first, the third has room: in the end all are solved."""
    drawn_va, count = heavy(1.0, 1.3, 0.5), len(GRID.pods)
    solved: list[int] = []
    solve = PowerFlow.solve

    def counted(self: PowerFlow, drawn_va: Phasors, setting: Setting, **how: bool) -> Flow:
        solved.append(len(drawn_va))
        return solve(self, drawn_va, setting, **how)

    monkeypatch.setattr(PowerFlow, "solve", counted)
    alike = Part(
        np.arange(3), np.zeros(3, dtype=int), levers(GRID, 3), np.full(count, 1e6), np.ones(count)
    )  # fmt: skip
    found = relieve(Task(FLOW, drawn_va, AS_BUILT, LIMITS, [alike]))
    assert solved[0] == 1
    assert found.flow.solved.all()
    assert (found.excess_pu <= 0).all()
    assert found.uses[0].settled
    apart = replace(alike, slopes_from=np.arange(3))
    least = relieve(Task(FLOW, drawn_va, AS_BUILT, LIMITS, [apart])).uses[0].x.sum()
    assert found.uses[0].x.sum() == pytest.approx(least, rel=1e-3)


def test_one_that_resembles_another_but_has_no_power_flow_sends_the_search_to_the_refuge() -> None:
    drawn_va = heavy(0.5, 5.0)
    all_off = np.full(len(GRID.pods), 4e6)
    by_load = replace(
        levers(GRID), share=sparse.csr_array(np.outer([0.1, 1.0], np.ones(len(all_off))))
    )
    part = Part(
        np.arange(2), np.zeros(2, dtype=int), by_load, all_off, np.ones(len(all_off)), all_off
    )
    found = relieve(Task(FLOW, drawn_va, AS_BUILT, LIMITS, [part]))
    assert found.flow.solved.all()
    assert (found.excess_pu <= 0).all()
    assert 0 < found.uses[0].x.sum() < all_off.sum() * 0.95


def test_slopes_that_serve_for_a_while_lead_to_the_same_relief_in_fewer_programmes() -> None:
    anew = task(heavy(1.1, 1.2, 1.3))
    kept = replace(anew, accuracy=replace(anew.accuracy, alike_pu=1e-3))
    for ours, theirs in zip(relieve(kept).uses, relieve(anew).uses, strict=True):
        assert ours.settled
        assert ours.x.sum() == pytest.approx(theirs.x.sum(), rel=1e-5)


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
