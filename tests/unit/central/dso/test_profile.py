"""What the transmission grid sees: signs, the account, and the DSO's own activation in it."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.expectation import expected
from central.dso.powerflow import PowerFlow, Setting
from central.dso.profile import substation_profile
from ledger.errors import InvariantBroken
from tests.grids import component, feeder

GRID = feeder(12)
FLOW = PowerFlow(GRID)
DAY = expected(GRID, 0, {"mean": np.tile([100e3, -200e3], (len(GRID.pods), 1))})


def test_supply_is_load_and_losses_and_turns_when_generation_prevails() -> None:
    found = substation_profile(FLOW, DAY, "before_tso_request")
    assert found.transformers == (("PS", "TR"),)
    assert found.power_w.shape == (1, 2)
    assert found.power_w[0, 0] == pytest.approx(100e3 * 10 + found.losses_w[0], abs=0.1)
    assert found.power_w[0, 1] == pytest.approx(-200e3 * 10 + found.losses_w[1], abs=0.1)
    assert (found.losses_w > 0).all()
    assert np.abs(found.residual_w).max() < 1e-3
    assert [each.start_ms for each in found.intervals] == [0, 900_000]


def test_an_activation_upwards_is_seen_by_the_transmission_grid() -> None:
    activated_va = np.zeros((2, len(GRID.nodes)), dtype=complex)
    activated_va[0, 5] = -40e3
    before = substation_profile(FLOW, DAY, "before_tso_request")
    after = substation_profile(FLOW, DAY, "after_validation", activated_va=activated_va)
    less_w = before.power_w - after.power_w
    assert less_w[0, 0] == pytest.approx(40e3 + (before.losses_w - after.losses_w)[0], abs=0.1)
    assert less_w[0, 1] == pytest.approx(0.0, abs=0.1)


def test_the_account_closes_under_every_setting() -> None:
    setting = Setting(tap_pos=np.array([[5], [-5]]))
    found = substation_profile(FLOW, DAY, "after_validation", setting=setting)
    assert np.abs(found.residual_w).max() < 1e-3
    assert not np.allclose(found.reactive_var, substation_profile(
        FLOW, DAY, "after_validation").reactive_var)  # fmt: skip


def test_an_account_that_does_not_close_is_not_published() -> None:
    lines = GRID.network["line"].copy()
    lines["r1"] *= 1.05
    other = replace(GRID, network={**GRID.network, "line": lines})
    disagreeing = PowerFlow(GRID)
    disagreeing.grid = other
    with pytest.raises(InvariantBroken, match="differ by"):
        substation_profile(disagreeing, DAY, "after_validation")


def test_a_capacitor_is_in_the_account() -> None:
    shunt = component("shunt", id=[5000], node=3, status=1, g1=0, b1=1e6 / 20e3**2, g0=0, b0=0)
    with_shunt = replace(GRID, network={**GRID.network, "shunt": shunt})
    found = substation_profile(PowerFlow(with_shunt), DAY, "after_validation")
    without = substation_profile(FLOW, DAY, "after_validation")
    assert found.reactive_var[0, 0] == pytest.approx(without.reactive_var[0, 0] - 1e6, rel=0.1)
    assert np.abs(found.residual_w).max() < 1e-3


def test_what_nothing_feeds_is_not_in_the_account() -> None:
    closed = GRID.closed.copy()
    closed[int(np.flatnonzero(GRID.branch_to == 11)[0])] = False
    found = substation_profile(FLOW, DAY, "after_validation", setting=Setting(closed=closed))
    assert found.power_w[0, 0] == pytest.approx(100e3 * 9 + found.losses_w[0], abs=0.1)
    assert np.abs(found.residual_w).max() < 1e-3
