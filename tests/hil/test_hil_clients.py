"""pymodbus reads the simulated meters, and meets each of their faults."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from hil.bench import Bench
from tests.hil.benches import (
    HandClock,
    bench_file,
    eventually,
    floats,
    port_of,
    rtu_meter,
    serving,
    tcp_meter,
)

TIMEOUT_S = 0.4
Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@asynccontextmanager
async def connected(client: Client) -> AsyncIterator[Client]:
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def tcp_client(bench: Bench, *, retries: int = 0) -> AsyncModbusTcpClient:
    return AsyncModbusTcpClient(
        "127.0.0.1", port=port_of(bench), timeout=TIMEOUT_S, retries=retries, reconnect_delay=0
    )


def rtu_client(line: Path, *, baud: int = 9600) -> AsyncModbusSerialClient:
    return AsyncModbusSerialClient(
        str(line), baudrate=baud, timeout=TIMEOUT_S, retries=0, reconnect_delay=0
    )


async def read(client: Client, *, unit: int = 1, address: int = 0, count: int = 14) -> ModbusPDU:
    return await client.read_input_registers(address, count=count, device_id=unit)


def inject(bench: Bench, meter: str, kind: str, **settings: int) -> None:
    bench.command({"command": "fault", "meter": meter, "kind": kind, **settings})


async def test_tcp_values_follow_the_clock() -> None:
    clock = HandClock()
    async with (
        serving(bench_file(tcp_meter()), clock) as bench,
        connected(tcp_client(bench)) as client,
    ):
        for _ in range(5):
            seen = floats((await read(client, count=18)).registers)
            phases = bench.meters["one"].household.at(clock.now_ms()).phases
            assert seen[:3] == pytest.approx([phase.voltage_v for phase in phases])
            assert seen[6:9] == pytest.approx([phase.power_w for phase in phases])
            clock.wind(4000)


@pytest.mark.parametrize("baud", [1200, 9600, 115200])
async def test_rtu_values(tmp_path: Path, baud: int) -> None:
    clock, line = HandClock(), tmp_path / "tty0"
    async with (
        serving(bench_file(rtu_meter(line)), clock) as bench,
        connected(rtu_client(line, baud=baud)) as client,
    ):
        seen = floats((await read(client, unit=2)).registers)
        phase = bench.meters["two"].household.at(clock.now_ms()).phases[0]
        assert seen[0] == pytest.approx(phase.voltage_v)
        assert seen[6] == pytest.approx(phase.power_w)
        reply = await client.read_holding_registers(0xFC00, count=2, device_id=2)
        assert reply.registers == [22_000_002 >> 16, 22_000_002 & 0xFFFF]


@pytest.mark.parametrize("kind", ["silence", "garbage", "truncated"])
async def test_tcp_faults_that_leave_no_reading(kind: str) -> None:
    clock = HandClock()
    async with serving(bench_file(tcp_meter()), clock) as bench:
        async with connected(tcp_client(bench)) as client:
            assert not (await read(client)).isError()
            inject(bench, "one", kind, for_ms=1000)
            assert await read_or_nothing(client) is None
            clock.wind(1000)
        async with connected(tcp_client(bench)) as client:
            assert not (await read(client)).isError()
            served = bench.meters["one"].faults_served
            assert served == {kind: 1}


async def test_a_transaction_of_nobody_passes_for_a_reading() -> None:
    # Another danger for the node: this client takes transaction 0 for any of its own.
    async with serving(bench_file(tcp_meter())) as bench:
        inject(bench, "one", "wrong_transaction")
        async with connected(tcp_client(bench)) as client:
            assert await read_or_nothing(client) is not None
            assert bench.meters["one"].faults_served == {"wrong_transaction": 1}


async def read_or_nothing(client: Client, *, unit: int = 1) -> ModbusPDU | None:
    try:
        reply = await read(client, unit=unit)
    except ModbusException:
        return None
    return None if reply.isError() else reply


@pytest.mark.parametrize("kind", ["silence", "bad_crc", "garbage", "truncated", "wrong_unit"])
async def test_rtu_faults_that_leave_no_reading(tmp_path: Path, kind: str) -> None:
    clock, line = HandClock(), tmp_path / "tty0"
    async with serving(bench_file(rtu_meter(line)), clock) as bench:
        inject(bench, "two", kind, for_ms=1000)
        async with connected(rtu_client(line)) as client:
            assert await read_or_nothing(client, unit=2) is None
        clock.wind(1000)
        async with connected(rtu_client(line)) as client:
            assert await read_or_nothing(client, unit=2) is not None


async def test_not_a_number(tmp_path: Path) -> None:
    line = tmp_path / "tty0"
    async with serving(bench_file(rtu_meter(line))) as bench:
        inject(bench, "two", "nan")
        async with connected(rtu_client(line)) as client:
            values = floats((await read(client, unit=2)).registers)
            assert len(values) == 7
            assert all(math.isnan(value) for value in values)


async def test_a_refusal() -> None:
    async with serving(bench_file(tcp_meter())) as bench:
        inject(bench, "one", "exception", code=6)
        async with connected(tcp_client(bench)) as client:
            reply = await read(client)
            assert (reply.isError(), reply.exception_code) == (True, 6)


async def test_a_late_reply_can_be_taken_for_the_next_one(tmp_path: Path) -> None:
    # The danger that the node has to guard against must really be there on the bench.
    clock, line = HandClock(), tmp_path / "tty0"
    async with (
        serving(bench_file(rtu_meter(line)), clock) as bench,
        connected(rtu_client(line)) as client,
    ):
        inject(bench, "two", "late", delay_ms=int(TIMEOUT_S * 1000) + 150, for_ms=1000)
        stale_w = bench.meters["two"].household.at(clock.now_ms()).phases[0].power_w
        assert await read_or_nothing(client, unit=2) is None
        clock.wind(3_600_000)
        inject(bench, "two", "silence")
        reply = await read_or_nothing(client, unit=2)
        assert reply is not None
        assert floats(reply.registers)[6] == pytest.approx(stale_w)


async def test_every_third_request() -> None:
    async with serving(bench_file(tcp_meter())) as bench:
        inject(bench, "one", "exception", every=3)
        async with connected(tcp_client(bench)) as client:
            errors = [(await read(client)).isError() for _ in range(6)]
            assert errors == [False, False, True, False, False, True]


async def test_a_restart_over_tcp_drops_the_client_who_can_come_back() -> None:
    clock = HandClock()
    async with serving(bench_file(tcp_meter()), clock) as bench:
        async with connected(tcp_client(bench)) as client:
            assert not (await read(client)).isError()
            inject(bench, "one", "restart", for_ms=5000)
            await eventually(lambda: not client.connected)
            assert not await tcp_client(bench).connect()
            clock.wind(5000)
            await asyncio.sleep(0.1)
        async with connected(tcp_client(bench)) as client:
            assert not (await read(client)).isError()


async def test_a_restart_of_a_line_hangs_it_up_and_the_same_path_opens_again(
    tmp_path: Path,
) -> None:
    clock, line = HandClock(), tmp_path / "tty0"
    async with serving(bench_file(rtu_meter(line)), clock) as bench:
        async with connected(rtu_client(line)) as client:
            assert not (await read(client, unit=2)).isError()
            inject(bench, "two", "restart", for_ms=5000)
            await eventually(lambda: not line.exists())
            assert await read_or_nothing(client, unit=2) is None
        clock.wind(5000)
        await eventually(line.exists)
        async with connected(rtu_client(line)) as client:
            assert not (await read(client, unit=2)).isError()


async def test_a_slow_wire_takes_its_time(tmp_path: Path) -> None:
    line = tmp_path / "tty0"
    async with (
        serving(bench_file(rtu_meter(line, baud=9600))),
        connected(rtu_client(line)) as client,
    ):
        asked_s = time.monotonic()
        reply = await read(client, unit=2, count=80)
        # 8 bytes out, 165 back, 11 bits each at 9600 bit/s.
        assert len(reply.registers) == 80
        assert time.monotonic() - asked_s >= 0.198


async def test_one_silent_unit_does_not_still_its_line(tmp_path: Path) -> None:
    line = tmp_path / "tty0"
    file = bench_file(rtu_meter(line, "two", unit=2), rtu_meter(line, "three", unit=3))
    async with serving(file) as bench:
        inject(bench, "two", "silence")
        async with connected(rtu_client(line)) as client:
            assert await read_or_nothing(client, unit=2) is None
            assert await read_or_nothing(client, unit=3) is not None
