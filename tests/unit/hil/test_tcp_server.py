"""Meters behind a TCP port, spoken to byte by byte."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from hil.faults import Fault, FaultKind
from hil.framing import tcp_frame
from hil.meter import Meter
from hil.tcp_server import TcpServer
from ledger.errors import Unavailable
from tests.hil.benches import NOON_MS, HandClock, dropped, meter

READ = struct.pack(">BHH", 4, 0, 2)
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening(meters: Mapping[int, Meter]) -> AsyncIterator[TcpServer]:
    server = TcpServer("127.0.0.1", 0, meters)
    await server.open()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def connected(server: TcpServer) -> AsyncIterator[Client]:
    host, port = server.address.removeprefix("tcp ").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def received(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def test_requests_sent_together_are_answered_in_turn() -> None:
    async with (
        listening({1: meter(HandClock())}) as server,
        connected(server) as (reader, writer),
    ):
        writer.write(tcp_frame(10, 1, READ) + tcp_frame(11, 1, READ))
        replies = await received(reader, 26)
        assert (replies[:2], replies[13:15]) == (b"\x00\x0a", b"\x00\x0b")
        assert replies[2:13] == replies[15:]


async def test_a_request_may_come_in_pieces() -> None:
    async with (
        listening({1: meter(HandClock())}) as server,
        connected(server) as (reader, writer),
    ):
        for byte in tcp_frame(10, 1, READ):
            writer.write(bytes((byte,)))
            await writer.drain()
        assert (await received(reader, 13))[7:9] == b"\x04\x04"


async def test_units_share_a_port_and_an_unknown_one_is_refused_as_by_a_gateway() -> None:
    clock = HandClock()
    units = {1: meter(clock), 5: meter(clock, model="sdm120", unit=5, name="five")}
    async with listening(units) as server, connected(server) as (reader, writer):
        writer.write(tcp_frame(1, 5, READ) + tcp_frame(2, 9, READ))
        assert (await received(reader, 13))[6:9] == b"\x05\x04\x04"
        assert await received(reader, 9) == tcp_frame(2, 9, b"\x84\x0b")


async def test_bytes_that_are_not_modbus_end_the_connection() -> None:
    async with (
        listening({1: meter(HandClock())}) as server,
        connected(server) as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await dropped(reader)


async def test_a_late_reply_comes_after_the_next_one() -> None:
    late = Fault(FaultKind.LATE, NOON_MS, every=2, delay_ms=300)
    one = meter(HandClock(), late)
    async with listening({1: one}) as server, connected(server) as (reader, writer):
        writer.write(b"".join(tcp_frame(n, 1, READ) for n in (1, 2, 3)))
        order = [(await received(reader, 13))[1] for _ in range(3)]
        assert order == [1, 3, 2]


async def test_closing_drops_clients_and_opening_takes_the_same_port_again() -> None:
    async with listening({1: meter(HandClock())}) as server:
        address = server.address
        async with connected(server) as (reader, _):
            await server.close()
            assert await dropped(reader)
            with pytest.raises(ConnectionError):
                async with connected(server):
                    pass
        await server.open()
        assert server.address == address
        async with connected(server) as (reader, writer):
            writer.write(tcp_frame(1, 1, READ))
            assert len(await received(reader, 13)) == 13


async def test_a_taken_port_is_told() -> None:
    async with listening({1: meter(HandClock())}) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(Unavailable, match=rf"tcp 127.0.0.1:{port}: cannot listen: .*; stop"):
            await TcpServer("127.0.0.1", port, {}).open()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Ask and ask until the other side has had enough."""
    requests = tcp_frame(1, 1, struct.pack(">BHH", 4, 0, 80)) * 500
    async with asyncio.timeout(60):
        while True:
            writer.write(requests)
            await writer.drain()


async def test_a_client_that_asks_and_never_reads_is_dropped() -> None:
    one = meter(HandClock(), model="sdm120")
    async with listening({1: one}) as server, connected(server) as (_, writer):
        with pytest.raises(ConnectionError):
            await flood(writer)
