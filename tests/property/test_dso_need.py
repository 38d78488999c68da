"""On any feeder the need is enough and minimal, and what it leaves open nobody can close."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st

from central.dso.assessment import assess
from central.dso.excess import excess_pu
from central.dso.expectation import expected
from central.dso.grid.model import Floats
from central.dso.limits import NO_MARGIN, Bound, Limits
from central.dso.powerflow import NotConverged, PowerFlow, Setting
from central.dso.requesting import ACCURACY_PU, Need, Resources, size_need
from tests.grids import feeder

QUARTERS = 3
FEEDERS = st.fixed_dictionaries(
    {
        "nodes": st.integers(5, 16),
        "seed": st.integers(0, 10_000),
        "rings": st.integers(0, 2),
        "length_km": st.floats(0.5, 6.0),
        "rating_a": st.floats(60.0, 400.0),
    }
)


def sized(
    shape: dict[str, float], *, mean_w: float, most_w: float, reactive_share: float
) -> tuple[PowerFlow, Setting, Need]:
    """Return the need of a random feeder with all rings closed and a tap that moves."""
    grid = feeder(**shape)  # type: ignore[arg-type]
    draw = np.random.default_rng(int(shape["seed"]))
    pods = len(grid.pods)
    setting = Setting(
        tap_pos=draw.integers(-1, 2, (QUARTERS, 1)), closed=np.ones(len(grid.branches), dtype=bool)
    )
    power_w = mean_w * draw.uniform(0.2, 1.8, (pods, QUARTERS))
    power_flow = PowerFlow(grid)
    day = expected(grid, 0, {"mean": power_w, "p95": power_w * 1.2})
    most = draw.uniform(0.2, 1.0, (QUARTERS, pods)) * most_w
    offered = Resources.of(
        grid.pod_node, most, most * 0.7, weight=draw.uniform(0.5, 2.0, pods),
        tan_phi=grid.tan_phi, reactive_var=most * reactive_share,
        reactive_weight=draw.uniform(0.5, 2.0, pods),
    )  # fmt: skip
    try:
        assessment = assess(power_flow, day, setting=setting, margin=NO_MARGIN)
    except NotConverged:
        reject()
    assume(assessment.congestions)
    return power_flow, setting, size_need(power_flow, assessment, offered, confidence=0.95)


def excess_with(power_flow: PowerFlow, setting: Setting, need: Need, scale: float) -> Floats:
    """Return what is broken when a share of the need is met, by an AC power flow of its own."""
    expectation, offered = need.assessment.expectation, need.resources
    assert setting.tap_pos is not None
    more_w = need.at_nodes(need.down_w - need.up_w)
    more_var = need.at_nodes((need.down_w - need.up_w) * offered.tan_phi + need.reactive_var)
    drawn_va = expectation.drawn_va + scale * (more_w + 1j * more_var)
    twice = replace(setting, tap_pos=np.concatenate([setting.tap_pos] * 2))
    flow = power_flow.solve(drawn_va.reshape(2 * QUARTERS, -1), twice, exact=True)
    return excess_pu(flow, Limits.of(power_flow.grid, NO_MARGIN))


@settings(max_examples=40, deadline=None)
@given(
    FEEDERS,
    st.sampled_from([3e5, 6e5, -3e5, -6e5]),
    st.sampled_from([2e6, 4e6]),
    st.sampled_from([0.0, 0.3]),
)
def test_what_is_asked_for_is_enough_and_no_smaller_need_would_be(
    shape: dict[str, float], mean_w: float, most_w: float, reactive_share: float
) -> None:
    power_flow, setting, need = sized(
        shape, mean_w=mean_w, most_w=most_w, reactive_share=reactive_share
    )
    assume(need.settled.all())
    assume(not need.residual)
    assert (excess_with(power_flow, setting, need, 1.0) <= 1e-9).all()
    for scale in (0.99, 0.9, 0.5):
        less = excess_with(power_flow, setting, need, scale).reshape(2, QUARTERS, -1)
        needed = need.rounds > 0
        assert (less.max(axis=(0, 2))[needed] > 0).all()


@settings(max_examples=25, deadline=None)
@given(FEEDERS, st.sampled_from([4e5, 8e5, -8e5]))
# One limit ends at 9e-7 pu beyond: less than what is called a residual.
@example({"nodes": 10, "seed": 10, "rings": 2, "length_km": 0.734375, "rating_a": 60.0}, 8e5)
def test_what_is_left_open_is_less_than_before_and_nobody_could_do_more(
    shape: dict[str, float], mean_w: float
) -> None:
    power_flow, setting, need = sized(shape, mean_w=mean_w, most_w=6e4, reactive_share=0.0)
    assume(need.settled.all())
    after = np.maximum(excess_with(power_flow, setting, need, 1.0), 0)
    before = np.maximum(excess_with(power_flow, setting, need, 0.0), 0)
    listed = {(one.situation, one.bound.is_voltage, one.element) for one in need.residual}
    assert len(listed) == (after > ACCURACY_PU).sum()
    assert (after.sum(axis=1) <= before.sum(axis=1) + 1e-9).all()
    for quarter in range(QUARTERS):
        assert still_to_gain(need, quarter) <= 5e-5


def still_to_gain(need: Need, quarter: int) -> float:
    """Return what all resources together could still save by the worth of the limits, at most.

    As a share of what is paid, for resources and for limits that stay broken: 0 at an optimum,
    by the duality of linear programmes.
    """
    offered = need.resources
    worth, paid = np.zeros(len(offered.node)), 0.0
    for each in need.constraints:
        if each.quarter == quarter:
            rises = -1.0 if each.bound is Bound.UNDERVOLTAGE else 1.0
            unit = 100.0 if each.bound.is_voltage else 1.0
            per_w = each.per_w[offered.node] + offered.tan_phi * each.per_var[offered.node]
            worth += each.worth * unit * rises * per_w
            paid += each.worth * unit * max(rises * (each.value - each.limit), 0.0)
    gain = 0.0
    for saved, asked_w, most_w in (
        (worth - offered.weight, need.up_w[quarter], offered.up_w[quarter]),
        (-worth - offered.weight, need.down_w[quarter], offered.down_w[quarter]),
    ):
        paid += float(offered.weight @ asked_w)
        gain += float(np.maximum(saved * (most_w - asked_w), -saved * asked_w).sum())
    return gain / max(paid, 1.0)
