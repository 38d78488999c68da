"""Localisation phase by phase: what the symmetric one hides, and the same where all are alike."""

import numpy as np
import pytest

from central.documents.congestion import CongestionAlert
from central.documents.elements import Phase
from central.documents.encoding import decode, encode
from central.documents.header import Envelope, Horizon
from central.dso.assessment import assess
from central.dso.drawing.charts import phase_voltages
from central.dso.expectation import expected
from central.dso.grid.model import Floats, Grid
from central.dso.limits import NO_MARGIN, Bound, Margin
from central.dso.phases import PhaseAssessment, assess_phases
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.telling.outgoing import congestion_alert
from central.dso.unbalanced import PhaseFlowSolver
from ledger.errors import Rejected
from tests.unit.central.dso.test_unbalanced import HOUSES, street

QUARTERS = 4


def powers_w(grid: Grid, mean_w: float, high_w: float) -> dict[str, Floats]:
    """Return two scenarios in which the second quarter is the heavy one."""
    shape = len(grid.pods), QUARTERS
    made = {"mean": np.full(shape, mean_w), "p95": np.full(shape, mean_w)}
    made["p95"][:, 1] = high_w
    return made


def assessed(
    grid: Grid, mean_w: float, high_w: float, margin: Margin = NO_MARGIN,
    setting: Setting = AS_BUILT,
) -> PhaseAssessment:  # fmt: skip
    given = powers_w(grid, mean_w, high_w)
    expectation = expected(grid, 0, given)
    return assess_phases(PhaseFlowSolver(grid), expectation, given, setting=setting, margin=margin)


def test_the_phase_the_quarter_and_the_scenario_are_named() -> None:
    found = assessed(street("b"), 100.0, 9e3)
    assert not found.holds
    assert {(one.phase, one.quarter, one.scenario) for one in found.congestions} == {
        ("b", 1, "p95")
    }
    assert {one.bound for one in found.congestions} == {Bound.UNDERVOLTAGE, Bound.LINE}
    assert {one.cause for one in found.congestions} == {"load"}
    assert {(one.quarter, one.scenario) for one in found.unbalances} == {(1, "p95")}
    assert all(one.value_pct > one.limit_pct for one in found.unbalances)


def test_generation_runs_back_and_is_the_cause() -> None:
    found = assessed(street("c"), -100.0, -12e3)
    assert {one.cause for one in found.congestions} == {"generation"}
    assert Bound.LINE in {one.bound for one in found.congestions}
    assert Bound.OVERVOLTAGE in {one.bound for one in found.congestions}


def test_where_all_are_alike_it_finds_what_the_symmetric_one_finds() -> None:
    grid = street()
    given = powers_w(grid, 100.0, 30e3)
    expectation = expected(grid, 0, given)
    margin = Margin(0.02, 5.0)
    symmetric = assess(PowerFlow(grid), expectation, margin=margin)
    found = assess_phases(
        PhaseFlowSolver(grid), expectation, given, setting=AS_BUILT, margin=margin
    )
    told = {(one.element, one.bound, one.quarter, one.scenario, one.cause)
            for one in symmetric.congestions}  # fmt: skip
    assert told
    for phase in "abc":
        assert {
            (one.element, one.bound, one.quarter, one.scenario, one.cause)
            for one in found.congestions if one.phase == phase
        } == told  # fmt: skip
    assert found.unbalances == ()


def test_a_setting_quarter_by_quarter_is_that_of_every_scenario() -> None:
    grid = street("b")
    low = assessed(grid, 7e3, 7e3, setting=Setting(tap_pos=np.array([[2], [-2], [2], [2]])))
    quarters = {one.quarter for one in low.congestions if one.bound is Bound.UNDERVOLTAGE}
    lifted = {one.quarter for one in low.congestions if one.bound is Bound.UNDERVOLTAGE
              and one.value < 0.88}  # fmt: skip
    assert quarters >= {0, 2, 3}
    assert 1 not in lifted


def test_the_alert_names_the_phase_and_speaks_of_volts_to_neutral() -> None:
    grid = street("b")
    found = assessed(grid, 100.0, 9e3, Margin(0.01, 2.0))
    envelope = Envelope(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", created_ms=1, sender="dso", receiver="op"
    )
    alert = congestion_alert(grid, found, envelope, Horizon.DAY_AHEAD, 0.95)
    assert isinstance(decode(encode(alert)), CongestionAlert)
    assert {each.phase for each in alert.elements} == {Phase.B}
    volts = next(each for each in alert.elements if each.bound.is_voltage)
    assert (volts.rated_milli, volts.limit_milli, volts.margin_milli) == (
        230_940, 207_846, 2_309,
    )  # fmt: skip
    worst = min(one.value for one in found.congestions if one.element == volts.element)
    excess = next(each for each in alert.violations
                  if alert.elements[each.position] == volts)  # fmt: skip
    assert excess.excess_milli == pytest.approx((0.91 - worst) * 230_940, abs=1)


def test_who_cannot_be_fed_is_told_and_no_power_flow_names_quarter_and_scenario() -> None:
    grid = street("a")
    cut = grid.closed.copy()
    cut[grid.branch("L3")] = False
    found = assessed(grid, 100.0, 200.0, setting=Setting(closed=cut))
    assert found.unfed == ("N4", "N5", "N6", "N7")
    assert found.holds
    with pytest.raises(Rejected, match="converge") as told:
        assessed(grid, 100.0, 90e3)
    assert told.value.where == "street, three phases, quarter 1 under p95"


def test_the_picture_has_a_line_for_each_phase() -> None:
    grid = street("a", "b", "c", "abc", "a", "a")
    assert len(grid.pods) == HOUSES
    svg = phase_voltages(grid, assessed(grid, 100.0, 6e3))
    assert svg.startswith("<svg")
    for phase in "abc":
        assert f">{phase}</" in svg
    dark = grid.closed.copy()
    dark[grid.branch("L3")] = False
    cut_off = assessed(grid, 100.0, 6e3, setting=Setting(closed=dark))
    assert "nan" not in phase_voltages(grid, cut_off)
