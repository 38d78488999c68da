"""The configuration file: defaults, and everything wrong told at once."""

from pathlib import Path

import pytest

from ledger.configuration import Misconfigured, load, schema
from ledger.facts.clock import ScaledClock, SystemClock
from lightnode.config import MeterSettings, NodeClockSettings, Settings
from lightnode.meters.profile import load_profile

GOOD = """
[node]
folder = "state"
[meter]
profile = "eastron-sdm630"
address = "rtu:///dev/ttyUSB0"
parity = "E"
"""


def loaded(text: str, tmp_path: Path) -> Settings:
    file = tmp_path / "node.toml"
    file.write_text(text)
    return load(Settings, file, program="lightnode", environ={}).value


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    settings = loaded(GOOD, tmp_path)
    assert settings.node.folder == tmp_path / "state"
    assert settings.node.capacity == 648_000
    assert settings.broker.port == 1883
    assert isinstance(settings.clock.clock(), SystemClock)
    serial = settings.meter.serial(load_profile("eastron-sdm630").bus)
    assert (serial.baud, serial.parity, serial.stop_bits) == (9_600, "E", 1)


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    text = GOOD.replace("folder", "folders") + "unit = 300\n[broker]\nport = 99999\n[uplinks]\n"
    with pytest.raises(Misconfigured) as told:
        loaded(text, tmp_path)
    faults = str(told.value)
    for expected in (
        "node.folders: unknown key; did you mean folder?",
        "unit must be 1 … 247, not 300",
        "port must be 1 … 65535, not 99999",
        "uplinks: unknown key",
    ):
        assert expected in faults


@pytest.mark.parametrize(
    "wrong",
    [{"address": "ttyUSB0"}, {"unit": 0}, {"budget_ms": 4_000}, {"budget_ms": 10}],
)
def test_meters_that_cannot_be_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"expected tcp|unit must|budget_ms must"):
        MeterSettings(**({"address": "tcp://h", "profile": "p"} | wrong))  # type: ignore[arg-type]


def test_a_faster_clock_for_demonstrations() -> None:
    assert NodeClockSettings(origin_ms=5, rate=10.0).clock() == ScaledClock(5, 10.0)
    for wrong in ({"rate": 0.0}, {"trusted_error_ms": -1}):
        with pytest.raises(ValueError, match="must"):
            NodeClockSettings(**wrong)


def test_the_schema_names_every_table() -> None:
    described = schema(Settings)
    assert set(described["properties"]) == {"node", "meter", "broker", "uplink", "clock"}
    assert described["required"] == ["node", "meter"]
