"""Taps and capacitors over a day."""

from dataclasses import replace

import numpy as np

from central.dso.assessment import assess
from central.dso.expectation import Expectation, expected
from central.dso.grid.model import CapacitorMeans, Grid, TapMeans
from central.dso.limits import NO_MARGIN, Limits
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.remedies.stepped import devices, planned
from tests.grids import component, feeder

GRID = feeder(14, length_km=6.0)


def day(grid: Grid, *power_w: float) -> Expectation:
    return expected(grid, 0, {"mean": np.tile(power_w, (len(grid.pods), 1))})


def plan(grid: Grid, expectation: Expectation, setting: Setting = AS_BUILT) -> Setting:
    return planned(PowerFlow(grid), expectation, Limits.of(grid), setting)


def taps(setting: Setting) -> list[int]:
    assert setting.tap_pos is not None
    return [int(position) for position in setting.tap_pos[:, 0]]


def test_a_tap_raises_what_is_low_and_lowers_what_is_high() -> None:
    expectation = day(GRID, 230e3, 120e3, -60e3)
    assert {c.quarter for c in assess(PowerFlow(GRID), expectation, margin=NO_MARGIN).congestions
            if c.bound.is_voltage} == {0, 2}  # fmt: skip
    found = plan(GRID, expectation)
    assert taps(found)[0] < 0 < taps(found)[2], "a tap on the high side lifts when it goes down"
    after = assess(PowerFlow(GRID), expectation, setting=found, margin=NO_MARGIN)
    assert not [each for each in after.congestions if each.bound.is_voltage]


def test_nothing_moves_where_nothing_is_wrong() -> None:
    assert taps(plan(GRID, day(GRID, 100e3, 120e3))) == [0, 0]
    moved = Setting(tap_pos=np.array([2]))
    assert taps(plan(GRID, day(GRID, 100e3, 120e3), moved)) == [2, 2]


def test_a_device_is_tried_again_only_when_another_has_moved() -> None:
    tried: list[str] = []
    demand = day(GRID, 230e3, -60e3)
    found = planned(PowerFlow(GRID), demand, Limits.of(GRID), AS_BUILT, progress=tried.append)
    assert taps(found)[0] != 0
    assert tried == ["TR"]


def test_moves_are_limited() -> None:
    grid = replace(GRID, taps=(TapMeans(GRID.taps[0].branch, cost_eur=1.0, most_moves=1),))
    positions = taps(plan(grid, day(grid, 230e3, -60e3, 230e3, -60e3)))
    assert sum(abs(np.diff([0, *positions]))) <= 1


def test_a_capacitor_lifts_what_no_tap_can() -> None:
    shunt = component("shunt", id=[5000], node=13, status=0, g1=0, b1=0, g0=0, b0=0)
    grid = replace(
        GRID,
        network={**GRID.network, "shunt": shunt},
        taps=(),
        capacitors=(CapacitorMeans("C-13", 0, steps=4, step_var=3e5),),
    )
    expectation = day(grid, 230e3, 120e3)
    assert not assess(PowerFlow(grid), expectation, margin=NO_MARGIN).holds
    found = plan(grid, expectation)
    assert found.capacitor_steps is not None
    assert found.capacitor_steps[0, 0] > 0
    after = assess(PowerFlow(grid), expectation, setting=found, margin=NO_MARGIN)
    assert not [each for each in after.congestions if each.bound.is_voltage]
    assert [device.name for device in devices(grid)] == ["C-13"]


def test_two_devices_share_the_work() -> None:
    shunt = component("shunt", id=[5000], node=13, status=0, g1=0, b1=0, g0=0, b0=0)
    grid = replace(
        GRID,
        network={**GRID.network, "shunt": shunt},
        taps=(TapMeans(GRID.taps[0].branch, most_moves=1),),
        capacitors=(CapacitorMeans("C-13", 0, steps=1, step_var=2e5, most_moves=1),),
    )
    expectation = day(grid, 270e3)
    found = plan(grid, expectation)
    assert found.capacitor_steps is not None
    assert (taps(found), found.capacitor_steps[:, 0].tolist()) == ([-1], [1])
