"""Switching faults while the bench runs: one JSON request a line, one JSON answer a line.

The port is open to whoever can reach it; bench files bind it to the loopback.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from hil.config import Address
from ledger.codec.jsontext import parsed
from ledger.errors import Refused, Rejected, Unavailable

SCHEMA = "certiflex/hil-control/v1"
_LONGEST_LINE = 65_536

Command = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlPort:
    """Answers requests on a TCP port.

    Args:
        address: where to listen.
        command: turns a request into its answer, or raises Rejected.
    """

    def __init__(self, address: Address, command: Command) -> None:
        self._address = address
        self._command = command
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start to listen.

        Raises:
            Unavailable: the port is taken or may not be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Conversation(self._command), self._address.host, self._address.port
            )
        except OSError as error:
            raise Unavailable(
                f"cannot listen: {error.strerror}",
                where=f"{self._address.host}:{self._address.port}",
                remedy="stop the program that holds the port, or change bench.control",
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()


class _Conversation(asyncio.Protocol):
    def __init__(self, command: Command) -> None:
        self._command = command
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            answer = self._answer(line)
            if self._transport is not None:
                self._transport.write(json.dumps(answer).encode() + b"\n")
        if len(self._pending) > _LONGEST_LINE and self._transport is not None:
            self._transport.abort()

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            return {"schema": SCHEMA, "ok": True, **self._command(_request(line))}
        except Rejected as error:
            return {"schema": SCHEMA, "ok": False, "error": str(error)}


def _request(line: bytes) -> Mapping[str, Any]:
    try:
        request = parsed(line)
    except Rejected:
        request = None
    if not isinstance(request, dict):
        raise Rejected("expected one JSON object a line", where="control")
    return request


def ask(address: Address, request: Mapping[str, Any], *, timeout_s: float) -> Mapping[str, Any]:
    """Return a running bench's answer to one request.

    Raises:
        Unavailable: no bench answers there in time.
        Refused: the bench says no.
    """
    where = f"{address.host}:{address.port}"
    try:
        with socket.create_connection((address.host, address.port), timeout_s) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(16 * _LONGEST_LINE)
        answer = json.loads(line)
    except (OSError, ValueError) as error:
        raise Unavailable(
            "no bench answers", where=where, remedy="start it: certiflex hil serve FILE"
        ) from error
    if not isinstance(answer, dict) or answer.get("schema") != SCHEMA:
        raise Unavailable("something else than a bench answers", where=where)
    if not answer.get("ok"):
        raise Refused(str(answer.get("error")), where=where, reason="bench_refused")
    return answer
