"""The bench as its own process: announced, ruled from outside, small, ended by a signal."""

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hil.__main__ import main
from tests.hil.benches import START_TIMEOUT_S, bench_process
from tests.servers import free_port

METERS = 24
READ = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, 80)
REPLY_BYTES = 7 + 2 + 160


def written(tmp_path: Path, meters: str, *, control: int | None = None) -> Path:
    path = tmp_path / "bench.toml"
    ruled = f'control = "127.0.0.1:{control}"' if control else ""
    path.write_text(f'[bench]\ninstalled_on = "2026-11-20"\n{ruled}\n{meters}')
    return path


def meter(number: int, place: str, *, model: str = "sdm630", kind: str = "electric") -> str:
    return (
        f'[[meter]]\nname = "m{number}"\nmodel = "{model}"\nseed = {number}\n'
        f'serial_number = {21_000_000 + number}\nkind = "{kind}"\n{place}\n'
    )


def on_a_free_port(number: int) -> str:
    return meter(number, 'tcp = "127.0.0.1:0"')


def read_once(address: str) -> bytes:
    host, port = address.rsplit(maxsplit=1)[-1].split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(READ)
        reply = connection.recv(REPLY_BYTES, socket.MSG_WAITALL)
    assert len(reply) == REPLY_BYTES
    return reply


def test_it_announces_serves_and_ends_at_a_signal(tmp_path: Path) -> None:
    file = written(tmp_path, on_a_free_port(1) + meter(2, 'line = "tty0"', model="sdm120"))
    with bench_process(file) as (process, announced):
        assert announced[0].startswith("m1 sdm630 21000001 unit 1 tcp 127.0.0.1:")
        assert announced[1] == f"m2 sdm120 21000002 unit 1 rtu {tmp_path / 'tty0'}"
        read_once(announced[0])
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_TIMEOUT_S) == 0
        assert process.stderr is not None
        assert "hil.stopped" in process.stderr.read()
    assert not (tmp_path / "tty0").is_symlink()


def test_a_restarted_bench_shows_the_same_meters(tmp_path: Path) -> None:
    # A fixed origin and a clock that all but stands still: only the process is new.
    clock = f"[clock]\norigin_ms = {int(time.time() * 1000)}\nrate = 0.0000001\n"
    file = written(tmp_path, clock + on_a_free_port(1))
    shown = []
    for _ in range(2):
        with bench_process(file) as (process, announced):
            shown.append(read_once(announced[0])[-160:])
            process.kill()
    assert shown[0] == shown[1]


def test_faults_are_switched_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, on_a_free_port(1), control=free_port())
    with bench_process(file) as (_, announced):
        assert main(["fault", "m1", "silence", "--for", "1h", "-c", str(file), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["schema"], told["kind"]) == ("certiflex/hil-control/v1", "silence")
        assert told["until_ms"] - told["from_ms"] == 3_600_000
        host, port = announced[0].split()[-1].split(":")
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.settimeout(0.5)
            connection.sendall(READ)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert main(["clear", "m1", "-c", str(file)]) == 0
        read_once(announced[0])
        capsys.readouterr()
        assert main(["status", "-c", str(file)]) == 0
        assert "requests 2 faults -" in capsys.readouterr().out
        assert main(["fault", "ghost", "late", "-c", str(file)]) == 4
        assert "no meter is called 'ghost'; there are m1" in capsys.readouterr().err


def test_a_taken_port_is_one_line_and_status_5(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f'tcp = "127.0.0.1:{taken.getsockname()[1]}"'
        file = written(tmp_path, meter(1, place))
        command = [sys.executable, "-m", "hil", "serve", str(file), "-q"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 5
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "cannot listen" in ended.stderr


def test_24_meters_are_small_and_idle(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(on_a_free_port(number) for number in range(METERS)))
    with bench_process(file) as (process, announced):
        watched = psutil.Process(process.pid)
        before_s = sum(watched.cpu_times()[:2])
        rounds = 10
        for _ in range(rounds):
            for line in announced:
                read_once(line)
        spent_s = sum(watched.cpu_times()[:2]) - before_s
        resident_mib = watched.memory_info().rss / 2**20
    # One round is one 4-s slot: all meters together take less than 5 % of a core.
    assert spent_s / rounds < 0.05 * 4
    assert resident_mib < 80
