"""mbpoll, a Modbus client not written here, reads the simulated meters."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.hil.benches import HandClock, bench_file, port_of, rtu_meter, serving, tcp_meter

_VALUE = re.compile(r"^\[(\d+)\]:\s+(-?[\d.e+-]+)", re.MULTILINE)
FLOATS, HOLDING_INTEGERS = "3:float", "4:int"


async def polled(mbpoll: str, *arguments: str) -> tuple[int, str]:
    """Run mbpoll once, and return its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        mbpoll, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def asked(kind: str, address: int, count: int, *, unit: int) -> Sequence[str]:
    """Return the arguments of one read: big-endian words, zero-based addresses, once."""
    return ["-t", kind, "-B", "-0", "-1", "-a", str(unit), "-r", str(address), "-c", str(count)]


async def values(mbpoll: str, *arguments: str) -> dict[int, float]:
    status, said = await polled(mbpoll, *arguments)
    assert status == 0, said
    return {int(address): float(value) for address, value in _VALUE.findall(said)}


async def test_tcp(mbpoll: str) -> None:
    clock = HandClock()
    async with serving(bench_file(tcp_meter()), clock) as bench:
        where = ["-m", "tcp", "-p", str(port_of(bench))]
        seen = await values(mbpoll, *where, *asked(FLOATS, 0, 40, unit=1), "127.0.0.1")
        measured = bench.meters["one"].household.at(clock.now_ms())
        for index, phase in enumerate(measured.phases):
            assert seen[0x00 + 2 * index] == pytest.approx(phase.voltage_v, rel=1e-4)
            assert seen[0x0C + 2 * index] == pytest.approx(phase.power_w, rel=1e-4)
        assert seen[0x46] == pytest.approx(measured.frequency_hz, rel=1e-4)
        assert seen[0x48] == pytest.approx(measured.counters.import_wh / 1000, rel=1e-4)
        serial = await values(
            mbpoll, *where, *asked(HOLDING_INTEGERS, 0xFC00, 1, unit=1), "127.0.0.1"
        )
        assert serial == {0xFC00: 21_000_001}


@pytest.mark.parametrize(("baud", "parity"), [(2400, "none"), (9600, "even"), (115200, "odd")])
async def test_rtu_at_any_speed_with_units_sharing_a_line(
    mbpoll: str, tmp_path: Path, baud: int, parity: str
) -> None:
    line, clock = tmp_path / "tty0", HandClock()
    file = bench_file(rtu_meter(line, "two", unit=2), rtu_meter(line, "three", unit=3))
    async with serving(file, clock) as bench:
        where = ["-m", "rtu", "-b", str(baud), "-P", parity]
        for name, unit in [("two", 2), ("three", 3), ("two", 2)]:
            seen = await values(mbpoll, *where, *asked(FLOATS, 0, 7, unit=unit), str(line))
            phase = bench.meters[name].household.at(clock.now_ms()).phases[0]
            assert seen[0x00] == pytest.approx(phase.voltage_v, rel=1e-4)
            assert seen[0x0C] == pytest.approx(phase.power_w, rel=1e-4)


async def test_refusals_and_silences_look_as_they_should(mbpoll: str, tmp_path: Path) -> None:
    line = tmp_path / "tty0"
    async with serving(bench_file(tcp_meter(), rtu_meter(line))) as bench:
        where = ["-m", "tcp", "-p", str(port_of(bench)), "-o", "0.5"]
        odd = ["-t", "3", "-0", "-1", "-a", "1", "-r", "1", "-c", "2"]
        _, said = await polled(mbpoll, *where, *odd, "127.0.0.1")
        assert "Illegal data address" in said
        stranger = ["-m", "rtu", "-o", "0.5", *asked(FLOATS, 0, 1, unit=9)]
        _, said = await polled(mbpoll, *stranger, str(line))
        assert "timed out" in said
