"""What a day, or the next hours, is expected to draw: quarters under several scenarios.

A scenario is the forecast's mean or one of its quantiles. Situations for the power flow are laid
out scenario by scenario:

```
 row      0 … Q-1      Q … 2Q-1     2Q … 3Q-1
 means    mean         low          high          of quarter row % Q
```
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from central.dso.grid.model import Floats, Grid, Integers, Phasors
from central.dso.powerflow import Flow, NotConverged, PowerFlow, Setting
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

MEAN = "mean"

_FEW, _ROWS_AT_ONCE = 8, 512


@dataclass(frozen=True, slots=True)
class Expectation:
    """Complex power expected at each node, load convention.

    Args:
        start_ms: first instant of the first quarter [ms since 1970, UTC].
        scenarios: their names; the first is the mean.
        drawn_va: shape (scenarios, quarters, nodes).
    """

    start_ms: int
    scenarios: tuple[str, ...]
    drawn_va: Phasors

    @property
    def quarters(self) -> int:
        """Return how many quarters there are."""
        return int(self.drawn_va.shape[1])

    @property
    def interval(self) -> Interval:
        """Return when it is, from the first quarter's start to the last one's end."""
        return Interval(self.start_ms, self.start_ms + self.quarters * QUARTER_MS)

    @property
    def situations_va(self) -> Phasors:
        """Return the power drawn in each situation, shape (scenarios * quarters, nodes)."""
        return self.drawn_va.reshape(-1, self.drawn_va.shape[-1])

    def quarter_of(self, situation: int) -> int:
        """Return the number of a situation's quarter, from 0."""
        return situation % self.quarters

    def scenario_of(self, situation: int) -> str:
        """Return the name of a situation's scenario."""
        return self.scenarios[situation // self.quarters]

    def told(self, situation: int) -> str:
        """Return a situation in words."""
        return f"quarter {self.quarter_of(situation)} under {self.scenario_of(situation)}"

    def interval_of(self, quarter: int) -> Interval:
        """Return when a quarter is."""
        start_ms = self.start_ms + quarter * QUARTER_MS
        return Interval(start_ms, start_ms + QUARTER_MS)


def expected(
    grid: Grid,
    start_ms: int,
    power_w: Mapping[str, Floats],
    reactive_var: Mapping[str, Floats] | None = None,
) -> Expectation:
    """Return what points of delivery draw, summed at their nodes.

    Args:
        grid: tells which POD is where, and its usual reactive power.
        start_ms: first instant of the first quarter.
        power_w: for each scenario, `mean` first, shape (pods, quarters), load convention.
        reactive_var: the same in var, for the scenarios where it is known.

    Raises:
        Rejected: `bad_shape`, `not_finite`, or `no_mean`.
    """
    if next(iter(power_w), "") != MEAN:
        raise Rejected("the first scenario must be the mean", where=grid.name, reason="no_mean")
    known = reactive_var or {}
    nodes = [
        _at_nodes(grid, name, of_pods_w, known.get(name)) for name, of_pods_w in power_w.items()
    ]
    return Expectation(start_ms, tuple(power_w), np.stack(nodes))


def _at_nodes(grid: Grid, name: str, power_w: Floats, reactive_var: Floats | None) -> Phasors:
    if reactive_var is None:
        reactive_var = power_w * grid.tan_phi[: len(power_w), None]
    for values in (power_w, reactive_var):
        if len(values) != len(grid.pods):
            raise Rejected(
                f"scenario {name} is for {len(values)} PODs, the grid has {len(grid.pods)}",
                where=grid.name,
                reason="bad_shape",
            )
        if len(bad := np.argwhere(~np.isfinite(values))):
            pod, quarter = bad[0]
            raise Rejected(
                f"scenario {name} has no number for quarter {quarter}",
                where=f"pod {grid.pods[pod]}",
                reason="not_finite",
            )
    drawn: Phasors = grid.at_nodes(power_w.T) + 1j * grid.at_nodes(reactive_var.T)
    return drawn


def solved(
    power_flow: PowerFlow, expectation: Expectation, setting: Setting, *, partial: bool = False
) -> Flow:
    """Return the flow of all quarters under all scenarios, each quarter with its setting.

    Args:
        power_flow: of the grid.
        expectation: what is drawn.
        setting: one for all quarters, or one row for each quarter.
        partial: see `PowerFlow.solve`.

    Raises:
        NotConverged: some situation has no solution; it names quarter and scenario.
    """
    rows = every_scenario(setting, len(expectation.scenarios))
    try:
        return power_flow.solve(expectation.situations_va, rows, partial=partial)
    except NotConverged as error:
        raise error.calling(expectation.told) from error


def solved_under(
    power_flow: PowerFlow,
    expectation: Expectation,
    settings: Iterable[Setting],
    *,
    partial: bool = False,
) -> Iterator[Flow]:
    """Yield the flow under each setting; all settings say something of the same means.

    Where situations are few many settings go to the engine at once, for a call costs as much as
    ten small power flows; where they are many each goes alone, for then the engine builds its
    matrices but once.

    Raises:
        NotConverged: some situation has no solution.
    """
    waiting, count = iter(settings), len(expectation.situations_va)
    at_once = _ROWS_AT_ONCE // count if count <= _FEW else 1
    while together := list(islice(waiting, at_once)):
        rows = [every_scenario(one, len(expectation.scenarios)) for one in together]
        drawn_va = np.tile(expectation.situations_va, (len(together), 1))
        flow = power_flow.solve(drawn_va, _stacked(rows, count), partial=True)
        for number, setting in enumerate(together):
            found = flow.part(slice(number * count, (number + 1) * count))
            if not (partial or found.solved.all()):
                found = solved(power_flow, expectation, setting)
            yield found


def _stacked(settings: Sequence[Setting], count: int) -> Setting:
    """Return settings for `count` situations each as one, row by row."""
    if len(settings) == 1:
        return settings[0]
    rows: dict[str, Any] = {
        name: np.concatenate(
            [np.broadcast_to(getattr(one, name), (count, first.shape[-1])) for one in settings]
        )
        for name in ("tap_pos", "closed", "capacitor_steps")
        if (first := getattr(settings[0], name)) is not None
    }
    if settings[0].source_pu is not None:
        rows["source_pu"] = np.concatenate([one.source_pu for one in settings])
    return Setting(**rows)


def situations_of(
    expectation: Expectation, setting: Setting, chosen: Integers
) -> tuple[Expectation, Setting]:
    """Return some situations as quarters of one scenario, each with its setting.

    What is left tells no time: it is for trying, not for telling.
    """
    rows = every_scenario(setting, len(expectation.scenarios))
    picked: dict[str, Any] = {
        name: value[chosen]
        for name in ("tap_pos", "closed", "capacitor_steps", "source_pu")
        if (value := getattr(rows, name)) is not None and (value.ndim > 1 or name == "source_pu")
    }
    drawn_va = expectation.situations_va[chosen]
    return Expectation(expectation.start_ms, (MEAN,), drawn_va[None]), replace(rows, **picked)


def every_scenario(setting: Setting, scenarios: int) -> Setting:
    """Return a setting given quarter by quarter for the situations of all scenarios."""
    rows = {
        name: np.concatenate([value] * scenarios)
        for name in ("tap_pos", "closed", "capacitor_steps")
        if (value := getattr(setting, name)) is not None and value.ndim == 2  # noqa: PLR2004
    }
    if setting.source_pu is not None:
        rows["source_pu"] = np.concatenate([setting.source_pu] * scenarios)
    return replace(setting, **rows)
