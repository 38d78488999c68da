"""The power flow: physics in words, settings per situation, and what is said when there is none."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from central.dso.grid.model import Phasors
from central.dso.powerflow import AS_BUILT, Flow, NotConverged, PowerFlow, Setting, unfed
from ledger.errors import Rejected
from tests.grids import feeder, loads_va, station

GRID = station()
NODES = len(GRID.nodes)


def at(node: str, drawn_va: complex, situations: int = 1) -> Phasors:
    loads: Phasors = np.zeros((situations, NODES), dtype=complex)
    loads[:, GRID.node(node)] = drawn_va
    return loads


def test_each_situation_is_solved_as_if_it_were_alone() -> None:
    grid = feeder(30)
    flows, drawn_va = PowerFlow(grid), loads_va(grid, situations=8)
    together = flows.solve(drawn_va)
    for row in range(8):
        alone = flows.solve(drawn_va[row : row + 1])
        assert together.u_pu[row] == pytest.approx(alone.u_pu[0], abs=1e-12)
    parallel = flows.solve(drawn_va, one_thread=False)
    assert parallel.u_pu == pytest.approx(together.u_pu, abs=1e-12)


def test_threads_that_ask_at_once_do_not_disturb_one_another() -> None:
    grid = feeder(30)
    flows, drawn_va = PowerFlow(grid), loads_va(grid, situations=100)
    drawn_va[::7] *= 1e6  # without solution, which the engine tells apart from the states
    alone = flows.solve(drawn_va, partial=True)
    assert not alone.solved.all()

    def first(count: int) -> Flow:
        return flows.solve(drawn_va[:count], partial=True)

    with ThreadPoolExecutor(4) as threads:
        counts = [20 + number * 37 % 80 for number in range(200)]
        for count, found in zip(counts, threads.map(first, counts), strict=True):
            assert (found.solved == alone.solved[:count]).all()
            assert (found.voltage_pu == alone.voltage_pu[:count])[found.solved].all()


def test_current_and_newton_agree() -> None:
    grid = feeder(30)
    flows, drawn_va = PowerFlow(grid), loads_va(grid)
    quick, exact = flows.solve(drawn_va), flows.solve(drawn_va, exact=True)
    assert np.abs(quick.u_pu - exact.u_pu).max() <= 1e-6
    assert not quick.by_newton.any()
    assert exact.by_newton.all()


def test_without_powers_the_state_is_the_same() -> None:
    grid = feeder(30)
    flows, drawn_va = PowerFlow(grid), loads_va(grid)
    whole, bare = flows.solve(drawn_va), flows.solve(drawn_va, powers=False)
    assert (whole.u_pu == bare.u_pu).all()
    assert (whole.loading_pct == bare.loading_pct).all()
    assert bare.from_va.shape == bare.source_va.shape == (len(drawn_va), 0)


def test_what_is_drawn_lowers_the_voltage_and_what_is_given_raises_it() -> None:
    flows, far = PowerFlow(GRID), GRID.node("C")
    drawn, idle, given = (flows.solve(at("C", s)).voltage_pu[0] for s in (5e6, 0.0, -5e6))
    assert drawn[far] < idle[far] < given[far]
    assert flows.solve(at("C", 5e6 + 0j)).source_va.real > 5e6, "losses come on top"


def test_loading_is_the_greater_current_over_its_rating() -> None:
    """5 MW at about 20 kV are some 144 A through cables of 145 A, and a fifth of 25 MVA."""
    flow = PowerFlow(GRID).solve(at("C", 5e6))
    assert flow.loading_pct[0, GRID.branch("B-C")] == pytest.approx(100, abs=5)
    assert flow.loading_pct[0, GRID.branch("TR")] == pytest.approx(20, abs=1)
    assert flow.loading_pct[0, GRID.branch("D-E")] == 0


def test_what_holds_for_all_and_what_differs_row_by_row_meet() -> None:
    taps, closed = np.array([[3, -1], [-2, 0], [5, 2]]), GRID.closed.copy()
    closed[GRID.branch("A-C")] = True
    mixed = (
        Setting(tap_pos=taps, closed=closed, source_pu=np.array([0.98, 1.0, 1.03])),
        Setting(tap_pos=taps[0], closed=np.stack([closed, GRID.closed, closed])),
        Setting(tap_pos=taps, capacitor_steps=np.array([2])),
        Setting(tap_pos=taps[1], closed=closed, capacitor_steps=np.array([[0], [1], [2]])),
    )
    flows, drawn_va = PowerFlow(GRID), loads_va(GRID, situations=3)
    for setting in mixed:
        u_pu = flows.solve(drawn_va, setting, exact=True).u_pu
        for row in range(3):
            verified = setting.of(row).admittance(GRID)
            assert verified.mismatch_va(u_pu[row], drawn_va[row]).max() < 1.0


def test_taps_differ_row_by_row() -> None:
    """A tap of the high side up lowers the voltage by about 1.67 %."""
    taps = np.array([[3, 0], [4, 0], [2, 0]])
    flow = PowerFlow(GRID).solve(at("B", 1e6, 3), Setting(tap_pos=taps))
    low = flow.voltage_pu[:, GRID.node("B")]
    assert low[1] / low[0] == pytest.approx(1 - 0.0167, abs=2e-3)
    assert low[2] / low[0] == pytest.approx(1 + 0.0167, abs=2e-3)
    same = PowerFlow(GRID).solve(at("B", 1e6, 3), Setting(tap_pos=taps[1]))
    assert same.voltage_pu == pytest.approx(np.tile(flow.voltage_pu[1], (3, 1)))


def test_switches_differ_row_by_row() -> None:
    closed = np.tile(GRID.closed, (3, 1))
    closed[1, GRID.branch("TS")] = False
    closed[2, GRID.branch("A-C bis")] = True
    flow = PowerFlow(GRID).solve(at("C", 1e6, 3), Setting(closed=closed))
    assert list(unfed(flow)) == [(1, GRID.node("D")), (1, GRID.node("E"))]
    assert flow.voltage_pu[2, GRID.node("C")] > flow.voltage_pu[0, GRID.node("C")]
    assert (flow.loading_pct[0, GRID.branch("A-C bis")], flow.loading_pct[1, 6]) == (0, 0)
    built = PowerFlow(GRID).solve(at("C", 1e6), AS_BUILT)
    assert built.u_pu[0] == pytest.approx(flow.u_pu[1][:4].tolist() + built.u_pu[0, 4:].tolist(),
                                          abs=1e-3)  # fmt: skip


def test_the_source_differs_row_by_row() -> None:
    voltage_pu = np.array([0.98, 1.0, 1.05])
    flow = PowerFlow(GRID).solve(at("B", 0, 3), Setting(source_pu=voltage_pu))
    assert flow.voltage_pu[:, 0] == pytest.approx(voltage_pu, abs=1e-3)


def test_where_the_current_fails_newton_solves_and_says_so() -> None:
    """Near the end of what a feeder carries the iterated current goes round in circles."""
    flows = PowerFlow(GRID)
    for drawn_w in np.linspace(38e6, 39e6, 101):
        try:
            flow = flows.solve(np.concatenate([at("C", 1e6), at("C", drawn_w)]))
        except NotConverged:
            pytest.fail(f"no load was found that only Newton solves, up to {drawn_w / 1e6} MW")
        if flow.by_newton[1]:
            break
    assert flow.by_newton.tolist() == [False, True]
    exact = flows.solve(at("C", drawn_w), exact=True)
    assert flow.u_pu[1] == pytest.approx(exact.u_pu[0], abs=1e-7)
    first = flows.solve(at("C", 1e6))
    assert flow.u_pu[0] == pytest.approx(first.u_pu[0], abs=1e-12), "its row is its own"
    assert flow.source_va[1, 0].real > drawn_w


def test_no_solution_names_the_situation_the_island_and_the_last_step() -> None:
    drawn_va = np.concatenate([at("C", 1e6), at("C", 500e6), at("C", 1e6), at("C", 500e6)])
    with pytest.raises(NotConverged) as refused:
        PowerFlow(GRID).solve(drawn_va)
    error = refused.value
    assert error.situations.tolist() == [1, 3]
    assert error.island == "HV, A, B and 3 more"
    assert error.deviation_pu > 1e-8
    assert error.reason == "not_converged"
    for told in (
        "situation 1, situation 3 ",
        "island of HV",
        f"{error.deviation_pu:.3g} pu",
        GRID.name,
    ):
        assert told in str(error)


def test_the_island_that_fails_is_told_from_the_one_that_holds() -> None:
    source = np.repeat(GRID.network["source"], 2)
    source["id"], source["node"], source["sk"] = [60, 61], [10, 15], [5e9, 1e7]
    both = replace(GRID, network={**GRID.network, "source": source})
    closed = both.closed.copy()
    closed[both.branch("TS")] = False
    drawn_va = at("C", 1e6, 7) + at("D", 1e9, 7)
    with pytest.raises(NotConverged) as refused:
        PowerFlow(both).solve(drawn_va, Setting(closed=np.tile(closed, (7, 1))))
    assert refused.value.island == "D, E"
    assert "situation 0, situation 1, situation 2 and 4 more" in str(refused.value)


def test_a_gap_is_not_taken_for_nothing() -> None:
    """The engine reads NaN as "as in the file", which is a load of 0."""
    drawn_va = at("C", 1e6, 2)
    drawn_va[1, GRID.node("B")] = complex("nan")
    with pytest.raises(Rejected, match="situation 1 at node B is no number"):
        PowerFlow(GRID).solve(drawn_va)
    with pytest.raises(Rejected, match="voltage is no number") as refused:
        PowerFlow(GRID).solve(at("C", 1e6, 2), Setting(source_pu=np.array([1.0, np.nan])))
    assert refused.value.reason == "bad_load"


def test_what_the_engine_does_not_take_is_one_line() -> None:
    source = GRID.network["source"].copy()
    source["node"] = 99
    wrong = replace(GRID, network={**GRID.network, "source": source})
    with pytest.raises(Rejected, match="certiflex central grid check") as refused:
        PowerFlow(wrong)
    assert (refused.value.reason, "\n" in str(refused.value)) == ("bad_grid", False)


def test_no_situations_is_no_flow() -> None:
    flow = PowerFlow(GRID).solve(np.zeros((0, NODES), dtype=complex))
    assert flow.u_pu.shape == (0, NODES)
