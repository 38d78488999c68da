"""Programs: started until they answer, killed and started again, and told of when they fail."""

import socket
import sys
from pathlib import Path

import pytest

from hil.demo import programs
from hil.demo.programs import Program, free_ports, ran
from ledger.errors import Unavailable


async def test_a_program_is_ready_when_its_port_answers(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    arguments = ["http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    program = Program("files", arguments, tmp_path / "files.log", port)
    await program.start()
    assert program.running
    await program.kill()
    assert not program.running
    await program.start()
    assert (program.running, program.starts) == (True, 2)
    await program.stop()
    assert not program.running
    await program.stop()


async def test_a_program_that_ends_at_its_start_is_told_with_its_last_words(
    tmp_path: Path,
) -> None:
    program = Program("nothing", ["no_such_module"], tmp_path / "x.log", free_ports(1)[0])
    with pytest.raises(Unavailable, match=r"nothing ended at its start; it said: .*no_such_module"):
        await program.start()


async def test_a_command_returns_its_status_and_output(tmp_path: Path) -> None:
    status, output = await ran(["platform"], log=tmp_path / "log")
    assert status == 0
    assert "Linux" in output
    assert "$ platform" in (tmp_path / "log").read_text()


async def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="ended with 1"):
        await ran(["no_such_module"], log=tmp_path / "log")
    assert (await ran(["no_such_module"], log=tmp_path / "log", ok=(1,)))[0] == 1


async def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable, match="took longer than 1 s"):
        await ran(
            ["http.server", str(port), "--bind", "127.0.0.1"], log=tmp_path / "log", timeout_s=1.0
        )
    assert sys.executable


def test_free_ports_are_different_and_none_that_a_system_hands_out_by_itself() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < 32_768, "Linux hands out from there on"


def test_a_port_that_somebody_has_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    (port, other) = free_ports(2)
    monkeypatch.setattr(programs, "_PORTS", [port, other])
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        held.listen()
        assert free_ports(1) == [other]
        with pytest.raises(Unavailable, match="2 ports are wanted, 1 of 2 are free"):
            free_ports(2)
