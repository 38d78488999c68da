"""The plan of own means: what is moved, in which order, and why."""

from dataclasses import replace

import numpy as np

from central.dso.expectation import Expectation, expected
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.remedies.plan import Move, Plan, plan_own_means
from tests.grids import feeder

MARGIN = Margin()


def day(grid: Grid, *power_w: float) -> Expectation:
    return expected(grid, 0, {"mean": np.tile(power_w, (len(grid.pods), 1))})


def planned(
    grid: Grid, *power_w: float, setting: Setting = AS_BUILT, may_switch: bool = True
) -> Plan:
    return plan_own_means(
        PowerFlow(grid), day(grid, *power_w), setting=setting, margin=MARGIN, may_switch=may_switch
    )


def test_nothing_is_moved_where_every_limit_holds() -> None:
    plan = planned(feeder(14), 50e3)
    assert plan.moves == ()
    assert plan.reason == "every limit holds: nothing is moved"
    assert plan.after is plan.before


def test_a_tap_cures_and_its_moves_are_told_quarter_by_quarter() -> None:
    plan = planned(feeder(14, length_km=6.0), 100e3, 200e3, 230e3)
    assert plan.after.holds
    assert plan.excess_before_pu > 0 == plan.excess_after_pu
    assert {(move.kind, move.device) for move in plan.moves} == {("tap", "TR")}
    first, *_ = plan.moves
    assert first.before == 0
    assert plan.reason.startswith("TR cures all")
    position = 0
    for move in plan.moves:
        assert move.before == position
        position = move.after


def test_a_move_counts_from_where_the_network_is_now() -> None:
    grid = feeder(14, length_km=6.0)
    plan = planned(grid, 230e3, setting=Setting(tap_pos=np.array([3])))
    assert plan.moves[0].before == 3


def test_switches_come_where_taps_leave_something_and_close_first() -> None:
    grid = replace(feeder(20, seed=4, rings=4), taps=())
    plan = planned(grid, 255e3)
    switched = [move for move in plan.moves if move.kind == "switch"]
    assert switched
    order = [(move.before, move.after) for move in switched]
    assert order == sorted(order), "closed before opened"
    assert plan.excess_after_pu < plan.excess_before_pu
    kept = planned(grid, 255e3, may_switch=False)
    assert kept.moves == ()
    assert kept.reason.startswith("no tap, capacitor or switch helps against")


def test_what_is_left_is_said() -> None:
    plan = planned(feeder(14, length_km=2.0), 600e3)
    assert not plan.after.holds
    assert plan.reason.endswith("the rest needs flexibility")
    assert all(isinstance(move, Move) for move in plan.moves)
