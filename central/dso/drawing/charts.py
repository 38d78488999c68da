"""The day in lines: tap positions quarter by quarter, and the voltages without and with them."""

from collections.abc import Iterable

import numpy as np

from central.dso.assessment import Assessment
from central.dso.drawing.svg import GOOD, HIGH, INK, LOW, MUTED, WARM, Picture
from central.dso.grid.model import Floats, Grid
from central.dso.phases import PhaseAssessment
from central.dso.remedies.plan import Plan

_WIDTH, _LEFT, _RIGHT, _PANEL, _GAP, _HEAD = 900.0, 64.0, 24.0, 170.0, 46.0, 50.0
_QUARTERS_PER_HOUR = 4
_COLORS = (INK, WARM, LOW, HIGH, GOOD)


def tap_plan(grid: Grid, plan: Plan) -> str:
    """Return the plan of own means over the day: positions above, extreme voltages below."""
    quarters = plan.before.expectation.quarters
    picture = Picture(_WIDTH, _HEAD + 2 * (_PANEL + _GAP), f"own means of {grid.name}")
    picture.heading(_LEFT, 26, plan.reason)
    lanes = list(_lanes(plan, quarters))
    steps = np.array([positions for _, positions in lanes]) if lanes else np.zeros((1, quarters))
    panel = _Panel(picture, _HEAD, quarters, float(steps.min()) - 1, float(steps.max()) + 1)
    panel.axes("tap position, steps", [float(v) for v in np.unique(steps)])
    for (name, positions), color in zip(lanes, _COLORS, strict=False):
        panel.steps(positions, color)
        panel.name(name, positions, color)
    _voltages(picture, grid, plan, quarters)
    return picture.svg()


def phase_voltages(grid: Grid, assessed: PhaseAssessment) -> str:
    """Return how near each phase comes to either end of its band over the day, at its worst node.

    Bands differ between levels: 0 is the lower end, 1 the upper.
    """
    quarters = assessed.expectation.quarters
    picture = Picture(_WIDTH, _HEAD + _PANEL + _GAP, f"phases of {grid.name}")
    picture.heading(_LEFT, 26, f"three phases of {grid.name}, under every scenario")
    voltage_pu = np.abs(assessed.flow.u_pu)
    low_pu, high_pu = grid.low_pu[:, None], grid.high_pu[:, None]
    within = np.where(voltage_pu > 0, (voltage_pu - low_pu) / (high_pu - low_pu), np.nan)
    by_quarter = within.reshape(-1, quarters, *within.shape[1:])
    lowest, highest = np.nanmin(by_quarter, axis=(0, 2)), np.nanmax(by_quarter, axis=(0, 2))
    panel = _Panel(
        picture, _HEAD, quarters,
        min(-0.05, float(lowest.min())), max(1.05, float(highest.max())),
    )  # fmt: skip
    panel.axes("voltage within its band, worst nodes", [0.0, 0.5, 1.0])
    panel.band(0.0, 1.0)
    for phase, color in zip(range(3), (WARM, LOW, INK), strict=True):
        panel.steps(lowest[:, phase], color)
        panel.steps(highest[:, phase], color, dash="4 4", width=1.5)
        panel.name("abc"[phase], lowest[:, phase], color)
    picture.text(
        _LEFT, _HEAD + _PANEL + 34, "solid: lowest, dashed: highest of each phase", color=MUTED
    )
    return picture.svg()


def _lanes(plan: Plan, quarters: int) -> Iterable[tuple[str, Floats]]:
    """Yield each stepped device that moves, with its position in each quarter."""
    for name in dict.fromkeys(move.device for move in plan.moves if move.kind != "switch"):
        moves = [move for move in plan.moves if move.device == name]
        positions = np.full(quarters, float(moves[0].before))
        for move in moves:
            positions[move.quarter :] = move.after
        yield name, positions


