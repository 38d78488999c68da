"""The bench: built from a file, kept to its script, ruled from outside."""

import asyncio
import socket
from pathlib import Path

import pytest

from hil.bench import Bench, clock_of
from hil.config import BenchFile, BenchSettings, FaultSettings, MeterSettings
from hil.faults import FaultKind
from ledger.errors import Rejected, Unavailable
from ledger.facts.clock import ScaledClock, SystemClock
from tests.hil.benches import (
    HandClock,
    bench_file,
    eventually,
    port_of,
    rtu_meter,
    serving,
    tcp_meter,
)


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until_reachable(port: int, *, wanted: bool) -> None:
    await eventually(lambda: reachable(port) is wanted)


def test_the_clock_is_the_files() -> None:
    assert isinstance(clock_of(bench_file(tcp_meter())), SystemClock)
    file = BenchFile((tcp_meter(),), clock=ScaledClock(1_795_392_000_000, 10.0))
    assert clock_of(file) == ScaledClock(1_795_392_000_000, 10.0)


async def test_meters_come_up_where_they_should(tmp_path: Path) -> None:
    line = tmp_path / "tty0"
    file = bench_file(
        tcp_meter("one"),
        tcp_meter("other"),
        rtu_meter(line, "two"),
        rtu_meter(line, "three", unit=3),
    )
    async with serving(file) as bench:
        assert len(bench.endpoints) == 3
        assert port_of(bench, "one") != port_of(bench, "other")
        assert reachable(port_of(bench, "one"))
        assert line.is_symlink()
        assert bench.address_of(bench.meters["three"]) == f"rtu {line}"
    assert not line.is_symlink()
    assert not reachable(port_of(bench, "one"))


async def test_meters_on_one_port_share_it() -> None:
    shared = [
        MeterSettings(f"m{unit}", "sdm120", unit, unit, unit=unit, tcp="127.0.0.1:15")
        for unit in (1, 2)
    ]
    bench = Bench(bench_file(*shared), HandClock())
    (endpoint,) = bench.endpoints
    assert set(endpoint.meters) == {1, 2}


async def test_a_scripted_restart_is_kept() -> None:
    clock = HandClock()
    restart = FaultSettings(FaultKind.RESTART, from_s=10, until_s=20)
    async with serving(bench_file(tcp_meter("one", restart)), clock) as bench:
        port = port_of(bench)
        assert reachable(port)
        clock.wind(10_000)
        await until_reachable(port, wanted=False)
        clock.wind(10_000)
        await until_reachable(port, wanted=True)
        assert port_of(bench) == port


async def test_a_restart_on_command_ends_when_cleared() -> None:
    async with serving(bench_file(tcp_meter())) as bench:
        port = port_of(bench)
        bench.command({"command": "fault", "meter": "one", "kind": "restart", "for_ms": 60_000})
        await until_reachable(port, wanted=False)
        assert bench.command({"command": "clear", "meter": "one"}) == {"cleared": ["one"]}
        await until_reachable(port, wanted=True)


async def test_status_tells_what_is_wrong() -> None:
    clock = HandClock()
    async with serving(bench_file(tcp_meter()), clock) as bench:
        told = bench.command(
            {"command": "fault", "meter": "one", "kind": "silence", "for_ms": 5000, "every": None}
        )
        assert told == {
            "meter": "one",
            "kind": "silence",
            "from_ms": clock.now_ms(),
            "until_ms": clock.now_ms() + 5000,
        }
        (status,) = bench.command({"command": "status"})["meters"]
        assert (status["name"], status["faults"], status["requests"]) == ("one", ["silence"], 0)
        clock.wind(5000)
        (status,) = bench.command({"command": "status"})["meters"]
        assert status["faults"] == []


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({}, "expected command status, fault, clear or plant"),
        ({"command": "fault"}, "expected command status, fault, clear or plant"),
        ({"command": "plant", "action": "state"}, "the bench has no plant; add a"),
        ({"command": "clear", "meter": "ghost"}, "no meter is called 'ghost'; there are one"),
        ({"command": "fault", "meter": "ghost", "kind": "late"}, "no meter is called 'ghost'"),
        ({"command": "fault", "meter": "one", "kind": "tired"}, "'tired' is not a valid FaultKind"),
        ({"command": "fault", "meter": "one"}, "not a valid FaultKind"),
        ({"command": "fault", "meter": "one", "kind": "late", "for_ms": "x"}, "whole numbers"),
        ({"command": "fault", "meter": "one", "kind": "late", "speed": 1}, "expected code, delay"),
        ({"command": "fault", "meter": "one", "kind": "late", "for_ms": 0}, "end after it starts"),
        ({"command": "fault", "meter": "one", "kind": "restart"}, "a restart needs an end"),
        ({"command": "fault", "meter": "one", "kind": "bad_crc"}, "cannot happen on tcp"),
    ],
)
def test_commands_that_make_no_sense_are_refused(request_: dict[str, object], told: str) -> None:
    bench = Bench(bench_file(tcp_meter()), HandClock())
    with pytest.raises(Rejected, match=told):
        bench.command(request_)
    assert bench.meters["one"].script.covering(HandClock().now_ms()) == []


@pytest.mark.parametrize("clock", [None, ScaledClock(1_795_392_000_000, 10.0)])
def test_meters_of_the_future_are_refused(clock: ScaledClock | None) -> None:
    file = BenchFile((tcp_meter(),), BenchSettings(installed_on="2099-01-01"), clock=clock)
    with pytest.raises(Rejected, match=r"bench.installed_on: .* installed in the future"):
        Bench(file, HandClock())


async def test_a_port_that_is_taken_stops_the_start_and_frees_what_was_opened() -> None:
    async with serving(bench_file(tcp_meter())) as bench:
        second = Bench(
            bench_file(tcp_meter("free"), tcp_meter("taken", port=port_of(bench))), HandClock()
        )
        with pytest.raises(Unavailable, match="cannot listen"):
            await second.serve(lambda: None, asyncio.Event())
        assert not reachable(port_of(second, "free"))


async def test_the_next_day_is_laid_out_before_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    async with serving(bench_file(tcp_meter()), clock) as bench:
        prepared: list[int] = []
        monkeypatch.setattr(bench.meters["one"].household, "prepare", prepared.append)
        clock.wind(11 * 3_600_000 + 45 * 60_000)
        await eventually(lambda: bool(prepared))
        assert prepared == [clock.now_ms() + 15 * 60_000]
