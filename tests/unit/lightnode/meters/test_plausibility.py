"""What a make of meter cannot show is refused."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.plausibility import check_range
from lightnode.meters.profile import load_profile
from tests.fakes.lightnode_meter import measured

SANITY = load_profile("eastron-sdm630").sanity


def test_a_common_measurement_passes() -> None:
    check_range(measured(phases=3), SANITY)
    check_range(replace(measured(phases=3), power_w=-60_000, voltages_mv=(0, 0, 0)), SANITY)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"voltages_mv": (230_000, 301_000, 230_000)}, "voltage"),
        ({"voltages_mv": (-1, 0, 0)}, "voltage"),
        ({"currents_ma": (0, 0, 111_000)}, "current"),
        ({"frequency_mhz": 0}, "frequency"),
        ({"frequency_mhz": 60_000}, "frequency"),
        ({"power_w": 82_501}, "power"),
        ({"reactive_power_var": -90_000}, "reactive power"),
        ({"import_wh": -1}, "import register"),
        ({"export_wh": 1 << 48}, "export register"),
    ],
)
def test_what_cannot_be_is_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(MeterFault, match=told) as fault:
        check_range(replace(measured(phases=3), **wrong), SANITY)
    assert fault.value.cause == GapCause.METER_RANGE
