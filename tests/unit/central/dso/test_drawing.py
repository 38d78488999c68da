"""The pictures show what the figures say: every element once, every violation marked."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from central.dso.assessment import assess
from central.dso.drawing.charts import tap_plan
from central.dso.drawing.feeder import before_after, feeder, sensitivity_map, worst_situation
from central.dso.drawing.svg import HIGH, HOT, LOW
from central.dso.expectation import expected
from central.dso.grid.model import Grid
from central.dso.limits import NO_MARGIN
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.remedies.plan import Plan, plan_own_means
from tests import grids

SVG = "{http://www.w3.org/2000/svg}"
GRID = grids.feeder(14, length_km=6.0)


def planned(grid: Grid, *power_w: float) -> Plan:
    expectation = expected(grid, 0, {"mean": np.tile(power_w, (len(grid.pods), 1))})
    return plan_own_means(PowerFlow(grid), expectation, setting=AS_BUILT, margin=NO_MARGIN)


def told(picture: ET.Element, tag: str) -> list[str]:
    found = (each.findtext(f"{SVG}title") for each in picture.iter(f"{SVG}{tag}"))
    return [title for title in found if title]


def test_every_node_and_branch_is_there_with_its_figure() -> None:
    plan = planned(GRID, 100e3)
    picture = ET.fromstring(feeder(GRID, plan.before.flow, 0, "one <quarter>"))
    assert len(told(picture, "circle")) == len(GRID.nodes)
    assert {line.split(":")[0] for line in told(picture, "line")} == {
        branch.name for branch in GRID.branches
    }
    assert any(each.startswith(("N5: 0.", "N5: 1.")) for each in told(picture, "circle"))
    assert picture.findtext(f"{SVG}title") == "one <quarter>"


def test_what_breaks_is_marked_before_and_not_after() -> None:
    plan = planned(GRID, 100e3, 230e3)
    picture = ET.fromstring(before_after(GRID, plan.before, plan.after, "day"))
    broken = [c for c in plan.before.congestions if c.bound.is_voltage]
    marked = [each for each in picture.iter(f"{SVG}circle") if each.get("r") == "6"]
    assert len(marked) == len(broken) > 0
    assert {each.get("fill") for each in marked} == {LOW}
    words = [each.text or "" for each in picture.iter(f"{SVG}text")]
    assert (
        f"day: before, at 01:15, mean · {len(plan.before.congestions)} violations in all" in words
    )
    assert "day: after, at 01:15, mean · 0 violations in all" in words


def test_hot_lines_and_high_voltages_have_their_colours() -> None:
    grid = grids.feeder(14, length_km=2.0, rings=1)
    plan = planned(grid, -800e3)
    drawn = feeder(grid, plan.before.flow, 0, "sun")
    picture = ET.fromstring(drawn)
    assert HOT in {each.get("stroke") for each in picture.iter(f"{SVG}line")}
    assert HIGH in {e.get("fill") for e in picture.iter(f"{SVG}circle") if e.get("r") == "6"}
    tie = grid.branches[int(np.flatnonzero(~grid.closed)[0])].name
    assert f"{tie}: open" in told(picture, "line")


def test_the_worst_situation_is_drawn() -> None:
    expectation = expected(
        GRID, 0, {name: np.full((len(GRID.pods), 2), w) for name, w in
                  (("mean", 100e3), ("p95", 240e3))}
    )  # fmt: skip
    assessed = assess(PowerFlow(GRID), expectation, margin=NO_MARGIN)
    assert worst_situation(assessed) in {2, 3}
    quiet = assess(PowerFlow(GRID), expected(GRID, 0, {"mean": np.full((12, 1), 1e5)}))
    assert worst_situation(quiet) == 0


def test_the_map_of_helpers_has_the_largest_dot_where_help_is_largest() -> None:
    effect = np.linspace(0, 2e-6, len(GRID.nodes))
    picture = ET.fromstring(sensitivity_map(GRID, effect, "L1-2", "%"))
    dots = [each for each in picture.iter(f"{SVG}circle") if each.find(f"{SVG}title") is not None]
    sizes = [float(each.get("r", "0")) for each in dots]
    assert sizes == sorted(sizes)
    assert told(picture, "circle")[-1] == "N13: -0.002 % per kW less"
    blank = ET.fromstring(sensitivity_map(GRID, np.zeros(len(GRID.nodes)), "L1-2", "%"))
    assert len(told(blank, "circle")) == len(GRID.nodes)


def test_the_map_of_helpers_shows_the_network_as_it_is_run_then() -> None:
    grid = grids.feeder(14, rings=1)
    closed = grid.closed.copy()
    closed[3] = False
    fed = Setting(closed=closed[None, :]).of(0)
    effect = np.zeros(len(grid.nodes))
    built, run = (
        ET.fromstring(sensitivity_map(grid, effect, "L1-2", "%", each)) for each in (AS_BUILT, fed)
    )
    for picture, is_closed in ((built, grid.closed), (run, closed)):
        dashed = [each for each in picture.iter(f"{SVG}line") if each.get("stroke-dasharray")]
        assert len(dashed) == np.count_nonzero(~is_closed)
    assert np.count_nonzero(~closed) > np.count_nonzero(~grid.closed)


@pytest.mark.parametrize("power_w", [(100e3, 200e3, 230e3), (100e3, 100e3), (900e3, 100e3)])
def test_the_tap_plan_is_drawn_for_any_plan(power_w: tuple[float, ...]) -> None:
    grid = grids.feeder(14, length_km=2.0) if max(power_w) > 500e3 else GRID
    plan = planned(grid, *power_w)
    picture = ET.fromstring(tap_plan(grid, plan))
    assert plan.reason in [each.text for each in picture.iter(f"{SVG}text")]
    paths = list(picture.iter(f"{SVG}path"))
    stepped = {move.device for move in plan.moves if move.kind == "tap"}
    assert len(paths) == 4 + len(stepped)
    assert all("nan" not in (each.get("d") or "") for each in paths)
