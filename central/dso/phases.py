"""Localisation phase by phase (DA-5a, RT-3a), where customers hang on one of three.

A limit is a congestion of the phase that does not keep it. The unbalance of the voltages is told
apart: it is of all three, and no flexibility request speaks of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from central.dso.assessment import Congestion, Distances, cause_of, dark
from central.dso.expectation import Expectation, every_scenario
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Bound, Limits, Margin
from central.dso.powerflow import Setting
from central.dso.unbalanced import (
    PhaseFlow,
    PhaseFlowSolver,
    PhaseViolation,
    of_phases,
    phase_violations,
)
from ledger.facts.interval import Interval

_PHASES = "abc"


@dataclass(frozen=True, slots=True)
class Unbalance:
    """A node whose three voltages differ too much: negative over positive sequence [%]."""

    element: str
    quarter: int
    interval: Interval
    scenario: str
    value_pct: float
    limit_pct: float


@dataclass(frozen=True, slots=True)
class PhaseAssessment:
    """What was found.

    Args:
        expectation: what was assessed, all three phases together.
        setting: with which taps and switches.
        margin: what was kept free.
        flow: all situations.
        congestions: by situation, each of one phase.
        unbalances: by situation.
        unfed: nodes that nothing feeds in some quarter, with the switches as they are.
        cut_off: as in `Assessment`; outages are not tried phase by phase.
    """

    expectation: Expectation
    setting: Setting
    margin: Margin
    flow: PhaseFlow
    congestions: tuple[Congestion, ...]
    unbalances: tuple[Unbalance, ...]
    unfed: tuple[str, ...] = ()
    cut_off: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether every limit holds in every phase, the unbalance as well."""
        return not (self.congestions or self.unbalances)


def assess_phases(
    solver: PhaseFlowSolver,
    expectation: Expectation,
    power_w: Mapping[str, Floats],
    *,
    setting: Setting,
    margin: Margin,
) -> PhaseAssessment:
    """Return every congestion of every phase, quarter and scenario.

    Args:
        solver: of the grid.
        expectation: what is drawn at the nodes.
        power_w: the same by POD, for each scenario of the expectation, shape (pods, quarters).
        setting: one for all quarters, or one row for each quarter.
        margin: what to keep free of every limit.

    Raises:
        Rejected: `not_converged`: a situation has no solution; quarter and scenario are named.
    """
    grid = solver.grid
    rows = every_scenario(setting, len(expectation.scenarios))
    flow = solver.solve(_drawn_va(grid, expectation, power_w), rows, expectation.told)
    broken = phase_violations(grid, flow, Limits.of(grid, margin))
    unfed = tuple(grid.nodes[node].name for node in sorted(dark(grid, setting)))
    return PhaseAssessment(
        expectation,
        setting,
        margin,
        flow,
        tuple(_congestions(grid, expectation, setting, flow, broken)),
        tuple(_unbalances(expectation, broken)),
        unfed,
    )


def _drawn_va(grid: Grid, expectation: Expectation, power_w: Mapping[str, Floats]) -> Phasors:
    """Return what is drawn at nodes and phases, shape (situations, nodes, 3)."""
    of_pods_w = np.concatenate([power_w[name].T for name in expectation.scenarios])
    active_w, reactive_var = (of_phases(grid, of_pods_w * by) for by in (1.0, grid.tan_phi))
    drawn_va: Phasors = active_w + 1j * reactive_var
    return drawn_va


def _congestions(
    grid: Grid,
    expectation: Expectation,
    setting: Setting,
    flow: PhaseFlow,
    broken: list[PhaseViolation],
) -> Iterator[Congestion]:
    distances = Distances(grid, setting)
    for each in broken:
        if not each.phase:
            continue
        bound = _bound(grid, each)
        place = (grid.node if bound.is_voltage else grid.branch)(each.element)
        phase = _PHASES.index(each.phase)
        from_w = 0.0 if bound.is_voltage else float(flow.from_w[each.situation, place, phase])
        quarter = expectation.quarter_of(each.situation)
        yield Congestion(
            element=each.element,
            bound=bound,
            quarter=quarter,
            interval=expectation.interval_of(quarter),
            scenario=expectation.scenario_of(each.situation),
            value=each.value,
            limit=each.limit,
            cause=cause_of(grid, bound, place, from_w, distances.in_quarter(quarter)),
            phase=each.phase,
        )


def _bound(grid: Grid, broken: PhaseViolation) -> Bound:
    if broken.what != "current":
        return Bound(broken.what)
    lines = grid.spans["line"]
    is_line = lines.start <= grid.branch(broken.element) < lines.stop
    return Bound.LINE if is_line else Bound.TRANSFORMER


def _unbalances(expectation: Expectation, broken: list[PhaseViolation]) -> Iterator[Unbalance]:
    for each in broken:
        if each.what == "unbalance":
            quarter = expectation.quarter_of(each.situation)
            yield Unbalance(
                each.element,
                quarter,
                expectation.interval_of(quarter),
                expectation.scenario_of(each.situation),
                each.value,
                each.limit,
            )
