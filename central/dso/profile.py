"""The load profile of the primary substations (DA-8a, DA-15a, RT-6a, RT-13a, I-12).

What the transformers take from the transmission grid, quarter by quarter: before the TSO asks
for anything, with the DSO's own activation in it, since otherwise the TSO would buy the same
relief twice; and once more after the market and its validation, with what is approved and what
comes back of it later.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from central.dso.expectation import Expectation
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.powerflow import AS_BUILT, Flow, PowerFlow, Setting
from ledger.errors import InvariantBroken
from ledger.facts.interval import Interval

Stage = Literal["before_tso_request", "after_validation"]

MOST_RESIDUAL_W = 1.0


@dataclass(frozen=True, slots=True)
class SubstationProfile:
    """The profile of all primary substations of a grid.

    Args:
        stage: which of the two.
        intervals: the quarters.
        transformers: name of the substation and of the transformer.
        power_w, reactive_var: into each transformer at its high side, positive from the
            transmission grid into the distribution grid, shape (transformers, quarters).
        load_w, generation_w: sums over the nodes that take and that give, the activation in them,
            0 or more, shape (quarters).
        losses_w: active losses of the whole grid, shape (quarters).
        residual_w: supplied less drawn less losses, the losses summed branch by branch by our own
            matrices, shape (quarters): how far the account is from closing.
    """

    stage: Stage
    intervals: tuple[Interval, ...]
    transformers: tuple[tuple[str, str], ...]
    power_w: Floats
    reactive_var: Floats
    load_w: Floats
    generation_w: Floats
    losses_w: Floats
    residual_w: Floats


def substation_profile(
    power_flow: PowerFlow,
    expectation: Expectation,
    stage: Stage,
    *,
    setting: Setting = AS_BUILT,
    activated_va: Phasors | None = None,
) -> SubstationProfile:
    """Return what the primary substations take under the mean scenario.

    Args:
        power_flow: of the grid.
        expectation: what is drawn without any activation.
        stage: which profile this is.
        setting: one for all quarters, or one row for each.
        activated_va: what flexibility changes at each node, load convention (UP is negative),
            shape (quarters, nodes).

    Raises:
        NotConverged: a quarter has no solution.
        InvariantBroken: supply, load and losses do not close to 1 W.
    """
    grid = power_flow.grid
    drawn_va = expectation.drawn_va[0]
    if activated_va is not None:
        drawn_va = drawn_va + activated_va
    flow = power_flow.solve(drawn_va, setting, exact=True)
    drawn_va = np.where(flow.voltage_pu == 0, 0, drawn_va)  # what nothing feeds draws nothing
    losses_w = _losses_w(grid, setting, flow)
    residual_w = flow.source_va.real.sum(axis=1) - drawn_va.real.sum(axis=1) - losses_w
    if (worst := int(np.argmax(np.abs(residual_w)))) >= 0 and (
        abs(residual_w[worst]) > MOST_RESIDUAL_W
    ):
        raise InvariantBroken(
            f"supply, load and losses of quarter {worst} differ by {residual_w[worst]:.3g} W",
            where=grid.name,
            remedy="engine and admittance matrices disagree: do not publish this profile",
        )
    named = [(each.name, t) for each in grid.substations for t in each.transformers]
    through_va = flow.from_va[:, [t for _, t in named]].T
    return SubstationProfile(
        stage,
        tuple(expectation.interval_of(quarter) for quarter in range(expectation.quarters)),
        tuple((station, grid.branches[t].name) for station, t in named),
        through_va.real.copy(),
        through_va.imag.copy(),
        np.maximum(drawn_va.real, 0).sum(axis=1),
        np.maximum(-drawn_va.real, 0).sum(axis=1),
        losses_w,
        residual_w,
    )


def _losses_w(grid: Grid, setting: Setting, flow: Flow) -> Floats:
    """Return the active power that branches and shunts take, by our own matrices."""
    given = (
        setting.of(row).admittance(grid).injected_va(u_pu).real.sum()
        for row, u_pu in enumerate(flow.u_pu)
    )
    return np.fromiter(given, dtype=np.float64, count=len(flow.solved))
