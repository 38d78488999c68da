"""On any feeder: validation never accepts a violation, and never refuses without one."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from central.dso.delivering import NO_REBOUND, Cases, Rebound, Taken, usual_scenarios
from central.dso.excess import excess_pu
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Limits
from central.dso.powerflow import PowerFlow
from central.dso.validation import validate
from tests.grids import feeder, loads_va

QUARTERS = 3
BESIDE = ("p05", "p95")
WORSE_PU = 1e-5


def drawn(
    seed: int, nodes: int, length_km: float, rating_a: float, *, mean_w: float,
    beside: tuple[float, ...],
) -> tuple[Grid, Phasors]:  # fmt: skip
    """Return a feeder and forecasts of what is drawn there, within limits or already beyond."""
    grid = feeder(nodes, seed=seed, length_km=length_km, rating_a=rating_a)
    mean_va = loads_va(grid, situations=QUARTERS, seed=seed, mean_w=mean_w)
    return grid, np.stack([mean_va, *(height * mean_va for height in beside)])


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


def worse_pu(power_flow: PowerFlow, forecasts_va: Phasors, taken: Taken, names: Taken) -> Floats:
    """Return how much worse than without offers each limit of each situation is [pu].

    The scenarios are those of the whole list, also where nothing of an offer is left.
    """
    limits = Limits.of(power_flow.grid)
    scenarios = usual_scenarios(power_flow.grid, names, beside=BESIDE[: len(forecasts_va) - 1])
    cases = Cases.of(power_flow.grid, taken, scenarios)
    row = cases.forecast * QUARTERS + cases.quarter
    drawn_va = np.concatenate(forecasts_va)
    flow = power_flow.solve(drawn_va[row] + cases.changed_va, exact=True)
    before = excess_pu(power_flow.solve(drawn_va, exact=True), limits)
    worse: Floats = excess_pu(flow, limits) - np.maximum(before, 0)[row]
    return worse


GRIDS = st.builds(
    drawn,
    st.integers(0, 10_000),
    st.integers(5, 14),
    st.floats(0.5, 5.0),
    st.floats(60.0, 300.0),
    mean_w=st.sampled_from([5e4, 1.5e5, 4e5]),
    beside=st.sampled_from([(), (0.5, 1.4)]),
)


@settings(max_examples=60, deadline=None)
@given(
    GRIDS, st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([1e5, 1e6, 4e6]),
    st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_never_a_violation_and_never_a_refusal_without_one(
    made: tuple[Grid, Phasors], seed: int, count: int, most_w: float, returning: float
) -> None:
    grid, forecasts_va = made
    power_flow = PowerFlow(grid)
    taken = offers(grid, seed, count, most_w, returning=returning)
    found = validate(
        power_flow, forecasts_va[0], taken, Limits.of(grid),
        beside=dict(zip(BESIDE, forecasts_va[1:], strict=False)),
    )  # fmt: skip
    assert ((found.accepted_w >= 0) & (found.accepted_w <= taken.power_w)).all()
    kept = replace(taken, power_w=found.accepted_w)
    assert worse_pu(power_flow, forecasts_va, kept, taken).max() <= WORSE_PU
    cut = {(each.offer, each.quarter) for each in found.cuts}
    assert cut == {(k, q) for k, q in np.argwhere(found.accepted_w < taken.power_w).tolist()}
    for each in found.cuts if found.is_largest else ():
        # A little more of it, and only of it, and the limit that was named is the one that goes.
        power_w = found.accepted_w.copy()
        power_w[each.offer, each.quarter] += 0.05 * taken.power_w[each.offer, each.quarter] + 5e3
        more = worse_pu(power_flow, forecasts_va, replace(taken, power_w=power_w), taken)
        assert more.max() > 0
        assert each.scenario in found.scenarios
