"""Our own matrices say what the engine says, with every way a branch can stand."""

from dataclasses import replace

import numpy as np
import pytest
from power_grid_model import BranchSide

from central.dso.grid.admittance import BASE_VA, Admittance
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.powerflow import PowerFlow, Setting
from tests.grids import feeder, loads_va, station

WITHIN_VA = 1e-5
AT_LINKS_VA = 0.5
TAPS = ((3, -1), (-9, 2), (9, -2), (0, 0), (0, 1), (-1, 2))


def most_va(grid: Grid) -> Floats:
    """Return how far from balance each node of a solved state may be [VA]."""
    ends = grid.spans["link"]
    linked = np.union1d(grid.branch_from[ends], grid.branch_to[ends])
    return np.where(np.isin(np.arange(len(grid.nodes)), linked), AT_LINKS_VA, WITHIN_VA)


def drawn(grid: Grid) -> Phasors:
    power_w = np.array([[2e6, 1e5, 3e3], [-1e6, 5e4, 0.0], [0.0, 0.0, 0.0]])
    return grid.at_nodes(power_w) + 1j * grid.at_nodes(power_w * grid.tan_phi)


@pytest.mark.parametrize("clock", [0, 5, 11])
@pytest.mark.parametrize("side", [BranchSide.from_side, BranchSide.to_side])
@pytest.mark.parametrize("taps", TAPS, ids=str)
def test_what_the_engine_solves_is_in_balance(
    clock: int, side: BranchSide, taps: tuple[int, int]
) -> None:
    grid = station(clock, tap_side=side)
    tap_pos, drawn_va = np.array(taps), drawn(grid)
    flow = PowerFlow(grid).solve(drawn_va, Setting(tap_pos=tap_pos), exact=True)
    ours = Admittance.of(grid, tap_pos=tap_pos)
    assert (ours.mismatch_va(flow.u_pu, drawn_va) <= most_va(grid)).all()
    source_va = ours.injected_va(flow.u_pu)[:, 0]
    assert np.abs(source_va - flow.source_va[:, 0]).max() <= 2e-2, "eight digits of 2 MVA"


def test_another_tap_position_is_not_in_balance() -> None:
    """A step of 1.67 % moves the voltage by as much, and the power through it by kilowatts."""
    grid = station()
    flow = PowerFlow(grid).solve(drawn(grid), exact=True)
    wrong = Admittance.of(grid, tap_pos=np.array([4, -1])).mismatch_va(flow.u_pu, drawn(grid))
    assert wrong[0, grid.node("A")] > 1e5


@pytest.mark.parametrize("name", ["A-B", "B-C", "A-C", "TS", "D-E"])
def test_branches_closed_and_opened_by_a_setting(name: str) -> None:
    grid = station()
    closed = grid.closed.copy()
    closed[grid.branch("A-C bis")] = True
    closed[grid.branch(name)] ^= True
    drawn_va = drawn(grid)
    flow = PowerFlow(grid).solve(drawn_va, Setting(closed=closed), exact=True)
    fed = np.abs(flow.u_pu[0]) > 0
    mismatch_va = Admittance.of(grid, closed=closed).mismatch_va(flow.u_pu, drawn_va)
    assert (mismatch_va <= most_va(grid))[:, fed].all()
    assert mismatch_va[:, ~fed] == pytest.approx(np.abs(drawn_va[:, ~fed])), "nobody serves it"


def test_an_open_end_draws_what_its_cable_charges() -> None:
    """151 nF at 20 kV and 50 Hz take 19 kvar, half of it beyond the series impedance."""
    grid = station()
    flow = PowerFlow(grid).solve(drawn(grid), exact=True)
    at_from_va, at_to_va = Admittance.of(grid).flows_va(flow.u_pu)
    hanging, apart = grid.branch("A-C"), grid.branch("A-C bis")
    expected_var = 2 * np.pi * 50 * 151e-9 * (np.abs(flow.u_pu[0, 1]) * 20e3) ** 2
    assert at_from_va[0, hanging].imag == pytest.approx(-expected_var, rel=1e-4)
    assert at_to_va[0, hanging] == 0
    assert at_from_va[0, apart] == at_to_va[0, apart] == 0


def test_currents_and_flows_are_the_engines() -> None:
    grid = station()
    flow = PowerFlow(grid).solve(drawn(grid), exact=True)
    ours = Admittance.of(grid)
    at_from_a, at_to_a = (np.abs(current) for current in ours.currents_a(flow.u_pu))
    rated = np.maximum(at_from_a / grid.rating_a[0], at_to_a / grid.rating_a[1])
    assert rated * 100 == pytest.approx(flow.loading_pct, abs=1e-6)
    at_from_va, at_to_va = ours.flows_va(flow.u_pu)
    lost_va = (at_from_va + at_to_va)[:, : grid.spans["link"].start].sum(axis=1)
    bank_va = np.conj(ours.shunt_pu * np.abs(flow.u_pu) ** 2).sum(axis=1) * BASE_VA
    used_va = drawn(grid).sum(axis=1) + lost_va + bank_va
    assert np.abs(used_va - flow.source_va[:, 0]).max() <= AT_LINKS_VA, "nothing vanishes"


def test_what_is_taken_beside_a_link_is_seen() -> None:
    grid = station()
    drawn_va = drawn(grid)
    flow = PowerFlow(grid).solve(drawn_va, exact=True)
    drawn_va[0, grid.node("E")] += 10.0
    mismatch_va = Admittance.of(grid).mismatch_va(flow.u_pu, drawn_va)
    assert mismatch_va[0, grid.node("E")] == pytest.approx(10.0, abs=AT_LINKS_VA)
    assert mismatch_va[0, grid.node("D")] <= AT_LINKS_VA


def test_a_shunt_that_is_off_takes_nothing() -> None:
    grid = station()
    shunt_pu = Admittance.of(grid).shunt_pu
    assert shunt_pu[grid.node("E")] == 0
    assert shunt_pu[grid.node("B")] == pytest.approx((1e-6 + 1e-3j) * 20e3**2 / 1e6)


@pytest.mark.parametrize("seed", range(3))
def test_random_feeders_are_in_balance(seed: int) -> None:
    grid = feeder(40, seed=seed, rings=3)
    drawn_va = loads_va(grid, seed=seed)
    flow = PowerFlow(grid).solve(drawn_va, exact=True)
    assert Admittance.of(grid).mismatch_va(flow.u_pu, drawn_va).max() <= WITHIN_VA


def test_a_grid_of_lines_alone_has_a_matrix() -> None:
    grid = feeder(6)
    kinds = ("node", "line", "source")
    lines = replace(grid, network={kind: grid.network[kind] for kind in kinds},
                    branches=grid.branches[:-1])  # fmt: skip
    nodal = Admittance.of(lines).nodal.toarray()
    assert nodal.shape == (6, 6)
    assert nodal == pytest.approx(nodal.T)
