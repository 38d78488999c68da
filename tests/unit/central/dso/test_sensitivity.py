"""Sensitivities beside the power flow's own answer to a little more or less drawn."""

import numpy as np
import pandapower as pp
import pytest

from central.dso.grid.admittance import Admittance
from central.dso.grid.model import Branch, Floats, Grid, Node, Phasors, PrimarySubstation
from central.dso.powerflow import PowerFlow, Setting
from central.dso.sensitivity import Jacobian, Jacobians, Rows
from tests.grids import component, feeder, loads_va

STEP_VA = 200.0


def everything(grid: Grid) -> Rows:
    """Return all voltages, then all currents at the from side, then all at the to side."""
    nodes, branches = np.arange(len(grid.nodes)), np.arange(len(grid.branches))
    element = np.concatenate([nodes, branches, branches])
    is_node = np.arange(len(element)) < len(nodes)
    at_to = np.arange(len(element)) >= len(nodes) + len(branches)
    return Rows(element, is_node, at_to)


def watched(admittance: Admittance, u_pu: Phasors) -> Floats:
    """Return the same from the matrices, shape (situations, rows)."""
    from_a, to_a = admittance.currents_a(u_pu)
    grid = admittance.grid
    shares = (np.abs(from_a) / grid.rating_a[0], np.abs(to_a) / grid.rating_a[1])
    return np.concatenate([np.abs(u_pu), *(share * 100 for share in shares)], axis=1)


def by_differences(grid: Grid, drawn_va: Phasors, setting: Setting, unit: complex) -> Floats:
    """Return central differences of the power flow, shape (rows, nodes)."""
    power_flow, admittance = PowerFlow(grid), setting.admittance(grid)
    steps = STEP_VA * unit * np.eye(len(grid.nodes))
    above, below = (
        watched(admittance, power_flow.solve(drawn_va + sign * steps, setting, exact=True).u_pu)
        for sign in (1, -1)
    )
    return (above - below).T / (2 * STEP_VA)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rings", [0, 2])
def test_they_are_those_of_the_power_flow(seed: int, rings: int) -> None:
    grid = feeder(14, seed=seed, rings=2)
    closed = np.ones(len(grid.branches), dtype=bool) if rings else None
    setting = Setting(tap_pos=np.array([seed - 2]), closed=closed)
    drawn_va = loads_va(grid, situations=1, seed=seed)[0]
    u_pu = PowerFlow(grid).solve(drawn_va[None], setting, exact=True).u_pu[0]
    admittance = setting.admittance(grid)
    rows = everything(grid)
    found = Jacobian(admittance).sensitivity(u_pu, drawn_va, rows)
    assert found.value == pytest.approx(watched(admittance, u_pu[None])[0], rel=1e-9, abs=1e-9)
    for ours, unit in ((found.per_w, 1), (found.per_var, 1j)):
        theirs = by_differences(grid, drawn_va, setting, unit)
        # A current near 0 bends within the step: the difference says nothing there.
        straight = (found.value > 1.0) | rows.is_node
        assert straight.sum() > len(grid.nodes) + len(grid.branches)
        error = np.abs(ours - theirs)[straight].max(axis=1)
        relative = error / np.abs(theirs)[straight].max(axis=1)
        assert relative.max() < 1e-5
        assert relative[: len(grid.nodes)].max() < 1e-7


def test_drawing_more_lowers_every_voltage_and_loads_the_way_to_it() -> None:
    grid = feeder(10, seed=3)
    drawn_va = loads_va(grid, situations=1)[0]
    u_pu = PowerFlow(grid).solve(drawn_va[None], exact=True).u_pu[0]
    found = Jacobian(Admittance.of(grid)).sensitivity(u_pu, drawn_va, everything(grid))
    assert (found.per_w[2:10] <= 0).all()
    assert (found.per_var[2:10] <= 0).all()
    transformer = len(grid.nodes) + grid.branch("TR")
    assert (found.per_w[transformer, 2:] > 0).all()


def test_a_stiff_source_holds_its_node_and_a_weak_one_gives() -> None:
    grid = feeder(6)
    weak = grid.network["source"].copy()
    weak["sk"], weak["rx_ratio"] = 2e8, 0.3
    soft = feeder(6)
    soft.network["source"][:] = weak
    found = {}
    for name, each in (("stiff", grid), ("soft", soft)):
        drawn_va = loads_va(each, situations=1)[0]
        u_pu = PowerFlow(each).solve(drawn_va[None], exact=True).u_pu[0]
        rows = Rows(np.array([0]), np.array([True]), np.array([False]))
        found[name] = Jacobian(Admittance.of(each)).sensitivity(u_pu, drawn_va, rows).per_var[0, 0]
    assert found["soft"] / found["stiff"] == pytest.approx(5e9 / 2e8, rel=0.05)


