"""No violation is accepted, and nothing is refused without a limit that stands against it."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso import relief
from central.dso.delivering import Cases, Rebound, Scenario, Taken, usual_scenarios
from central.dso.excess import excess_pu
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import Bound, Limits, violations
from central.dso.powerflow import NotConverged, PowerFlow, Setting
from central.dso.validation import Validation, validate
from ledger.errors import Rejected
from tests.grids import feeder, loads_va

GRID = feeder(12, seed=1, length_km=5.0)
FLOW = PowerFlow(GRID)
LIMITS = Limits.of(GRID)
QUIET_VA = loads_va(GRID, situations=4, mean_w=1.5e5)


def offers(power_w: Floats, *pods: int, is_up: bool = False, grid: Grid = GRID) -> Taken:
    """Return one offer for each POD, by default to draw more."""
    return Taken.of(
        grid, [f"offer-{pod}" for pod in pods], [grid.pods[pod] for pod in pods],
        is_up=np.full(len(pods), is_up), power_w=power_w,
    )  # fmt: skip


def worst_pu(found: Validation, drawn_va: Phasors, limits: Limits = LIMITS) -> Floats:
    """Return how much worse every limit is than without offers, in all scenarios [pu]."""
    taken = replace(found.taken, power_w=found.accepted_w)
    cases = Cases.of(GRID, taken, usual_scenarios(GRID, taken))
    flow = FLOW.solve(drawn_va[cases.quarter] + cases.changed_va, exact=True)
    before = excess_pu(FLOW.solve(drawn_va, exact=True), limits)
    return excess_pu(flow, limits) - np.maximum(before, 0)[cases.quarter]


def test_what_the_grid_bears_is_accepted_whole() -> None:
    taken = offers(np.full((2, 4), 1e4), 3, 7)
    found = validate(FLOW, QUIET_VA, taken, LIMITS)
    assert (found.accepted_w == taken.power_w).all()
    assert found.cuts == ()
    assert found.residual == ()
    assert found.is_largest
    assert found.scenarios[0] == "delivered"


def test_what_is_too_much_is_cut_to_what_just_holds() -> None:
    taken = offers(np.array([[1e4, 3e6, 3e6, 1e4]]), 9)
    found = validate(FLOW, QUIET_VA, taken, LIMITS)
    assert [cut.quarter for cut in found.cuts] == [1, 2]
    assert worst_pu(found, QUIET_VA).max() <= 1e-9
    for cut in found.cuts:
        assert cut.offered_w == 3e6
        assert cut.accepted_w == found.accepted_w[0, cut.quarter]
        assert cut.scenario == "all at 1.1"
        assert cut.binding.situation == cut.quarter
        assert cut.binding.value == pytest.approx(cut.binding.limit, rel=2e-5)
    more = replace(found.taken, power_w=found.accepted_w + np.array([[0, 2e3, 2e3, 0]]))
    assert validate(FLOW, QUIET_VA, more, LIMITS).cuts


def test_the_limit_that_binds_is_named_with_its_kind() -> None:
    tight = feeder(12, seed=1, length_km=0.5, rating_a=60.0)
    taken = offers(np.full((2, 4), 4e6), 9, 2, grid=tight)
    found = validate(PowerFlow(tight), QUIET_VA, taken, Limits.of(tight))
    assert {cut.binding.bound for cut in found.cuts} == {Bound.LINE}
    names = {cut.binding.name(tight) for cut in found.cuts}
    assert names <= {branch.name for branch in tight.branches}


def test_an_offer_that_leans_on_another_is_cut_for_the_day_the_other_fails() -> None:
    """UP at N7 makes room for DOWN behind it, at N11: if it fails, DOWN is too much."""
    power_w = np.full((2, 4), 1.5e6)
    both = Taken.of(
        GRID, ["down", "up"], [GRID.pods[9], GRID.pods[5]],
        is_up=np.array([False, True]), power_w=power_w,
    )  # fmt: skip
    found = validate(FLOW, QUIET_VA, both, LIMITS)
    naive = FLOW.solve(QUIET_VA + both.changed_va(GRID, power_w))
    assert not violations(GRID, naive, LIMITS)
    down = [cut for cut in found.cuts if cut.offer == 0]
    assert len(down) == 4
    assert {cut.scenario for cut in down} == {f"nothing at {GRID.nodes[both.node[1]].name}"}
    assert worst_pu(found, QUIET_VA).max() <= 1e-9


def test_what_cures_a_limit_is_accepted_though_it_does_not_cure_it_whole() -> None:
    drawn_va = loads_va(GRID, situations=4, mean_w=7e5)
    before = violations(GRID, FLOW.solve(drawn_va), LIMITS)
    assert before
    taken = offers(np.full((2, 4), 5e4), 8, 9, is_up=True)
    found = validate(FLOW, drawn_va, taken, LIMITS)
    assert (found.accepted_w == taken.power_w).all()
    assert 0 < len(found.residual) <= len(before)
    assert {one.situation for one in found.residual} <= set(range(4))


def test_what_makes_a_broken_limit_worse_is_refused() -> None:
    drawn_va = loads_va(GRID, situations=4, mean_w=7e5)
    broken = {one.situation for one in violations(GRID, FLOW.solve(drawn_va), LIMITS)}
    taken = offers(np.full((1, 4), 1e5), 9)
    found = validate(FLOW, drawn_va, taken, LIMITS)
    for quarter in broken:
        assert found.accepted_w[0, quarter] < 2e3  # 1e-5 pu
    assert worst_pu(found, drawn_va).max() <= 1.1e-5
    assert {cut.binding.bound for cut in found.cuts} <= {Bound.UNDERVOLTAGE, Bound.LINE}


def test_what_comes_back_later_is_held_against_the_offer() -> None:
    """UP in a quiet quarter is harmless, but what it shifts falls into a tight one."""
    drawn_va = np.stack([QUIET_VA[0] * factor for factor in (0.5, 0.5, 2.2, 0.5)])
    assert not violations(GRID, FLOW.solve(drawn_va), LIMITS)
    power_w = np.array([[0.0, 8e5, 0.0, 0.0]])
    plain = offers(power_w, 8, is_up=True)
    assert not validate(FLOW, drawn_va, plain, LIMITS).cuts
    shifting = replace(plain, rebounds=(Rebound(share=1.0, first=1, quarters=1),))
    found = validate(FLOW, drawn_va, shifting, LIMITS)
    (cut,) = found.cuts
    assert (cut.quarter, cut.binding.situation) == (1, 2)
    assert cut.scenario == "rebound of 1.1"
    assert 0 < cut.accepted_w < 8e5
    assert worst_pu(found, drawn_va).max() <= 1e-9


def test_offers_beyond_any_power_flow_are_cut_to_what_has_one() -> None:
    taken = offers(np.full((1, 4), 5e8), 9)
    with pytest.raises(NotConverged):
        FLOW.solve(QUIET_VA + taken.changed_va(GRID, taken.power_w))
    found = validate(FLOW, QUIET_VA, taken, LIMITS)
    assert (found.accepted_w > 1e5).all()
    assert worst_pu(found, QUIET_VA).max() <= 1e-9
    assert found.is_largest


def test_scenarios_are_the_callers_to_choose() -> None:
    taken = offers(np.full((1, 4), 3e6), 9)
    usual = validate(FLOW, QUIET_VA, taken, LIMITS)
    only = [Scenario("delivered", np.ones(1))]
    exact = validate(FLOW, QUIET_VA, taken, LIMITS, scenarios=only)
    assert exact.accepted_w == pytest.approx(usual.accepted_w * 1.1, rel=1e-4)
    assert exact.scenarios == ("delivered",)
    assert {cut.scenario for cut in exact.cuts} == {"delivered"}


def test_each_quarter_has_its_taps() -> None:
    taken = offers(np.full((1, 4), 3e6), 9)
    raised = Setting(tap_pos=np.array([[0], [-2], [0], [-2]]))
    found = validate(FLOW, QUIET_VA[[0, 0, 0, 0]], taken, LIMITS, setting=raised)
    assert found.accepted_w[0, 0] == pytest.approx(found.accepted_w[0, 2], rel=1e-4)
    assert found.accepted_w[0, 1] > found.accepted_w[0, 0] * 1.1


def test_a_search_that_does_not_end_cuts_rather_than_risks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relief, "MOST_ROUNDS", 0)
    monkeypatch.setattr(relief, "LAST_ROUNDS", 0)
    taken = offers(np.array([[1e4, 3e6, 3e6, 1e4]]), 9)
    found = validate(FLOW, QUIET_VA, taken, LIMITS)
    assert not found.is_largest
    assert found.accepted_w[0, [0, 3]].tolist() == [1e4, 1e4]
    assert (found.accepted_w[0, 1:3] < 2e6).all()
    assert worst_pu(found, QUIET_VA).max() <= 1e-9
    assert [cut.quarter for cut in found.cuts] == [1, 2]


def test_an_empty_list_is_valid() -> None:
    found = validate(FLOW, QUIET_VA, offers(np.zeros((0, 4))), LIMITS)
    assert found.cuts == ()
    assert found.is_largest


def test_a_rebound_of_nothing_is_valid() -> None:
    after = [Scenario("delivered", np.ones(0)), Scenario("rebound", np.ones(0), rebounds=True)]
    assert validate(FLOW, QUIET_VA, offers(np.zeros((0, 4))), LIMITS, scenarios=after).cuts == ()


def test_offers_for_another_day_are_refused() -> None:
    with pytest.raises(Rejected, match="for 3 quarters, the forecast for 4"):
        validate(FLOW, QUIET_VA, offers(np.ones((1, 3)), 9), LIMITS)
