"""Each thing a node needs, looked at where it is really there and where it is not."""

from pathlib import Path

import pytest

from ledger.configuration import load
from ledger.errors import Rejected
from lightnode.checking import check, read_meter, serial_number
from lightnode.config import Settings
from lightnode.errors import MeterFault
from tests.fakes.lightnode_process import enrolled, write_config
from tests.fakes.modbus_device import Device, listening
from tests.servers import Mosquitto

TIMEOUT_S = 0.5


def settings_of(folder: Path, meter: str, broker_port: int = 1, *, more: str = "") -> Settings:
    file = write_config(folder, meter=meter, broker_port=broker_port, more=more)
    return load(Settings, file, program="lightnode", environ={}).value


async def test_everything_is_there(tmp_path: Path, mosquitto: Mosquitto) -> None:
    enrolled(tmp_path)
    async with listening(Device()) as port:
        settings = settings_of(tmp_path, f"tcp://127.0.0.1:{port}", mosquitto.port)
        findings = await check(settings, TIMEOUT_S)
    assert all(finding.is_ok for finding in findings), findings
    details = {finding.what: finding.detail for finding in findings}
    assert details["meter"].endswith("answers: 2760 W, serial number 20240117")
    assert details["keys and grant"] == "node 0 of certiflex.example/edge, windows of 60 s"
    assert details["clock"] == "right within 5 ms"
    assert "lets node 0 in" in details["broker"]


async def test_nothing_is_there(tmp_path: Path) -> None:
    findings = await check(settings_of(tmp_path, "tcp://127.0.0.1:1"), TIMEOUT_S)
    assert [finding.what for finding in findings if not finding.is_ok] == [
        "keys and grant",
        "meter",
        "broker",
    ]


@pytest.mark.parametrize(
    ("spoken", "configured", "told"),
    [
        ("rtu", "tcp", "speaks RTU over TCP, not Modbus TCP"),
        ("tcp", "rtu+tcp", "speaks Modbus TCP, not RTU over TCP"),
    ],
)
async def test_the_wrong_kind_of_frames_is_named(
    spoken: str, configured: str, told: str, tmp_path: Path
) -> None:
    device = Device(framing="rtu" if spoken == "rtu" else "tcp")
    async with listening(device) as port:
        settings = settings_of(tmp_path, f"{configured}://127.0.0.1:{port}")
        with pytest.raises(Rejected, match=told) as error:
            await read_meter(settings, TIMEOUT_S)
    right = "rtu+tcp" if spoken == "rtu" else "tcp"
    assert f'write address = "{right}://127.0.0.1:{port}" in [meter]' in str(error.value)


async def test_a_meter_that_is_silent_stays_the_meters_fault(tmp_path: Path) -> None:
    async with listening(Device(tricks=lambda _: "silent")) as port:
        settings = settings_of(tmp_path, f"tcp://127.0.0.1:{port}")
        with pytest.raises(MeterFault, match="unit 1 does not answer"):
            await read_meter(settings, TIMEOUT_S)
        assert await serial_number(settings, TIMEOUT_S) is None
