"""Where a limit breaks, when, by how much and why."""

import numpy as np
import pytest

from central.dso.assessment import assess, without
from central.dso.expectation import Expectation, expected
from central.dso.grid.model import Floats, Grid
from central.dso.limits import NO_MARGIN, Bound, Margin
from central.dso.powerflow import AS_BUILT, NotConverged, PowerFlow, Setting
from tests.grids import feeder

GRID = feeder(14, length_km=2.0, rings=1)
FLOW = PowerFlow(GRID)


def evenly(grid: Grid, *power_w: float) -> Floats:
    """Return what all PODs draw alike in each quarter [W], shape (pods, quarters)."""
    return np.tile(np.array(power_w, dtype=float), (len(grid.pods), 1))


def drawing(*power_w: float, **scenarios: float) -> Expectation:
    mean = evenly(GRID, *power_w)
    return expected(GRID, 0, {"mean": mean} | {k: mean * v for k, v in scenarios.items()})


def test_a_quiet_day_breaks_nothing() -> None:
    assessed = assess(FLOW, drawing(50e3, 60e3))
    assert assessed.holds
    assert assessed.congestions == ()


def test_much_load_is_low_voltage_and_hot_lines_caused_by_load() -> None:
    found = assess(FLOW, drawing(50e3, 600e3)).congestions
    assert {one.quarter for one in found} == {1}
    assert {one.cause for one in found} == {"load"}
    assert {one.bound for one in found} == {Bound.UNDERVOLTAGE, Bound.LINE}
    low = next(one for one in found if one.bound is Bound.UNDERVOLTAGE)
    assert low.value < low.limit == pytest.approx(0.955)
    assert (low.scenario, low.interval.start_ms) == ("mean", 900_000)


def test_much_generation_is_high_voltage_and_hot_lines_caused_by_generation() -> None:
    found = assess(FLOW, drawing(-600e3)).congestions
    assert {one.bound for one in found} == {Bound.OVERVOLTAGE, Bound.LINE}
    assert {one.cause for one in found} == {"generation"}
    hot = next(one for one in found if one.bound is Bound.LINE)
    assert hot.value > hot.limit == pytest.approx(98.0)
    assert GRID.branch(hot.element) in range(*GRID.spans["line"].indices(99))


def test_an_overloaded_transformer_is_named_as_one() -> None:
    grid = feeder(14, length_km=0.05, rating_a=5000.0)
    drawn = expected(grid, 0, {"mean": evenly(grid, 2.2e6)})
    found = assess(PowerFlow(grid), drawn, margin=NO_MARGIN).congestions
    assert ("TR", Bound.TRANSFORMER, "load") in {(f.element, f.bound, f.cause) for f in found}


def test_each_scenario_is_judged_by_itself() -> None:
    found = assess(FLOW, drawing(150e3, high=3.5)).congestions
    assert {one.scenario for one in found} == {"high"}


def test_a_margin_finds_what_would_just_hold() -> None:
    held = assess(FLOW, drawing(150e3), margin=NO_MARGIN)
    lowest_pu = float(held.flow.voltage_pu.min())
    assert held.holds
    kept = Margin(voltage_pu=lowest_pu - 0.95 + 1e-4, current_pct=0.0)
    assert not assess(FLOW, drawing(150e3), margin=kept).holds


def test_outages_find_what_they_overload_and_whom_they_cut_off() -> None:
    grid = feeder(14, length_km=2.0, rings=1, seed=10)
    flow, load = PowerFlow(grid), expected(grid, 0, {"mean": evenly(grid, 300e3)})
    ring = Setting(closed=np.ones(len(grid.branches), dtype=bool))
    assessed = assess(flow, load, setting=ring, outages=True)
    assert assessed.holds
    assert assessed.congestions, "the other way round the ring is too weak for all"
    assert all(one.outage for one in assessed.congestions)
    out = assessed.congestions[0].outage
    alone = assess(flow, load, setting=without(grid, ring, grid.branch(out)))
    assert {one.element for one in alone.congestions} == {
        one.element for one in assessed.congestions if one.outage == out
    }
    assert assessed.cut_off, "some lines are radial"
    for line, nodes in assessed.cut_off:
        cut = assess(flow, load, setting=without(grid, ring, grid.branch(line)))
        dark = {grid.nodes[n].name for n in np.flatnonzero(cut.flow.voltage_pu[0] == 0)}
        assert dark == set(nodes)


def test_beyond_all_limits_there_is_no_power_flow_and_it_is_said() -> None:
    with pytest.raises(NotConverged) as told:
        assess(FLOW, drawing(50e3, 50e6), setting=AS_BUILT)
    assert told.value.situations.tolist() == [1]


def test_whom_nothing_feeds_is_told_and_has_no_voltage_to_judge() -> None:
    cut = without(GRID, AS_BUILT, GRID.branch("L9-12"))
    assessed = assess(FLOW, drawing(50e3), setting=cut)
    assert assessed.unfed == ("N12", "N13")
    assert assessed.holds
    assert assess(FLOW, drawing(50e3)).unfed == ()
