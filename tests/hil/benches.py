"""Benches for the tests: a clock wound by hand, files written in a line, meters that serve."""

import asyncio
import os
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hil.bench import Bench
from hil.config import BenchFile, BenchSettings, FaultSettings, MeterSettings, read_bench_file
from hil.faults import Fault, FaultScript
from hil.household import Household, Kind, equipment_of
from hil.meter import Meter
from hil.registers import MODELS, Nameplate

INSTALLED_DAY = 20_780
NOON_MS = INSTALLED_DAY * 86_400_000 + 12 * 3_600_000
START_TIMEOUT_S = 20.0


class HandClock:
    """A clock that stands still until it is wound."""

    def __init__(self, unix_ms: int = NOON_MS) -> None:
        self._unix_ms = unix_ms
        self._wound = asyncio.Event()

    def now_ms(self) -> int:
        return self._unix_ms

    def monotonic_ms(self) -> int:
        return self._unix_ms

    def wind(self, by_ms: int) -> None:
        self._unix_ms += by_ms
        wound, self._wound = self._wound, asyncio.Event()
        wound.set()

    async def sleep_until(self, unix_ms: int) -> None:
        while self._unix_ms < unix_ms:
            await self._wound.wait()


def household(seed: int = 1, *, phases: int = 3, kind: Kind = Kind.ELECTRIC) -> Household:
    """Return a household metered since the first day of the tests."""
    return Household(
        seed, phases=phases, equipment=equipment_of(kind, phases), installed_day=INSTALLED_DAY
    )


def meter(
    clock: HandClock, *faults: Fault, model: str = "sdm630", unit: int = 1, name: str = "one"
) -> Meter:
    """Return a meter with these faults."""
    return Meter(
        name,
        model=MODELS[model],
        nameplate=Nameplate(unit, serial_number=21_000_000 + unit),
        household=household(unit, phases=MODELS[model].phases),
        clock=clock,
        script=FaultScript(faults),
    )


def tcp_meter(name: str = "one", *faults: FaultSettings, port: int = 0) -> MeterSettings:
    """Return the settings of an SDM630 on a port of its own."""
    return MeterSettings(
        name, "sdm630", seed=1, serial_number=21_000_001, tcp=f"127.0.0.1:{port}", fault=faults
    )


def rtu_meter(
    line: Path, name: str = "two", *faults: FaultSettings, unit: int = 2, baud: int = 0
) -> MeterSettings:
    """Return the settings of an SDM120 on a serial line."""
    return MeterSettings(
        name,
        "sdm120",
        seed=unit,
        serial_number=22_000_000 + unit,
        unit=unit,
        line=line,
        baud=baud,
        fault=faults,
    )


def bench_file(*meters: MeterSettings, control: str | None = None) -> BenchFile:
    """Return a bench file of these meters on the clock of the machine."""
    return BenchFile(meters, BenchSettings(installed_on="2026-11-20", control=control))


@asynccontextmanager
async def serving(file: BenchFile, clock: HandClock | None = None) -> AsyncIterator[Bench]:
    """Serve a bench in this process while the block runs."""
    bench = Bench(file, clock or HandClock())
    ready, stop = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        served = group.create_task(bench.serve(ready.set, stop))
        waiting = group.create_task(ready.wait())
        await asyncio.wait([served, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            yield bench
        finally:
            stop.set()


def port_of(bench: Bench, name: str = "one") -> int:
    """Return the TCP port that a meter was given."""
    return int(bench.address_of(bench.meters[name]).rpartition(":")[2])


def floats(registers: Sequence[int]) -> tuple[float, ...]:
    """Return registers as 32-bit floats, most significant word first."""
    words = struct.pack(f">{len(registers)}H", *registers)
    return struct.unpack(f">{len(registers) // 2}f", words)


async def eventually(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Return once the condition holds; fail the test when it does not in time."""
    for _ in range(int(within_s * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"did not come about within {within_s} s")


async def dropped(reader: asyncio.StreamReader) -> bool:
    """Tell whether the other side ends the connection without another byte."""
    try:
        async with asyncio.timeout(5):
            return await reader.read() == b""
    except ConnectionError:
        return True


@contextmanager
def bench_process(file: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `hil serve` as its own process, and yield it with the lines it announced."""
    command = [sys.executable, "-m", "hil", "serve", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    meters = len(read_bench_file(file).value.meter)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().rstrip() for _ in range(meters)]
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)