def _voltages(picture: Picture, grid: Grid, plan: Plan, quarters: int) -> None:
    """Draw, of all nodes and scenarios, how near the voltage comes to either end of its band.

    Bands differ between levels: 0 is the lower end, 1 the upper.
    """
    lines = [(_extremes(grid, each, quarters)) for each in (plan.before, plan.after)]
    values = np.concatenate([line for pair in lines for line in pair])
    top = _HEAD + _PANEL + _GAP
    low, high = min(-0.05, float(values.min())), max(1.05, float(values.max()))
    panel = _Panel(picture, top, quarters, low, high)
    panel.axes("voltage within its band, worst nodes", [0.0, 0.5, 1.0])
    panel.band(0.0, 1.0)
    for (lowest, highest), dash, width in zip(lines, ("4 4", ""), (1.5, 2.5), strict=True):
        panel.steps(lowest, LOW, dash=dash, width=width)
        panel.steps(highest, HIGH, dash=dash, width=width)
    picture.text(
        _LEFT, top + _PANEL + 34,
        "dashed: without, solid: with own means; blue: lowest, red: highest",
        size=11, color=MUTED,
    )  # fmt: skip


def _extremes(grid: Grid, assessed: Assessment, quarters: int) -> tuple[Floats, Floats]:
    voltage_pu = assessed.flow.voltage_pu
    share = (voltage_pu - grid.low_pu) / (grid.high_pu - grid.low_pu)
    fed = np.where(voltage_pu > 0, share, np.nan)
    by_quarter = fed.reshape(-1, quarters, fed.shape[-1])
    return np.nanmin(by_quarter, axis=(0, 2)), np.nanmax(by_quarter, axis=(0, 2))


class _Panel:
    """A chart over the quarters of a day within a picture."""

    def __init__(
        self, picture: Picture, top: float, quarters: int, low: float, high: float
    ) -> None:
        self._picture, self._top, self._quarters = picture, top, quarters
        self._low, self._high = low, high

    def axes(self, title: str, marks: Iterable[float]) -> None:
        """Draw the frame: marks at the left, hours below."""
        bottom = self._top + _PANEL
        self._picture.text(_LEFT, self._top - 6, title, size=11, color=MUTED)
        for value in marks:
            y = self._y(value)
            self._picture.line(_LEFT, y, _WIDTH - _RIGHT, y)
            self._picture.text(_LEFT - 8, y + 4, f"{value:g}", size=10, color=MUTED, anchor="end")
        step = max(1, self._quarters // _QUARTERS_PER_HOUR // 8)
        for hour in range(0, self._quarters // _QUARTERS_PER_HOUR + 1, step):
            x = self._x(hour * _QUARTERS_PER_HOUR)
            self._picture.line(x, bottom, x, bottom + 4)
            self._picture.text(x, bottom + 16, f"{hour} h", size=10, color=MUTED, anchor="middle")

    def band(self, low: float, high: float) -> None:
        """Shade what is allowed."""
        top, bottom = self._y(high), self._y(low)
        self._picture.box(
            _LEFT, top, _WIDTH - _RIGHT - _LEFT, bottom - top, fill=GOOD, opacity=0.08
        )

    def steps(self, values: Floats, color: str, *, dash: str = "", width: float = 2.0) -> None:
        """Draw a value for each quarter."""
        points = [
            (self._x(quarter + end), self._y(float(value)))
            for quarter, value in enumerate(values)
            for end in (0, 1)
        ]
        self._picture.path(points, color, width, dash=dash)

    def name(self, words: str, values: Floats, color: str) -> None:
        """Write what a line is at its end."""
        self._picture.text(
            _WIDTH - _RIGHT, self._y(float(values[-1])) - 5, words, color=color, anchor="end"
        )

    def _x(self, quarter: float) -> float:
        return _LEFT + (_WIDTH - _RIGHT - _LEFT) * quarter / max(1, self._quarters)

    def _y(self, value: float) -> float:
        return self._top + _PANEL * (1 - (value - self._low) / (self._high - self._low))
