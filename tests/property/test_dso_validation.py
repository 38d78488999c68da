"""On any feeder: validation never accepts a violation, and never refuses without one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from central.dso.delivering import (
    NO_REBOUND,
    Cases,
    Rebound,
    Scenario,
    Taken,
    usual_scenarios,
)
from central.dso.excess import excess_pu
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Bound, Limits
from central.dso.powerflow import PowerFlow
from central.dso.validation import Cut, validate
from tests.grids import feeder, loads_va

QUARTERS = 3
WORSE_PU = 1e-5


def drawn(seed: int, nodes: int, length_km: float, rating_a: float, mean_w: float) -> tuple[
    Grid, Phasors
]:  # fmt: skip
    """Return a feeder and what is drawn there, well within limits or already beyond them."""
    grid = feeder(nodes, seed=seed, length_km=length_km, rating_a=rating_a)
    return grid, loads_va(grid, situations=QUARTERS, seed=seed, mean_w=mean_w)


def offers(grid: Grid, seed: int, count: int, most_w: float, *, returning: float) -> Taken:
    draw = np.random.default_rng(seed)
    rebounds = [Rebound(0.6, 1, 2) if draw.random() < returning else NO_REBOUND
                for _ in range(count)]  # fmt: skip
    power_w = draw.uniform(0, most_w, (count, QUARTERS)) * (draw.random((count, QUARTERS)) < 0.7)
    return Taken.of(
        grid, [f"offer-{k}" for k in range(count)],
        [grid.pods[k] for k in draw.integers(0, len(grid.pods), count)],
        is_up=draw.random(count) < 0.4, power_w=power_w, rebounds=rebounds,
    )  # fmt: skip


def worse_pu(
    power_flow: PowerFlow, drawn_va: Phasors, taken: Taken, scenarios: Sequence[Scenario]
) -> tuple[Cases, Floats]:
    """Return situations, and how much worse than without offers each limit of each is [pu]."""
    limits = Limits.of(power_flow.grid)
    cases = Cases.of(power_flow.grid, taken, scenarios)
    flow = power_flow.solve(drawn_va[cases.quarter] + cases.changed_va, exact=True)
    before = excess_pu(power_flow.solve(drawn_va, exact=True), limits)
    return cases, excess_pu(flow, limits) - np.maximum(before, 0)[cases.quarter]


def named(grid: Grid, cases: Cases, cut: Cut, names: Sequence[str]) -> tuple[int, int]:
    """Return the situation and the column of the limit that a cut names."""
    here = cases.quarter == cut.binding.situation
    at = here & (cases.scenario == names.index(cut.scenario))
    if not at.any():  # then it is the same as that in which all deliver
        at = here & (cases.scenario == 0)
    sides = {Bound.UNDERVOLTAGE: 0, Bound.OVERVOLTAGE: len(grid.nodes)}
    first = sides.get(cut.binding.bound, 2 * len(grid.nodes))
    return int(np.flatnonzero(at)[0]), first + cut.binding.element


GRIDS = st.builds(
    drawn,
    st.integers(0, 10_000),
    st.integers(5, 14),
    st.floats(0.5, 5.0),
    st.floats(60.0, 300.0),
    st.sampled_from([5e4, 1.5e5, 4e5]),
)


@settings(max_examples=60, deadline=None)
@given(
    GRIDS, st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([1e5, 1e6, 4e6]),
    st.sampled_from([0.0, 0.5]),
)  # fmt: skip
# Where 4 MW are missing, a weak effect is for a limit that it is against where all deliver.
@example(drawn(2276, 9, 1.0, 61.0, 4e5), 10, 6, 4e6, 0.5)
# What is offered has no power flow, and the first step back from none of it goes too far.
@example(drawn(6644, 10, 4.986239, 297.214304, 4e5), 9550, 8, 4e6, 0.5)
def test_never_a_violation_and_never_a_refusal_without_one(
    made: tuple[Grid, Phasors], seed: int, count: int, most_w: float, returning: float
) -> None:
    grid, drawn_va = made
    power_flow = PowerFlow(grid)
    taken = offers(grid, seed, count, most_w, returning=returning)
    found = validate(power_flow, drawn_va, taken, Limits.of(grid))
    scenarios = usual_scenarios(grid, taken)
    assert ((found.accepted_w >= 0) & (found.accepted_w <= taken.power_w)).all()
    kept = replace(taken, power_w=found.accepted_w)
    assert worse_pu(power_flow, drawn_va, kept, scenarios)[1].max() <= WORSE_PU
    cut = {(each.offer, each.quarter) for each in found.cuts}
    assert cut == {(k, q) for k, q in np.argwhere(found.accepted_w < taken.power_w).tolist()}
    for each in found.cuts if found.is_largest else ():
        # A little more of it, and only of it, and the limit that was named is the one that goes.
        power_w = found.accepted_w.copy()
        power_w[each.offer, each.quarter] += 0.05 * taken.power_w[each.offer, each.quarter] + 5e3
        more = replace(taken, power_w=power_w)
        cases, worse = worse_pu(power_flow, drawn_va, more, scenarios)
        assert worse[named(grid, cases, each, found.scenarios)] > 0


def test_a_limit_that_was_dear_once_does_not_hold_up_the_search_for_ever() -> None:
    grid, drawn_va = drawn(2578, 9, 3.12, 118.9, 5e4)
    taken = offers(grid, 2538, 4, 4e6, returning=0.0)
    assert validate(PowerFlow(grid), drawn_va, taken, Limits.of(grid)).is_largest
