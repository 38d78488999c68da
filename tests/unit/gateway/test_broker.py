"""The embedded broker: a process of its own that says its limits and can be killed."""

import subprocess
import sys
import time
from pathlib import Path

from paho.mqtt import publish

from gateway.broker import LIMITS
from tests.servers import Server, free_port


def command(port: int) -> list[str]:
    return [
        sys.executable,
        "-W",
        "error::DeprecationWarning",
        "-m",
        "gateway",
        "broker",
        "--port",
        str(port),
    ]


def test_it_says_its_limits_serves_and_survives_a_kill(tmp_path: Path) -> None:
    port = free_port()
    with Server(command(port), port=port, log=tmp_path / "log") as server:
        for _ in range(2):
            publish.single("certiflex/v1/1/segment", b"x", qos=1, hostname="127.0.0.1", port=port)
            server.kill()
            server.start()
        publish.single("certiflex/v1/1/segment", b"x", qos=1, hostname="127.0.0.1", port=port)
    said = (tmp_path / "log").read_text()
    assert LIMITS in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 3, "one line for each start and no other noise"


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    port = free_port()
    with Server(command(port), port=port, log=tmp_path / "log"):
        second = subprocess.run(
            command(port), capture_output=True, text=True, timeout=30, check=False
        )
    assert second.returncode == 5
    assert second.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in second.stderr
    assert "--port" in second.stderr


def test_it_ends_when_told(tmp_path: Path) -> None:
    port = free_port()
    server = Server(command(port), port=port, log=tmp_path / "log")
    server.start()
    started_s = time.monotonic()
    server.stop()
    assert not server.running
    assert time.monotonic() - started_s < 8