def test_a_node_without_feed_has_no_part_in_it() -> None:
    grid = feeder(8, seed=2)
    closed = grid.closed.copy()
    last = int(np.flatnonzero(grid.branch_to == 7)[0])
    closed[last] = False
    setting = Setting(closed=closed)
    drawn_va = loads_va(grid, situations=1)[0]
    u_pu = PowerFlow(grid).solve(drawn_va[None], setting, exact=True).u_pu[0]
    assert u_pu[7] == 0
    found = Jacobian(setting.admittance(grid)).sensitivity(u_pu, drawn_va, everything(grid))
    assert np.isfinite(found.per_w).all()
    assert not found.per_w[:, 7].any()
    assert not found.per_w[7].any()
    assert found.per_w[3, 3] < 0


def test_settings_that_are_the_same_share_their_matrices() -> None:
    grid = feeder(6)
    setting = Setting(tap_pos=np.array([[0], [2], [0]]))
    jacobians = Jacobians(grid, setting)
    assert jacobians.of(0) is jacobians.of(2)
    assert jacobians.of(0) is not jacobians.of(1)


def test_they_are_pandapowers_too() -> None:
    lengths_km, sections = (1.2, 0.8, 2.0), ((0, 1), (1, 2), (1, 3))
    loads_va = np.array([0, 4e5 + 1e5j, 6e5 + 2e5j, -8e5 + 0j])
    net = pp.create_empty_network(sn_mva=1)
    buses = [pp.create_bus(net, vn_kv=20.0) for _ in range(4)]
    pp.create_ext_grid(net, buses[0], vm_pu=1.02)
    for (start, end), length_km in zip(sections, lengths_km, strict=True):
        pp.create_line_from_parameters(
            net, buses[start], buses[end], length_km, r_ohm_per_km=0.501, x_ohm_per_km=0.716,
            c_nf_per_km=151.1749, max_i_ka=0.145,
        )  # fmt: skip
    for bus in buses[1:]:
        pp.create_load(net, bus, p_mw=loads_va[bus].real / 1e6, q_mvar=loads_va[bus].imag / 1e6)
    grid = lines_only(lengths_km, sections)
    u_pu = PowerFlow(grid).solve(loads_va[None], exact=True).u_pu[0]
    found = Jacobian(Admittance.of(grid)).sensitivity(u_pu, loads_va, everything(grid))
    for load, node in enumerate((1, 2, 3)):
        seen: list[Floats] = []
        for step_mw in (1e-3, -1e-3):
            net.load.loc[load, "p_mw"] += step_mw
            pp.runpp(net, tolerance_mva=1e-10, init="results" if seen else "auto")
            net.load.loc[load, "p_mw"] -= step_mw
            seen.append(np.concatenate([net.res_bus.vm_pu, net.res_line.i_from_ka / 0.145 * 100]))
        theirs = (seen[0] - seen[1]) / 2e3
        assert found.per_w[:7, node] == pytest.approx(theirs, rel=1e-5, abs=1e-12)


def lines_only(lengths_km: tuple[float, ...], sections: tuple[tuple[int, int], ...]) -> Grid:
    """Return a 20 kV grid of cables behind a source that nothing moves."""
    length, ends = np.array(lengths_km), np.array(sections)
    network = {
        "node": component("node", id=np.arange(4), u_rated=20e3),
        "line": component(
            "line", id=10 + np.arange(3), from_node=ends[:, 0], to_node=ends[:, 1], from_status=1,
            to_status=1, r1=0.501 * length, x1=0.716 * length, c1=151.1749e-9 * length, tan1=0.0,
            r0=1.0, x0=1.0, c0=1e-9, tan0=0.0, i_n=145.0,
        ),
        "source": component("source", id=[20], node=0, status=1, u_ref=1.02, sk=1e16),
    }  # fmt: skip
    return Grid(
        "lines", "tests", network, tuple(Node(f"N{k}") for k in range(4)),
        tuple(Branch(f"L{k}") for k in range(3)), (), (PrimarySubstation("PS", ()),),
    )  # fmt: skip
