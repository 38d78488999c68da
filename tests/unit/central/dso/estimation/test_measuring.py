"""What is known at one instant, and how well."""

import numpy as np
import pytest

from central.dso.estimation.measuring import (
    FLOOR_VA,
    Measurement,
    Metered,
    checked,
    injections,
    references,
)
from ledger.errors import Rejected
from tests.grids import feeder

GRID = feeder(8)
EXPECTED_VA = np.full(len(GRID.pods), 20e3 + 6e3j)
SIGMA_VA = np.full(len(GRID.pods), 5e3)


def test_the_forecast_stands_in_and_a_meter_takes_its_place() -> None:
    pod = GRID.pods[2]
    found = injections(GRID, EXPECTED_VA, SIGMA_VA, {pod: Metered(300e3, -10e3)})
    by_node = {one.name: one for one in found}
    metered = by_node[GRID.nodes[GRID.connections[2].node].name]
    assert (metered.origin, metered.value) == ("certified", 300e3 - 10e3j)
    assert metered.sigma == pytest.approx(abs(300e3 - 10e3j) / 100)
    others = [one for one in found if one is not metered]
    assert len(others) == len(GRID.pods) - 1
    assert {(one.origin, one.value, one.sigma) for one in others} == {
        ("forecast", 20e3 + 6e3j, 5e3)
    }


def test_nobody_is_known_to_less_than_the_floor() -> None:
    found = injections(GRID, EXPECTED_VA, np.zeros(len(GRID.pods)), {GRID.pods[0]: Metered(0, 0)})
    assert {one.sigma for one in found} == {FLOOR_VA}


def test_a_meter_of_nobody_is_refused() -> None:
    with pytest.raises(Rejected, match="no pod is called 'IT002E99999999'"):
        injections(GRID, EXPECTED_VA, SIGMA_VA, {"IT002E99999999": Metered(1, 1)})


def test_the_source_stands_in_only_where_no_voltage_is_measured() -> None:
    (reference,) = references(GRID, [])
    assert (reference.origin, reference.name, reference.value) == ("reference", "N0", 1.0)
    sensor = Measurement("V", "voltage", 3, 1.0, 0.003, "sensor")
    assert references(GRID, [sensor]) == []


def test_a_voltage_speaks_for_its_own_island_only() -> None:
    closed = GRID.closed.copy()
    closed[GRID.branch("TR")] = False
    sensor = Measurement("V", "voltage", 3, 1.0, 0.003, "sensor")
    (reference,) = references(GRID, [sensor], closed)
    assert reference.name == "N0"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Measurement("V-3", "voltage", 3, 20_130.0, 0.003, "sensor"), "is it in volt"),
        (Measurement("V-3", "voltage", 3, complex("nan"), 0.003, "sensor"), "has no number"),
        (Measurement("V-3", "voltage", 99, 1.0, 0.003, "sensor"), "is at position 99 of 8"),
        (Measurement("F-3", "flow", 99, 1.0, 0.003, "sensor"), "is at position 99 of 7"),
        (Measurement("V-3", "voltage", 3, 1.0, 0.0, "sensor"), "has sigma 0.0"),
        (Measurement("V-3", "voltage", 3, 1.0, float("inf"), "sensor"), "has sigma inf"),
    ],
)
def test_what_cannot_be_a_measurement_is_refused_by_name(wrong: Measurement, told: str) -> None:
    with pytest.raises(Rejected, match=told) as error:
        checked(GRID, [wrong])
    assert error.value.where == f"sensor {wrong.name}"
