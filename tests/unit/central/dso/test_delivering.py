"""Offers at their nodes, and the situations in which they deliver, or do not."""

import numpy as np
import pytest

from central.dso.delivering import (
    DELIVERED,
    NO_REBOUND,
    Cases,
    Rebound,
    Scenario,
    Taken,
    usual_scenarios,
)
from central.dso.grid.model import Floats, Phasors
from ledger.errors import Rejected
from tests.grids import feeder

GRID = feeder(8)


def taken(power_w: Floats, *rebounds: Rebound, is_up: tuple[bool, ...] = (True, False)) -> Taken:
    """Return two offers, at N2 and at N5."""
    return Taken.of(
        GRID, ["one", "two"], [GRID.pods[0], GRID.pods[3]], is_up=np.array(is_up),
        power_w=power_w, rebounds=rebounds or None,
    )  # fmt: skip


def in_case(cases: Cases, scenario: int, quarter: int, cut_w: Floats | None = None) -> Phasors:
    """Return what nodes draw more in a scenario of a quarter, by way of its levers."""
    row = np.flatnonzero((cases.scenario == scenario) & (cases.quarter == quarter))
    assert len(row) == 1
    cut = np.zeros(len(cases.offer)) if cut_w is None else cut_w
    changed = cases.changed_va + cases.levers.changed_va(cut)
    more: Phasors = changed[row[0]]
    return more


def test_up_draws_less_and_down_more_with_the_reactive_power_that_goes_with_it() -> None:
    offers = taken(np.array([[100.0, 0.0], [0.0, 50.0]]))
    changed_va = offers.changed_va(GRID, offers.power_w)
    assert changed_va[0, 2] == -100 * (1 + 0.3j)
    assert changed_va[1, 5] == 50 * (1 + 0.3j)
    assert np.count_nonzero(changed_va) == 2


def test_scenarios_are_all_too_much_and_each_node_missing() -> None:
    offers = taken(np.ones((2, 3)))
    names = [each.name for each in usual_scenarios(GRID, offers)]
    assert names == [DELIVERED, "all at 1.1", "nothing at N2", "nothing at N5"]
    with_rebound = taken(np.ones((2, 3)), Rebound(0.5), NO_REBOUND)
    names = [each.name for each in usual_scenarios(GRID, with_rebound, over=1.25)]
    assert names[:4] == [DELIVERED, "all at 1.25", "rebound", "rebound of 1.25"]


def test_offers_of_one_node_fail_together() -> None:
    offers = Taken.of(
        GRID, ["a", "b", "c"], [GRID.pods[0], GRID.pods[1], GRID.pods[0]],
        is_up=np.array([True, True, False]), power_w=np.ones((3, 1)),
    )  # fmt: skip
    missing = usual_scenarios(GRID, offers)[2]
    assert missing.factor.tolist() == [0.0, 1.0, 0.0]


def test_only_what_differs_is_a_situation() -> None:
    offers = taken(np.array([[100.0, 0.0, 0.0], [0.0, 50.0, 0.0]]))
    cases = Cases.of(GRID, offers, usual_scenarios(GRID, offers))
    found = [*zip(cases.quarter.tolist(), cases.scenario.tolist(), strict=True)]
    assert found == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 3), (2, 0)]
    assert [*zip(cases.offer.tolist(), cases.delivery.tolist(), strict=True)] == [(0, 0), (1, 1)]


def test_situations_are_deliveries_by_their_factors_less_what_is_cut() -> None:
    offers = taken(np.array([[100.0], [50.0]]))
    cases = Cases.of(GRID, offers, usual_scenarios(GRID, offers))
    unit = 1 + 0.3j
    assert in_case(cases, 0, 0)[[2, 5]] == pytest.approx([-100 * unit, 50 * unit])
    assert in_case(cases, 1, 0)[[2, 5]] == pytest.approx([-110 * unit, 55 * unit])
    assert in_case(cases, 2, 0)[[2, 5]] == pytest.approx([0, 50 * unit])
    cut_w = np.array([30.0, 50.0])
    assert in_case(cases, 0, 0, cut_w)[[2, 5]] == pytest.approx([-70 * unit, 0])
    assert in_case(cases, 1, 0, cut_w)[[2, 5]] == pytest.approx([-77 * unit, 0])


def test_what_comes_back_comes_back_later_and_evenly() -> None:
    power_w = np.zeros((2, 6))
    power_w[0, 1] = 100.0
    offers = taken(power_w, Rebound(share=0.8, first=2, quarters=2), NO_REBOUND)
    cases = Cases.of(GRID, offers, usual_scenarios(GRID, offers))
    names = [each.name for each in usual_scenarios(GRID, offers)]
    back = names.index("rebound")
    unit = 1 + 0.3j
    assert in_case(cases, back, 3)[2] == pytest.approx(40 * unit)
    assert in_case(cases, back, 4)[2] == pytest.approx(40 * unit)
    assert set(cases.quarter[cases.scenario == back].tolist()) == {3, 4}
    assert in_case(cases, back, 3, np.array([50.0]))[2] == pytest.approx(20 * unit)
    assert in_case(cases, names.index("rebound of 1.1"), 3)[2] == pytest.approx(44 * unit)


