"""What a light node costs: memory, processor, disk and punctuality, beside the naive loop.

Both read the same meter on a serial line, write to the same disk and speak to the same broker.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import pytest

from ledger.facts.interval import SLOT_MS
from tests.bench.conftest import Figure, Figures
from tests.fakes.lightnode_process import NodeProcess, enrolled, write_config
from tests.fakes.modbus_device import Device, on_a_serial_port
from tests.fakes.modbus_lateness import LINES, of_many, ours, plain_pymodbus
from tests.servers import Mosquitto

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

RATE = 8.0
SETTLED_S = 15.0
MEASURED_S = 60.0
READINGS_A_DAY = 86_400_000 // SLOT_MS
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program used while it took so many readings."""

    resident_bytes: int
    cpu_s: float
    written_bytes: int
    readings: int
    late_ms: list[float]

    @property
    def p99_late_ms(self) -> float:
        """Return the lateness that 1 % of the readings exceed."""
        return sorted(self.late_ms)[int(len(self.late_ms) * 0.99)]


def _used(process: psutil.Process) -> tuple[float, int]:
    times, disk = process.cpu_times(), process.io_counters()
    return times.user + times.system, disk.write_bytes


async def _node(folder: Path, broker: Mosquitto) -> Cost:
    gateway = enrolled(folder)
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    async with on_a_serial_port(Device(framing="rtu")) as port, gateway.connected(broker.port):
        config = write_config(folder, meter=f"rtu://{port}", broker_port=broker.port, rate=RATE)
        for measured_s in (SETTLED_S, MEASURED_S):
            # The first run leaves the bytecode of an installed program behind.
            node = NodeProcess(folder, config, RATE, environment=environment)
            await node.start()
            await asyncio.sleep(SETTLED_S)
            process, before = psutil.Process(node.pid), len(gateway.live)
            cpu_s, written_bytes = _used(process)
            await asyncio.sleep(measured_s)
            used_s, used_bytes = _used(process)
            resident_bytes = process.memory_info().rss
            taken = gateway.live[before:]
            assert await node.stop() == 0
    assert not gateway.judge.broken
    return Cost(
        resident_bytes,
        used_s - cpu_s,
        used_bytes - written_bytes,
        len(taken),
        [record.offset_ms / RATE for record in taken],
    )


async def _naive(folder: Path, broker: Mosquitto) -> Cost:
    period_s = SLOT_MS / 1000 / RATE
    async with on_a_serial_port(Device(framing="rtu")) as port:
        naive = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.naive_edge", port, str(broker.port),
            str(folder / "naive.db"), str(period_s),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."},
        )  # fmt: skip
        assert naive.stdout
        begun_s: list[float] = []

        async def read() -> None:
            assert naive.stdout
            begun_s.extend([float(line) async for line in naive.stdout])

        reading = asyncio.create_task(read())
        await asyncio.sleep(SETTLED_S)
        process, before = psutil.Process(naive.pid), len(begun_s)
        cpu_s, written_bytes = _used(process)
        await asyncio.sleep(MEASURED_S)
        used_s, used_bytes = _used(process)
        resident_bytes = process.memory_info().rss
        naive.kill()
        await naive.wait()
        await reading
    taken = begun_s[before:]
    late_ms = [1000 * (at_s % period_s) for at_s in taken]
    return Cost(resident_bytes, used_s - cpu_s, used_bytes - written_bytes, len(taken), late_ms)


async def test_cost_of_a_reading(figures: Figures, tmp_path: Path, mosquitto: Mosquitto) -> None:
    ours, naive = await _node(tmp_path, mosquitto), await _naive(tmp_path, mosquitto)
    assert ours.readings > 0.95 * MEASURED_S * RATE * 1000 / SLOT_MS, "slots were lost"
    size = f"{ours.readings} readings of three phases"
    named = "sleep, JSON, a commit a row"

    def take(what: str, unit: str, of: tuple[float, float], reach: str, note: str = "") -> None:
        figures.take(
            Figure(
                subject=f"lightnode: {what}", size=size, unit=unit, ours=of[0], peer=of[1],
                peer_name=named, reach=reach, note=note,
            )
        )  # fmt: skip

    take(
        "resident memory", "MiB", (ours.resident_bytes / MIB, naive.resident_bytes / MIB), "40 MiB"
    )
    take(
        "processor time a reading", "ms",
        (1000 * ours.cpu_s / ours.readings, 1000 * naive.cpu_s / naive.readings), "4 ms",
        "With signature, store and delivery; the naive loop signs nothing",
    )  # fmt: skip
    take(
        "start after the beat, p99", "ms", (ours.p99_late_ms, naive.p99_late_ms), "50 ms",
        f"Median {median(ours.late_ms):.1f} ms; the naive loop drifts through the whole slot",
    )  # fmt: skip
    take(
        "written to disk a day", "MB",
        (
            READINGS_A_DAY * ours.written_bytes / ours.readings / 1e6,
            READINGS_A_DAY * naive.written_bytes / naive.readings / 1e6,
        ),
        "200 MB",
    )  # fmt: skip


async def test_what_late_replies_are_taken_for(figures: Figures) -> None:
    meters, reads = 4, 150
    guarded = await of_many(ours, meters=meters, reads=reads)
    plain = await of_many(plain_pymodbus, meters=meters, reads=reads)
    for line in LINES:
        assert guarded[line].wrong == 0
        overtaken = (guarded[line].overtaken, plain[line].overtaken)
        figures.take(
            Figure(
                subject="lightnode: replies to an older question taken as good ones",
                size=f"{line}, {meters * reads} reads, {overtaken[0]} and {overtaken[1]} overtaken",
                unit="replies", ours=guarded[line].wrong, peer=plain[line].wrong,
                peer_name="plain pymodbus", reach="0",
                note="40 % of the replies come up to four time-outs late, in order",
            )
        )  # fmt: skip
