"""Devices as declared: figures that no device has are refused."""

from typing import Any

import pytest

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.documents.offer import Rebound
from ledger.errors import Rejected

CAR: dict[str, Any] = {
    "power_w": 2_300, "arrives_slot": 72, "leaves_slot": 28, "energy_wh": 9_200,
}  # fmt: skip
LONG = Rebound(share_permille=1_000, delay_s=50_000, duration_s=50_000)


@pytest.mark.parametrize(
    ("kind", "figures", "told"),
    [
        (Load, {"power_w": 0}, "power_w"),
        (Load, {"power_w": 9, "share_permille": 1_001}, "share_permille"),
        (Load, {"power_w": 9, "longest_s": 899}, "longest_s"),
        (Load, {"power_w": 9, "rebound": LONG}, "rebound"),
        (Load, {"power_w": 9, "burden_ueur_per_mwh": -1}, "burden"),
        (Battery, {"power_w": 0, "capacity_wh": 9, "charge_wh": 0}, "power_w"),
        (Battery, {"power_w": 9, "capacity_wh": 9, "charge_wh": 10}, "charge_wh"),
        (
            Battery,
            {"power_w": 9, "capacity_wh": 9, "charge_wh": 0, "efficiency_permille": 400},
            "efficiency",
        ),
        (Vehicle, CAR | {"phases": 2}, "phases"),
        (Vehicle, CAR | {"phases": 3}, "4140 W"),
        (Vehicle, CAR | {"arrives_slot": 96}, "slots"),
        (Vehicle, CAR | {"leaves_slot": 72}, "leaves"),
        (Vehicle, CAR | {"starts_slot": 30}, "starts_slot"),
        (Vehicle, CAR | {"energy_wh": 0}, "energy_wh"),
        (Generation, {"power_w": 0}, "power_w"),
        (Generation, {"power_w": 9, "burden_ueur_per_mwh": -1}, "burden"),
    ],
)
def test_what_no_device_has_is_refused(
    kind: type[Device], figures: dict[str, Any], told: str
) -> None:
    with pytest.raises(Rejected, match=told) as caught:
        kind(**figures)
    assert caught.value.reason == "bad_device"


def test_a_car_takes_six_amperes_on_each_phase_at_least() -> None:
    assert Vehicle(**CAR).least_w == 1_380
    assert Vehicle(**CAR | {"phases": 3, "power_w": 11_000}).least_w == 4_140


def test_a_car_begins_when_it_arrives_unless_told_otherwise() -> None:
    assert Vehicle(**CAR).begins_slot == 72
    assert Vehicle(**CAR | {"starts_slot": 4}).begins_slot == 4
