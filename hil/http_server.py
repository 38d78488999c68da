"""A small HTTP server: JSON in, JSON out, one request a connection."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hil.config import Address
from ledger.errors import Rejected, Unavailable

_HEAD_TIMEOUT_S = 5.0
_MOST_HEADER_BYTES = 8_192
_MOST_BODY_BYTES = 1_048_576
_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    411: "Length Required", 413: "Content Too Large",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON document."""

    status: int
    body: Mapping[str, Any]


Respond = Callable[[str, str, bytes], Awaitable[Answer]]


def problem(status: int, error: Rejected) -> Answer:
    """Return an error as a problem document.

    Source: RFC 9457; `reason` is its name for machines.
    """
    title = _REASONS[status]
    return Answer(
        status, {"status": status, "title": title, "detail": str(error), "reason": error.reason}
    )


class HttpServer:
    """Answers requests on a TCP port.

    Args:
        address: where to listen; port 0 takes a free one.
        respond: turns method, path and body into an answer.
        setting: the setting that says where to listen, for who must change it.
    """

    def __init__(self, address: Address, respond: Respond, *, setting: str) -> None:
        self._address = address
        self._respond = respond
        self._setting = setting
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port it listens on, once it is open."""
        if self._server is None:
            return self._address.port
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Start to listen.

        Raises:
            Unavailable: the port is taken or may not be used.
        """
        try:
            self._server = await asyncio.start_server(
                self._answer, self._address.host, self._address.port, limit=_MOST_HEADER_BYTES
            )
        except OSError as error:
            raise Unavailable(
                f"cannot listen: {error.strerror}",
                where=f"{self._address.host}:{self._address.port}",
                remedy=f"stop the program that holds the port, or change {self._setting}",
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        try:
            with contextlib.suppress(*gone):
                answer = await self._answered(reader)
                writer.write(_response(answer))
                await writer.drain()
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> Answer:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, length = _head(head)
                body = await reader.readexactly(length)
        except Rejected as error:
            return problem(413 if error.reason == "too_large" else 400, error)
        return await self._respond(method, path, body)


def _head(head: bytes) -> tuple[str, str, int]:
    """Return method, path and length of the body."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (one.partition(":") for one in lines)
    }
    length = headers.get("content-length", "0")
    if not path.startswith("/") or not length.isdecimal() or "transfer-encoding" in headers:
        raise Rejected("expected an HTTP request with a Content-Length", reason="malformed")
    if int(length) > _MOST_BODY_BYTES:
        raise Rejected(f"more than {_MOST_BODY_BYTES} bytes", reason="too_large")
    return method, path, int(length)


def _response(answer: Answer) -> bytes:
    body = json.dumps(answer.body).encode()
    kind = "application/json" if answer.status == 200 else "application/problem+json"  # noqa: PLR2004 -- OK
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