def test_what_would_come_back_after_the_last_quarter_is_left_out() -> None:
    offers = taken(np.array([[0.0, 100.0], [0.0, 0.0]]), Rebound(1.0, 1, 200), NO_REBOUND)
    cases = Cases.of(GRID, offers, usual_scenarios(GRID, offers))
    assert 2 not in cases.scenario


def test_quarters_are_parts_unless_something_comes_back() -> None:
    offers = taken(np.array([[100.0, 20.0], [0.0, 50.0]]))
    cases = Cases.of(GRID, offers, usual_scenarios(GRID, offers))
    first, second = cases.parts
    assert (len(first.cost), len(second.cost)) == (1, 2)
    assert second.most.tolist() == [20.0, 50.0]
    assert second.slopes_from.tolist() == [0] * len(second.situations)
    changed_va = cases.changed_va
    for part in (first, second):
        assert part.refuge is not None
        left = changed_va[part.situations] + part.levers.changed_va(part.refuge)
        assert np.abs(left).max() < 1e-9

    coupled = taken(np.array([[100.0, 20.0], [0.0, 50.0]]), Rebound(0.5, 1, 1), NO_REBOUND)
    (whole,) = Cases.of(GRID, coupled, usual_scenarios(GRID, coupled)).parts
    assert len(whole.cost) == 3
    quarter = Cases.of(GRID, coupled, usual_scenarios(GRID, coupled)).quarter
    assert (quarter[whole.slopes_from] == quarter).all()


def test_a_scenario_of_ones_own() -> None:
    offers = taken(np.array([[100.0], [50.0]]))
    scenarios = [Scenario(DELIVERED, np.ones(2)), Scenario("half", np.full(2, 0.5))]
    cases = Cases.of(GRID, offers, scenarios)
    assert in_case(cases, 1, 0)[2].real == pytest.approx(-50)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"pods": ["IT002E00000000", GRID.pods[0]]}, "unknown_pod"),
        ({"power_w": np.ones((3, 2))}, "bad_shape"),
        ({"power_w": np.array([[1.0], [-1.0]])}, "bad_power"),
        ({"power_w": np.array([[1.0], [np.nan]])}, "bad_power"),
        ({"power_w": np.array([[1.0], [np.inf]])}, "bad_power"),
        ({"rebounds": [Rebound(0.5, 0)] * 2}, "bad_rebound"),
        ({"rebounds": [Rebound(-0.5)] * 2}, "bad_rebound"),
    ],
)
def test_offers_that_make_no_sense_are_refused(wrong: dict[str, object], reason: str) -> None:
    good = {
        "pods": GRID.pods[:2], "is_up": np.array([True, True]), "power_w": np.ones((2, 1))
    } | wrong  # fmt: skip
    with pytest.raises(Rejected) as caught:
        Taken.of(GRID, ["a", "b"], **good)  # type: ignore[arg-type]
    assert caught.value.reason == reason


def test_what_lasts_of_deliveries_is_less_what_comes_back_of_them() -> None:
    power_w = np.zeros((2, 6))
    power_w[0, 1], power_w[1, 2] = 100.0, 60.0
    offers = taken(power_w, Rebound(share=0.8, first=2, quarters=2), Rebound(0.5, 3, 3))
    np.testing.assert_allclose(offers.back_w(power_w), [[0, 0, 0, 40, 40, 0], [0, 0, 0, 0, 0, 10]])
    lasting_va = offers.lasting_va(GRID, power_w)
    unit = 1 + 0.3j
    assert lasting_va[:, 2] == pytest.approx([0, -100 * unit, 0, 40 * unit, 40 * unit, 0])
    assert lasting_va[:, 5] == pytest.approx([0, 0, 60 * unit, 0, 0, -10 * unit])
    assert not taken(np.zeros((2, 3))).lasting_va(GRID, np.zeros((2, 3))).any()


def test_an_offer_of_a_pod_that_the_grid_does_not_have_is_named() -> None:
    with pytest.raises(Rejected, match="IT002E99999999") as caught:
        Taken.of(
            GRID, ["one", "two"], [GRID.pods[0], "IT002E99999999"],
            is_up=np.array([True, True]), power_w=np.ones((2, 1)),
        )  # fmt: skip
    assert caught.value.where == f"offer two, grid {GRID.name}"
    assert "central grid show" in caught.value.remedy
