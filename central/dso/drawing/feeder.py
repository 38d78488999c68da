"""The feeder: voltages at nodes, loadings on branches, and beside it the same afterwards."""

from datetime import datetime

import numpy as np

from central.calendar import ROME
from central.dso.assessment import Assessment
from central.dso.drawing.layout import Layout, laid_out
from central.dso.drawing.svg import (
    GOOD,
    HIGH,
    HOT,
    INK,
    LOW,
    MUTED,
    RULE,
    WARM,
    Picture,
    mixed,
)
from central.dso.grid.model import Booleans, Floats, Grid
from central.dso.powerflow import AS_BUILT, Flow, Setting

_COLUMN, _ROW, _LEFT, _HEAD, _FOOT = 46.0, 27.0, 70.0, 56.0, 34.0
_FULL_PCT, _WARM_PCT = 100.0, 70.0
_EDGE_PU = 1e-9


def before_after(grid: Grid, before: Assessment, after: Assessment, title: str) -> str:
    """Return the feeder twice, without and with what was done, in the worst quarter before."""
    situation = worst_situation(before)
    quarter = before.expectation.quarter_of(situation)
    scenario = before.expectation.scenario_of(situation)
    at = datetime.fromtimestamp(before.expectation.interval_of(quarter).start_ms / 1_000, ROME)
    layouts = [laid_out(grid, _closed(each.setting, quarter)) for each in (before, after)]
    heights = [_HEAD + (each.rows + 1) * _ROW + _FOOT for each in layouts]
    width = max(_width(each) for each in layouts)
    picture = Picture(width, sum(heights), title)
    top = 0.0
    for word, each, layout, height in zip(
        ("before", "after"), (before, after), layouts, heights, strict=True
    ):
        broken = [c for c in each.congestions if not c.outage]
        told = f"{title}: {word}, at {at:%H:%M}, {scenario} · {len(broken)} violations in all"
        _draw(picture, grid, each.flow, situation, _closed_of(grid, each.setting, quarter),
              layout, top, told)  # fmt: skip
        top += height
    return picture.svg()


def feeder(grid: Grid, flow: Flow, situation: int, title: str, setting: Setting = AS_BUILT) -> str:
    """Return the feeder in one situation."""
    closed = _closed_of(grid, setting, situation)
    layout = laid_out(grid, closed)
    picture = Picture(_width(layout), _HEAD + (layout.rows + 1) * _ROW + _FOOT, title)
    _draw(picture, grid, flow, situation, closed, layout, 0.0, title)
    return picture.svg()


def sensitivity_map(
    grid: Grid, effect: Floats, element: str, unit: str, setting: Setting = AS_BUILT
) -> str:
    """Return who can help: at each node what one kilowatt less does at an element.

    Args:
        grid: to draw.
        effect: change for one watt more drawn, load convention, shape (nodes).
        element: what it happens at.
        unit: of the effect, per watt.
        setting: how the network is run then.
    """
    closed = _closed_of(grid, setting, 0)
    layout = laid_out(grid, closed)
    title = f"what 1 kW less at a node does at {element}"
    picture = Picture(_width(layout), _HEAD + (layout.rows + 1) * _ROW + _FOOT, title)
    picture.heading(_LEFT, 26, title)
    greatest = float(np.abs(effect).max(initial=0.0)) or 1.0
    for branch in range(len(grid.branches)):
        _branch(picture, grid, layout, branch, 0.0, RULE, 1.5, "", dashed=not closed[branch])
    for node, per_w in enumerate(effect):
        x, y = _at(layout, node, 0.0)
        share = abs(float(per_w)) / greatest
        told = f"{grid.nodes[node].name}: {-per_w * 1e3:+.3g} {unit} per kW less"
        picture.dot(x, y, 2.5 + 5 * share, mixed("#cfd8e3", LOW if per_w > 0 else WARM, share),
                    told=told)  # fmt: skip
    _labels(picture, grid, layout, 0.0)
    told = f"largest: {greatest * 1e3:.3g} {unit} per kW; orange: it rises, blue: it falls"
    picture.text(_LEFT, picture.height - 12, told, color=MUTED)
    return picture.svg()


def worst_situation(assessed: Assessment) -> int:
    """Return the situation with the greatest violation in normal operation, else the first."""
    quarters = assessed.expectation.quarters
    names = assessed.expectation.scenarios
    found = [
        (abs(c.value / c.limit - 1), names.index(c.scenario) * quarters + c.quarter)
        for c in assessed.congestions
        if not c.outage
    ]
    return max(found)[1] if found else 0


