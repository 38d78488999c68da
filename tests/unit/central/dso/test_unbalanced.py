"""Three phases: even where customers are, uneven where they are not."""

from dataclasses import replace

import numpy as np
import pytest
from power_grid_model import WindingType

from central.dso.grid.model import (
    Branch,
    Connection,
    Grid,
    Node,
    Phases,
    Phasors,
    PrimarySubstation,
)
from central.dso.limits import Limits
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.unbalanced import (
    MOST_UNBALANCE_PCT,
    PhaseFlowSolver,
    of_phases,
    phase_violations,
)
from ledger.errors import Rejected
from tests.grids import component, feeder

HOUSES = 6


def street(*phases: Phases) -> Grid:
    """Return a street of six houses, 60 m apart, behind a 20/0.4 kV transformer of 250 kVA.

    Cable 4x95 mm²: CIGRE TB 575 (2014), table 7.15, UG1 by order of size.
    """
    nodes = HOUSES + 2
    lines = np.arange(1, nodes - 1)
    network = {
        "node": component("node", id=np.arange(nodes), u_rated=[20e3] + [400.0] * (nodes - 1)),
        "line": component(
            "line", id=100 + lines, from_node=lines, to_node=lines + 1, from_status=1, to_status=1,
            r1=0.32 * 0.06, x1=0.075 * 0.06, c1=0.0, tan1=0.0, r0=1.28 * 0.06, x0=0.3 * 0.06,
            c0=0.0, tan0=0.0, i_n=220.0,
        ),
        "transformer": component(
            "transformer", id=[200], from_node=0, to_node=1, from_status=1, to_status=1, u1=20e3,
            u2=400.0, sn=250e3, uk=0.04, pk=3.2e3, i0=0.002, p0=600.0,
            winding_from=WindingType.delta, winding_to=WindingType.wye_n, clock=11, tap_side=0,
            tap_pos=0, tap_min=-2, tap_max=2, tap_nom=0, tap_size=500.0,
        ),
        "source": component("source", id=[300], node=0, status=1, u_ref=1.0, sk=1e9),
    }  # fmt: skip
    return Grid(
        name="street",
        source="tests",
        network=network,
        nodes=tuple(Node(f"N{k}") for k in range(nodes)),
        branches=(*(Branch(f"L{k}") for k in lines), Branch("TS")),
        connections=tuple(
            Connection(f"IT002E{k:08}", k + 2, 10_000, on) for k, on in enumerate(_of_all(phases))
        ),
        substations=(PrimarySubstation("PS", (HOUSES,)),),
    )


def _of_all(phases: tuple[Phases, ...]) -> tuple[Phases, ...]:
    """Return the phases of each house: given house by house, alike for all, or all three."""
    three: tuple[Phases, ...] = ("abc",)
    given = phases or three
    return given * HOUSES if len(given) == 1 else given


def drawing(grid: Grid, power_w: float, situations: int = 1) -> Phasors:
    """Return what each house draws, at its phases."""
    return of_phases(grid, np.full((situations, len(grid.pods)), power_w)).astype(np.complex128)


def test_even_customers_are_the_symmetric_power_flow() -> None:
    grid = feeder(12)
    power_w = np.full((2, len(grid.pods)), 1e5)
    even = PhaseFlowSolver(grid).solve(drawing(grid, 1e5, situations=2), AS_BUILT)
    flow = PowerFlow(grid).solve(grid.at_nodes(power_w).astype(np.complex128), exact=True)
    assert np.allclose(np.abs(even.u_pu), flow.voltage_pu[..., None], atol=1e-9)
    assert np.allclose(even.loading_pct, flow.loading_pct[..., None], atol=1e-6)
    assert even.unbalance_pct.max() < 1e-9


def test_a_setting_moves_three_phases_as_one() -> None:
    grid = street()
    drawn_va = drawing(grid, 5e3, situations=2)
    setting = Setting(tap_pos=np.array([[0], [-2]]))
    low, high = np.abs(PhaseFlowSolver(grid).solve(drawn_va, setting).u_pu[:, -1])
    assert np.allclose(high - low, 0.05, atol=0.005)


def test_customers_are_put_on_their_phases() -> None:
    grid = street("a", "b", "c", "abc", "a", "a")
    found = of_phases(grid, np.full((1, HOUSES), 3e3))
    assert found.shape == (1, HOUSES + 2, 3)
    assert found[0, 2].tolist() == [3e3, 0, 0]
    assert found[0, 3].tolist() == [0, 3e3, 0]
    assert found[0, 5].tolist() == [1e3, 1e3, 1e3]
    assert found.sum() == pytest.approx(HOUSES * 3e3)


def test_one_phase_breaks_what_the_mean_of_three_hides() -> None:
    """30 kW on one phase: the symmetric power flow sees a third of it on each, and is content."""
    grid = street("a")
    power_w = np.full((1, HOUSES), 9e3)
    assert (
        PowerFlow(grid).solve(grid.at_nodes(power_w).astype(np.complex128)).voltage_pu.min() > 0.90
    )
    flow = PhaseFlowSolver(grid).solve(drawing(grid, 9e3), AS_BUILT)
    found = phase_violations(grid, flow, Limits.of(grid))
    low = [one for one in found if one.what == "undervoltage"]
    assert low
    assert {one.phase for one in low} == {"a"}
    assert {one.what for one in found} == {"undervoltage", "current", "unbalance"}
    assert {(one.element, one.phase) for one in found if one.what == "current"} == {
        ("L1", "a"), ("L2", "a"),
    }  # fmt: skip
    for one in found:
        assert one.value > one.limit or one.what == "undervoltage"
        assert one.limit == {"undervoltage": 0.9, "current": 100.0}.get(
            one.what, MOST_UNBALANCE_PCT
        )


def test_generation_on_one_phase_lifts_it() -> None:
    grid = street("b")
    flow = PhaseFlowSolver(grid).solve(drawing(grid, -8e3), AS_BUILT)
    found = phase_violations(grid, flow, Limits.of(grid))
    assert {(one.what, one.phase) for one in found if one.what.endswith("voltage")} == {
        ("overvoltage", "b")
    }


def test_the_unbalance_is_that_of_the_sequences() -> None:
    grid = street()
    flow = PhaseFlowSolver(grid).solve(np.zeros((1, HOUSES + 2, 3), dtype=complex), AS_BUILT)
    turn = np.exp(2j * np.pi / 3)
    phases = np.array([1.0, turn**2, turn]) + 0.03 * np.array([1.0, turn, turn**2])
    uneven = replace(flow, u_pu=np.broadcast_to(phases, flow.u_pu.shape))
    assert np.allclose(uneven.unbalance_pct, 3.0)


def test_without_zero_sequence_nothing_is_guessed() -> None:
    grid = street()
    lines = grid.network["line"].copy()
    lines["r0"][2] = np.nan
    with pytest.raises(Rejected, match="r0 of 1 lines is not given") as told:
        PhaseFlowSolver(replace(grid, network={**grid.network, "line": lines}))
    assert told.value.where == "line L3"


def test_more_than_the_street_can_carry_is_said() -> None:
    grid = street("c")
    with pytest.raises(Rejected, match="converge") as told:
        PhaseFlowSolver(grid).solve(drawing(grid, 90e3), AS_BUILT)
    assert told.value.reason == "not_converged"
