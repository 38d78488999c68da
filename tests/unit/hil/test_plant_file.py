"""What a bench file may say of a plant."""

import pytest

from hil.plant_file import (
    Action,
    EventSettings,
    PlantSettings,
    SensorFaultKind,
    SensorFaultSettings,
    SensorSettings,
)


def test_a_position_belongs_to_what_is_counted() -> None:
    assert EventSettings(1.0, Action.TAP, "TR-1", 2).position == 2
    with pytest.raises(ValueError, match="a position is for capacitor and tap"):
        EventSettings(1.0, Action.TAP, "TR-1")
    with pytest.raises(ValueError, match="a position is for"):
        EventSettings(1.0, Action.OUT, "L-3-4", 2)


def test_a_fault_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        SensorFaultSettings("VC-MV-3", SensorFaultKind.STUCK, 10.0, 10.0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"every_s": 0.0}, "every_s must be above 0"),
        ({"class_pct": -1.0}, "class_pct must be 0 or more"),
        ({"url": "ftp://there"}, "expected url as http"),
        ({"url": "http://there"}, "needs a token and a key as well"),
    ],
)
def test_wrong_sensor_settings_are_told(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SensorSettings(**wrong)  # type: ignore[arg-type]


def test_wrong_plant_settings_are_told() -> None:
    with pytest.raises(ValueError, match="every_s must be above 0"):
        PlantSettings(every_s=0.0)
    with pytest.raises(ValueError, match="must be 0 or more"):
        PlantSettings(tap_s=-1.0)
