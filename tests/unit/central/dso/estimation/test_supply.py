"""The voltage of the grid above: found again from what is measured below, or left to the file."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.estimation.estimate import Estimator, Suspect
from central.dso.estimation.measuring import Measurement, injections
from central.dso.estimation.supply import supply_pu
from central.dso.powerflow import PowerFlow, Setting
from tests.grids import feeder, loads_va

GRID = feeder(20, seed=4, length_km=1.5)
DRAWN_VA = loads_va(GRID, situations=1, seed=4, mean_w=1.5e5)


def known(above_pu: float, *, sigma_pu: float = 0.002) -> list[Measurement]:
    """Return three voltages without noise, and what is drawn, for sure."""
    flow = PowerFlow(GRID).solve(DRAWN_VA, Setting(source_pu=np.array([above_pu])), exact=True)
    voltages = [
        Measurement(f"V-{at}", "voltage", at, complex(flow.voltage_pu[0, at]), sigma_pu, "sensor")
        for at in (1, 9, 15)
    ]
    of_pods_va = DRAWN_VA[0, GRID.pod_node] / np.bincount(GRID.pod_node)[GRID.pod_node]
    return [*voltages, *injections(GRID, of_pods_va, np.full(len(GRID.pods), 1e3), {})]


@pytest.mark.parametrize("above_pu", [0.95, 1.0, 1.04])
def test_what_a_source_is_set_to_is_found_below_it(above_pu: float) -> None:
    measured = known(above_pu)
    found = supply_pu(GRID, Estimator(GRID).estimate(measured), measured)
    assert found == pytest.approx(above_pu, abs=1e-4)


def test_the_file_stands_where_no_voltage_is_believed() -> None:
    measured = known(1.03)
    estimate = Estimator(GRID).estimate(measured)
    lying = tuple(Suspect(one, 9.0, one.value) for one in measured[:3])
    assert supply_pu(GRID, replace(estimate, liars=lying), measured) is None
    silent = measured[3:]
    assert supply_pu(GRID, Estimator(GRID).estimate(silent), silent) is None
    vague = known(1.03, sigma_pu=0.03)
    assert supply_pu(GRID, Estimator(GRID).estimate(vague), vague) is None
