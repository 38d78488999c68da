"""What is expected: PODs summed at nodes, scenario by scenario, and nothing that is no number."""

import numpy as np
import pytest

from central.dso.expectation import every_scenario, expected, solved, solved_under
from central.dso.powerflow import AS_BUILT, NotConverged, PowerFlow, Setting
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.grids import feeder

GRID = feeder(8)
POWER_W = np.arange(len(GRID.pods) * 3, dtype=float).reshape(-1, 3) * 1000


def test_points_of_delivery_are_summed_at_their_nodes() -> None:
    found = expected(GRID, 900_000, {"mean": POWER_W, "high": 2 * POWER_W})
    assert found.scenarios == ("mean", "high")
    assert found.quarters == 3
    assert found.drawn_va.shape == (2, 3, len(GRID.nodes))
    assert np.allclose(found.drawn_va[0, :, GRID.pod_node].real, POWER_W)
    assert np.allclose(found.drawn_va[0].imag, 0.3 * found.drawn_va[0].real)
    assert np.allclose(found.drawn_va[1], 2 * found.drawn_va[0])


def test_a_known_reactive_power_is_taken_as_it_is() -> None:
    reactive_var = np.full_like(POWER_W, -50.0)
    found = expected(GRID, 0, {"mean": POWER_W}, {"mean": reactive_var})
    assert np.allclose(found.drawn_va[0].imag.sum(axis=1), -50.0 * len(GRID.pods))


def test_a_situation_knows_its_quarter_and_scenario() -> None:
    found = expected(GRID, 900_000, {"mean": POWER_W, "high": POWER_W})
    assert [(found.scenario_of(k), found.quarter_of(k)) for k in (0, 2, 3, 5)] == [
        ("mean", 0), ("mean", 2), ("high", 0), ("high", 2),
    ]  # fmt: skip
    assert found.interval_of(2) == Interval(900_000 + 2 * QUARTER_MS, 900_000 + 3 * QUARTER_MS)


def test_each_scenario_meets_the_quarters_own_setting() -> None:
    both = expected(GRID, 0, {"mean": POWER_W, "same": POWER_W})
    setting = Setting(tap_pos=np.array([[0], [4], [-4]]), source_pu=np.array([1.0, 1.01, 1.02]))
    rows = every_scenario(setting, 2)
    assert rows.tap_pos is not None
    assert rows.tap_pos[:, 0].tolist() == [0, 4, -4, 0, 4, -4]
    flow = solved(PowerFlow(GRID), both, setting)
    assert np.allclose(flow.u_pu[:3], flow.u_pu[3:])
    assert not np.allclose(flow.u_pu[0], flow.u_pu[1], atol=1e-3)


def test_what_is_no_expectation_is_refused() -> None:
    with pytest.raises(Rejected, match="first scenario must be the mean"):
        expected(GRID, 0, {"high": POWER_W})
    with pytest.raises(Rejected, match="is for 2 PODs, the grid has 6"):
        expected(GRID, 0, {"mean": POWER_W[:2]})
    broken = POWER_W.copy()
    broken[4, 1] = np.nan
    with pytest.raises(
        Rejected, match=f"{GRID.pods[4]}: scenario mean has no number for quarter 1"
    ):
        expected(GRID, 0, {"mean": broken})


@pytest.mark.parametrize("quarters", [1, 3, 12])
def test_many_settings_are_solved_as_if_each_were_alone(quarters: int) -> None:
    grid, power_w = feeder(8, rings=2), np.tile(POWER_W, 4)[:, :quarters]
    both = expected(grid, 0, {"mean": power_w, "high": 2 * power_w})
    taps = np.arange(quarters)[:, None] % 5
    states = [grid.closed.copy() for _ in range(2)]
    states[1][-2:] = True
    settings = [
        Setting(tap_pos=shift + taps, closed=closed, source_pu=np.full(quarters, 1.01))
        for closed in states
        for shift in (-3, 0, 2)
    ]
    power_flow = PowerFlow(grid)
    together = list(solved_under(power_flow, both, settings))
    assert len(together) == len(settings)
    for setting, found in zip(settings, together, strict=True):
        alone = solved(power_flow, both, setting)
        assert np.allclose(found.u_pu, alone.u_pu, atol=1e-12)
        assert np.allclose(found.loading_pct, alone.loading_pct, atol=1e-9)


def test_a_setting_that_cannot_carry_the_load_stops_all_or_is_marked() -> None:
    drawn = expected(GRID, 0, {"mean": np.full((len(GRID.pods), 1), 9e6)})
    weak = [Setting(source_pu=np.array([pu])) for pu in (2.5, 0.6, 2.4)]
    power_flow = PowerFlow(GRID)
    flows = solved_under(power_flow, drawn, weak, partial=True)
    assert [bool(flow.solved.all()) for flow in flows] == [True, False, True]
    flows = solved_under(power_flow, drawn, weak)
    assert next(flows).solved.all()
    with pytest.raises(NotConverged):
        next(flows)


def test_what_cannot_be_solved_is_named_by_quarter_and_scenario() -> None:
    power_w = np.full((len(GRID.pods), 3), 1e5)
    beyond = power_w.copy()
    beyond[:, 1] = 50e6
    unsolvable = expected(GRID, 0, {"mean": power_w, "p95": beyond})
    with pytest.raises(NotConverged, match="no power flow for quarter 1 under p95 in the island"):
        solved(PowerFlow(GRID), unsolvable, AS_BUILT)
