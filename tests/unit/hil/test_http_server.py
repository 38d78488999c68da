"""The small HTTP server: what it answers to good requests, odd ones, and none."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from hil.config import Address
from hil.http_server import Answer, HttpServer, problem
from ledger.errors import Rejected, Unavailable


async def echo(method: str, path: str, body: bytes) -> Answer:
    if path == "/no":
        return problem(409, Rejected("not so", reason="not_so"))
    return Answer(200, {"method": method, "path": path, "body": body.decode()})


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    made = HttpServer(Address("127.0.0.1", 0), echo, setting="plant.scada")
    await made.open()
    yield made
    await made.close()


def url(server: HttpServer, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


async def raw(server: HttpServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_request_reaches_its_answer(server: HttpServer) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(url(server, "/a/b?c=d"), json={"x": 1})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"method": "POST", "path": "/a/b", "body": '{"x":1}'}


async def test_a_refusal_is_a_problem_document(server: HttpServer) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url(server, "/no"))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    wanted = {"status": 409, "title": "Conflict", "detail": "not so", "reason": "not_so"}
    assert answer.json() == wanted


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
    ],
)
async def test_what_is_no_request_is_told(
    server: HttpServer, request_: bytes, status: bytes
) -> None:
    assert (await raw(server, request_)).startswith(b"HTTP/1.1 " + status)


async def test_who_leaves_in_the_middle_gets_nothing_and_harms_nobody(server: HttpServer) -> None:
    assert await raw(server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc") == b""
    assert await raw(server, b"GET / HT") == b""
    assert b'"path": "/"' in await raw(server, b"GET / HTTP/1.1\r\n\r\n")


async def test_a_taken_port_is_told_with_its_setting(server: HttpServer) -> None:
    other = HttpServer(Address("127.0.0.1", server.port), echo, setting="plant.scada")
    with pytest.raises(Unavailable, match=r"change plant\.scada"):
        await other.open()
    await other.close()
