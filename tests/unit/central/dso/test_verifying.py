"""States that balance, and states that do not."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.powerflow import PowerFlow, Setting
from central.dso.verifying import mismatch_w, verify
from ledger.errors import InvariantBroken
from tests.grids import feeder, loads_va, station

GRID = feeder(20, seed=4, rings=2)
DRAWN_VA = loads_va(GRID, situations=6)


def test_what_the_engine_finds_balances_to_a_milliwatt() -> None:
    setting = Setting(tap_pos=np.arange(-3, 3)[:, None])
    flow = PowerFlow(GRID).solve(DRAWN_VA, setting, exact=True)
    assert verify(GRID, DRAWN_VA, flow, setting) < 1e-3


def test_a_link_costs_digits_and_no_more() -> None:
    grid = station()
    drawn_va = loads_va(grid, situations=3, mean_w=5e4)
    flow = PowerFlow(grid).solve(drawn_va, exact=True)
    found_w, explained_w = mismatch_w(grid, drawn_va, flow)
    verify(grid, drawn_va, flow)
    assert explained_w[:, grid.node("E")].min() > 1e-3 > explained_w[:, grid.node("B")].max()
    assert found_w[:, :4].max() < 1e-3


def test_a_node_out_of_balance_is_named_with_its_situation() -> None:
    flow = PowerFlow(GRID).solve(DRAWN_VA, exact=True)
    drawn_va = DRAWN_VA.copy()
    drawn_va[4, 7] += 0.5
    with pytest.raises(InvariantBroken, match=r"N7 is out of balance by 0\.5 VA in situation 4"):
        verify(GRID, drawn_va, flow)


def test_a_wrong_tap_shows() -> None:
    flow = PowerFlow(GRID).solve(DRAWN_VA, Setting(tap_pos=np.array([1])), exact=True)
    with pytest.raises(InvariantBroken, match="out of balance"):
        verify(GRID, DRAWN_VA, flow)


def test_what_a_source_gives_is_checked_too() -> None:
    flow = PowerFlow(GRID).solve(DRAWN_VA, exact=True)
    wrong = replace(flow, source_va=flow.source_va + 1.0)
    with pytest.raises(InvariantBroken, match="N0 is out of balance"):
        verify(GRID, DRAWN_VA, wrong)


def test_a_situation_without_a_solution_is_not_published() -> None:
    drawn_va = DRAWN_VA.copy()
    drawn_va[2] *= 1000
    flow = PowerFlow(GRID).solve(drawn_va, exact=True, partial=True)
    assert not flow.solved[2]
    with pytest.raises(InvariantBroken, match="situation 2"):
        verify(GRID, drawn_va, flow)
