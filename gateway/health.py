"""Health, version, status and metrics over HTTP on the loopback: read only, no labels that grow.

```
/health/live    the process turns        /status    everything in one JSON document
/health/ready   broker and database are reachable, the journal takes writes
/version        what runs                /metrics   the same numbers for Prometheus
```
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ledger.command import release
from ledger.errors import Unavailable

_REQUEST_TIMEOUT_S = 5.0
_MOST_HEADER_BYTES = 8_192
_JSON = "application/json"
_METRICS = "text/plain; version=0.0.4"
_COUNTERS = {
    "messages": "messages received from the broker",
    "segments_admitted": "segments admitted",
    "records_admitted": "records in admitted segments",
    "readings_admitted": "readings in admitted segments",
    "duplicates": "segments that were known already",
    "contradictions": "contradicting segments kept as evidence",
    "split_views": "claims of nodes that contradict the log, kept as evidence",
    "let_go": "messages let go of because there was no room",
    "segments_stored": "segments the Shared Customer Database committed",
    "receipts": "receipts sent",
    "live_records": "live records passed on",
    "gas_total": "gas of all submissions",
    "submissions": "submissions to the ledger",
}
_GAUGES = {
    "nodes": "enrolled nodes",
    "backlog_segments": "segments that wait for delivery",
    "quarantined": "messages in quarantine",
    "windows_closed": "windows closed",
    "windows_told": "windows the Shared Customer Database has",
    "windows_anchored": "windows that are final on the ledger",
    "windows_certified": "windows whose anchor the Shared Customer Database has",
    "gas_last_submission": "gas of the last submission",
}

Status = Mapping[str, Any]

log = logging.getLogger("gateway")


class HealthServer:
    """Answers GET on a handful of paths; `status` is asked for each time."""

    def __init__(self, host: str, port: int, status: Callable[[], Awaitable[Status]]) -> None:
        self._host = host
        self._port = port
        self._status = status

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            Unavailable: the address is taken.
        """
        try:
            server = await asyncio.start_server(
                self._answer, self._host, self._port, limit=_MOST_HEADER_BYTES
            )
        except OSError as error:
            raise Unavailable(
                f"health cannot be served ({error.strerror})",
                where=f"{self._host}:{self._port}",
                remedy="choose another health.port",
            ) from error
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError,
                                 asyncio.LimitOverrunError):  # fmt: skip
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                method, target, *_ = request.split(b" ", 2)
                code, kind, body = await self.answer(method.decode(), target.decode())
                writer.write(_response(code, kind, body))
                await writer.drain()
        writer.close()

    async def answer(self, method: str, target: str) -> tuple[str, str, str]:
        """Return status line, content type and body for a request."""
        path = target.partition("?")[0]
        if method != "GET":
            return "405 Method Not Allowed", _JSON, _problem("only GET is answered")
        if path == "/health/live":
            return "200 OK", _JSON, json.dumps({"status": "live"})
        if path == "/version":
            return "200 OK", _JSON, json.dumps({"version": release()})
        shown = _SHOWN.get(path)
        if shown is None:
            return "404 Not Found", _JSON, _problem("no such path")
        return shown(await self._status())


def metrics(status: Status) -> str:
    """Return a status in Prometheus' text format."""
    lines: list[str] = []
    for kind, known in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for name, text in known.items():
            full = f"certiflex_gateway_{name}" + ("_total" if kind == "counter" else "")
            lines += [f"# HELP {full} {text}", f"# TYPE {full} {kind}", f"{full} {status[name]}"]
    lines += ["# TYPE certiflex_gateway_refused_total counter"]
    lines += [
        f'certiflex_gateway_refused_total{{reason="{reason}"}} {count}'
        for reason, count in sorted(status["refused"].items())
    ]
    lines += ["# TYPE certiflex_gateway_peer_up gauge"]
    lines += [
        f'certiflex_gateway_peer_up{{peer="{peer}"}} {int(is_up)}'
        for peer, is_up in sorted(status["peers"].items())
    ]
    return "\n".join(lines) + "\n"


def _ready(status: Status) -> tuple[str, str, str]:
    away = [peer for peer in ("broker", "central") if not status["peers"][peer]]
    body = json.dumps({"status": "waiting" if away else "ready", "away": away})
    return ("503 Service Unavailable" if away else "200 OK"), _JSON, body


def _problem(detail: str) -> str:
    return json.dumps({"detail": detail})


def _response(code: str, kind: str, body: str) -> bytes:
    encoded = body.encode()
    head = (
        f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(encoded)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + encoded


_SHOWN: dict[str, Callable[[Status], tuple[str, str, str]]] = {
    "/health/ready": _ready,
    "/status": lambda status: ("200 OK", _JSON, json.dumps(dict(status))),
    "/metrics": lambda status: ("200 OK", _METRICS, metrics(status)),
}