def _draw(  # noqa: PLR0917 -- what, of what, where
    picture: Picture,
    grid: Grid,
    flow: Flow,
    situation: int,
    closed: Booleans,
    layout: Layout,
    top: float,
    title: str,
) -> None:
    picture.heading(_LEFT, top + 26, title)
    loading_pct, voltage_pu = flow.loading_pct[situation], flow.voltage_pu[situation]
    for branch, named in enumerate(grid.branches):
        load_pct = float(loading_pct[branch])
        told = f"{named.name}: {load_pct:.1f} % of its rating"
        _branch(
            picture, grid, layout, branch, top, _loading_color(load_pct),
            1.5 + 2.5 * min(load_pct / _FULL_PCT, 1.5), told if closed[branch] else
            f"{named.name}: open", dashed=not closed[branch],
        )  # fmt: skip
    for position, node in enumerate(grid.nodes):
        x, y = _at(layout, position, top)
        value_pu = float(voltage_pu[position])
        told = f"{node.name}: {value_pu:.4f} pu, band {node.low_pu:g} … {node.high_pu:g}"
        broken = not node.low_pu - _EDGE_PU <= value_pu <= node.high_pu + _EDGE_PU
        color = _voltage_color(value_pu, node.low_pu, node.high_pu)
        picture.dot(x, y, 6.0 if broken else 3.5, color, told=told)
        if broken:
            picture.text(
                x, y + 15, f"{value_pu:.3f}", size=9, color=color, anchor="middle", bold=True
            )
    _labels(picture, grid, layout, top)
    _legend(picture, top + _HEAD + (layout.rows + 1) * _ROW + 16)


def _branch(  # noqa: PLR0917 -- what, where, how
    picture: Picture,
    grid: Grid,
    layout: Layout,
    branch: int,
    top: float,
    color: str,
    width: float,
    told: str,
    *,
    dashed: bool,
) -> None:
    ends = (int(grid.branch_from[branch]), int(grid.branch_to[branch]))
    (x1, y1), (x2, y2) = (_at(layout, node, top) for node in ends)
    if dashed:
        picture.line(x1, y1, x2, y2, MUTED, 1.0, dash="2 4", told=told)
        return
    if x2 < x1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    # Down first and then along, as single-line diagrams are drawn.
    if y1 != y2:
        picture.line(x1, y1, x1, y2, color, width, told=told)
    picture.line(x1, y2, x2, y2, color, width, told=told)


def _labels(picture: Picture, grid: Grid, layout: Layout, top: float) -> None:
    """Name the nodes of the two highest voltage levels; the others say it when pointed at."""
    levels = sorted(set(grid.rated_v.tolist()), reverse=True)[:2]
    for position, node in enumerate(grid.nodes):
        if grid.rated_v[position] in levels:
            x, y = _at(layout, position, top)
            picture.text(x, y - 8, node.name, size=9, color=INK, anchor="middle")


def _legend(picture: Picture, y: float) -> None:
    x = _LEFT
    for color, words in (
        (LOW, "low voltage"), (GOOD, "within its band"), (HIGH, "high voltage"),
        (MUTED, "line, thicker with load"), (WARM, f"over {_WARM_PCT:.0f} %"),
        (HOT, "over 100 % of its rating"),
    ):  # fmt: skip
        picture.dot(x, y - 4, 4, color)
        picture.text(x + 9, y, words, size=11, color=MUTED)
        x += 22 + 6.3 * len(words)


def _at(layout: Layout, node: int, top: float) -> tuple[float, float]:
    return _LEFT + layout.column[node] * _COLUMN, top + _HEAD + layout.row[node] * _ROW


def _width(layout: Layout) -> float:
    return max(860.0, _LEFT * 2 + layout.columns * _COLUMN)


def _loading_color(load_pct: float) -> str:
    if load_pct > _FULL_PCT:
        return HOT
    if load_pct > _WARM_PCT:
        return mixed(MUTED, WARM, (load_pct - _WARM_PCT) / 15)
    return MUTED


def _voltage_color(value_pu: float, low_pu: float, high_pu: float) -> str:
    if value_pu < low_pu - _EDGE_PU:
        return LOW
    if value_pu > high_pu + _EDGE_PU:
        return HIGH
    return GOOD


def _closed(setting: Setting, quarter: int) -> Booleans | None:
    return setting.of(quarter).closed


def _closed_of(grid: Grid, setting: Setting, situation: int) -> Booleans:
    closed = setting.of(situation).closed
    return grid.closed if closed is None else closed
