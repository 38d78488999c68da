"""The bench with a plant, as its own process: read by Modbus, moved by SCADA, broken by command."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hil.__main__ import main
from tests.fakes.hil_collector import KEY, CollectorServer, FakeCollector
from tests.hil.benches import bench_process
from tests.servers import free_port

RATE = 20.0
READ_VOLTAGES = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, 6)


@dataclass
class Served:
    """A running bench: its file, its meters' addresses, its SCADA, and who collects."""

    file: Path
    meters: list[str]
    scada: str
    collector: FakeCollector

    def voltages_v(self, meter: int) -> tuple[float, ...] | None:
        """Return what a meter shows, or None when it does not answer."""
        host, port = self.meters[meter].split()[-1].split(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.settimeout(1.0)
            connection.sendall(READ_VOLTAGES)
            try:
                reply = connection.recv(9 + 12, socket.MSG_WAITALL)
            except TimeoutError:
                return None
        return struct.unpack(">3f", reply[9:])

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.scada}/v1/state", timeout=20).json()
        return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    control, scada = free_port(), free_port()
    origin_ms = int(time.time() * 1000)
    collector = FakeCollector()
    (tmp_path / "token").write_text("let me in\n")
    KEY.save(tmp_path / "key")
    with CollectorServer(collector, token="let me in") as server:
        file = tmp_path / "bench.toml"
        file.write_text(
            f"""
[bench]
weather_seed = 7
control = "127.0.0.1:{control}"
[clock]
origin_ms = {origin_ms}
rate = {RATE}
[plant]
scada = "127.0.0.1:{scada}"
source_wander_pct = 0.0
[plant.sensors]
url = "{server.url}"
token = "token"
key = "key"
every_s = 20
"""
            + "".join(
                f'[[meter]]\nname = "m{n}"\nmodel = "sdm630"\nseed = {n}\nserial_number = {n}\n'
                f'pod = "IT002E{n:08}"\ntcp = "127.0.0.1:0"\n'
                for n in (0, 5)
            )
        )
        with bench_process(file) as (_, announced):
            yield Served(file, announced, f"http://127.0.0.1:{scada}", collector)


def configuration(served: Served, from_tap: int, to_tap: int, revision: int = 1) -> dict[str, Any]:
    now = served.state()["at"]
    return {
        "schema": "certiflex/grid-configuration/v1",
        "ii": "I-11",
        "mrid": "6f0c1a3e-0000-4000-8000-000000000001",
        "revision": revision,
        "validity": {"start_at": now, "end_at": "2999-01-01T00:00:00Z"},
        "taps": [{"transformer": "TR-1", "start_at": now, "from_tap": from_tap, "to_tap": to_tap}],
        "switches": [],
        "capacitors": [],
    }


def test_an_order_to_the_scada_is_seen_at_the_meters(served: Served) -> None:
    before = served.voltages_v(0)
    began = time.monotonic()
    answer = httpx.post(
        f"{served.scada}/v1/grid-configuration", json=configuration(served, 0, -3), timeout=30
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["taps"]["TR-1"] == -3
    # Three steps of five seconds each, on a clock that runs faster than the wall's.
    assert time.monotonic() - began > 3 * 5 / RATE * 0.9
    after = served.voltages_v(0)
    assert before is not None
    assert after is not None
    for low_v, high_v in zip(before, after, strict=True):
        assert 1.03 < high_v / low_v < 1.08
    refused = httpx.post(
        f"{served.scada}/v1/grid-configuration", json=configuration(served, -3, 12, 2), timeout=30
    )
    assert refused.status_code == 409
    assert refused.json()["reason"] == "out_of_range"


def test_a_line_switched_out_silences_who_is_behind_it(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    told_by = ["-c", str(served.file), "--json"]
    assert main(["plant", "out", "L-3-4", *told_by]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "IT002E00000005" in told["unsupplied_pods"]
    assert served.voltages_v(1) is None
    assert served.voltages_v(0) is not None
    assert main(["plant", "close", "S3", *told_by]) == 0
    assert json.loads(capsys.readouterr().out)["unsupplied_pods"] == []
    assert served.voltages_v(1) is not None
    assert main(["plant", "out", "L-1-9", "-c", str(served.file)]) == 4
    assert "no such device: 'L-1-9'" in capsys.readouterr().err


def test_measurements_arrive_at_the_collector(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    wait = ["-c", str(served.file)]
    assert main(["plant", "fault", "VC-MV-3", "silent", "--for", "1h", *wait]) == 0
    seen_before = set(served.collector.kept)
    deadline = time.monotonic() + 20
    fresh: list[Any] = []
    while len(fresh) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        fresh = [d for name, d in served.collector.kept.items() if name not in seen_before]
    assert len(fresh) >= 2
    names = {reading.sensor for reading in fresh[-1].sensors}
    assert "VC-MV-3" not in names
    assert {"VC-MV-4", "LV3G-8"} <= names
    capsys.readouterr()
    assert main(["plant", "state", *wait]) == 0
    assert "sensor_faults VC-MV-3=silent" in capsys.readouterr().out
