"""Switching faults of a running bench."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hil.config import Address
from hil.control import SCHEMA, ControlPort, ask
from ledger.errors import Refused, Rejected, Unavailable
from tests.hil.benches import dropped
from tests.servers import free_port


def obey(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request.get("command") != "nod":
        raise Rejected("expected command nod", where="control")
    return {"nodded": True}


@asynccontextmanager
async def listening() -> AsyncIterator[Address]:
    address = Address("127.0.0.1", free_port())
    port = ControlPort(address, obey)
    await port.open()
    try:
        yield address
    finally:
        await port.close()


async def asked(address: Address, request: Mapping[str, Any]) -> Mapping[str, Any]:
    return await asyncio.to_thread(ask, address, request, timeout_s=5.0)


async def test_a_request_is_answered() -> None:
    async with listening() as address:
        answer = await asked(address, {"command": "nod"})
        assert answer == {"schema": SCHEMA, "ok": True, "nodded": True}


async def test_a_refusal_reaches_whoever_asks() -> None:
    async with listening() as address:
        with pytest.raises(Refused, match="expected command nod"):
            await asked(address, {"command": "dance"})


@pytest.mark.parametrize("line", [b"nod", b"[]", b"\xff", b"[" * 50_000, b""])
async def test_lines_that_are_no_request_are_refused_and_the_talk_goes_on(line: bytes) -> None:
    async with listening() as address, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(line + b"\n" + b'{"command": "nod"}\n')
        refused, nodded = [json.loads(await reader.readline()) for _ in range(2)]
        assert refused["ok"] is False
        assert "one JSON object a line" in refused["error"]
        assert nodded["ok"] is True
        writer.close()


async def test_a_line_without_end_is_cut_off() -> None:
    async with listening() as address, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"x" * 200_000)
        assert await dropped(reader)
        writer.close()


async def test_nobody_there_is_told_with_the_way_out() -> None:
    with pytest.raises(Unavailable, match="no bench answers; start it: certiflex hil serve"):
        await asked(Address("127.0.0.1", free_port()), {})


async def test_something_else_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            connection.sendall(b"220 mail ready\n")
            connection.close()

        host, port = other.getsockname()
        greeting = asyncio.create_task(asyncio.to_thread(greet))
        with pytest.raises(Unavailable, match="no bench answers"):
            await asked(Address(host, port), {})
        await greeting


async def test_a_taken_port_is_told() -> None:
    async with listening() as address:
        with pytest.raises(Unavailable, match="cannot listen"):
            await ControlPort(address, obey).open()
