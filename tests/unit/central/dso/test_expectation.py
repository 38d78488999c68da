"""What is expected: PODs summed at nodes, scenario by scenario, and nothing that is no number."""

import numpy as np
import pytest

from central.dso.expectation import every_scenario, expected, solved
from central.dso.powerflow import PowerFlow, Setting
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
