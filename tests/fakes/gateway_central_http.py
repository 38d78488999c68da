"""The same Shared Customer Database behind real HTTP, on a port of the loopback."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cbor2 import dumps, loads

from gateway.errors import CentralAway, OtherWindow
from gateway.ports import StagedWindow
from ledger.codec import decode_window_entry
from ledger.errors import Rejected
from tests.fakes.gateway_central import FakeCentral


class CentralServer:
    """Serves a `FakeCentral`; every request takes a lock, so that judges may look at any time."""

    def __init__(self, central: FakeCentral, *, token: str, port: int = 0) -> None:
        self.central = central
        self.lock = threading.Lock()
        self.token = token
        self.answers: list[tuple[int, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, token: str, body: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body for a request."""
        if self.answers:
            status, canned = self.answers.pop(0)
            return status, "text/plain", canned
        if token != f"Bearer {self.token}":
            return _problem(401, "unauthorized", "no such token")
        try:
            with self.lock:
                told = asyncio.run(self._told(path.rpartition("/")[2], loads(body)))
        except OtherWindow as error:
            return _problem(409, "not-the-next-window", str(error), expected=error.expected)
        except CentralAway as error:
            return _problem(503, "store-away", str(error))
        except Rejected as error:
            return _problem(422, error.reason, str(error))
        return (204, "", b"") if told is None else (200, "application/cbor", dumps(told))

    async def _told(self, call: str, body: Any) -> Any:  # noqa: ANN401 -- CBOR in, CBOR out
        match call:
            case "registry":
                await self.central.registry(body)
            case "segments":
                outcomes = await self.central.segments(body)
                return [[one.header_hash, one.outcome, one.reason] for one in outcomes]
            case "live":
                await self.central.live([(node, record) for node, record in body])
            case "windows":
                await self.central.window(_window(*body))
            case "anchors":
                await self.central.anchor(*body)
            case _:
                raise Rejected(f"no call {call}", reason="unknown_call")
        return None


def _window(entry: bytes, members: list[Any]) -> StagedWindow:
    decoded = decode_window_entry(entry)
    return StagedWindow(
        number=decoded.window,
        entry=entry,
        closed_ms=decoded.closed_ms,
        members=tuple((node, tuple(hashes)) for node, hashes in members),
    )


def _problem(status: int, code: str, detail: str, **more: object) -> tuple[int, str, bytes]:
    document = {"type": f"https://certiflex.example/{code}", "code": code, "detail": detail}
    return status, "application/problem+json", json.dumps({**document, **more}).encode()


def _handler(server: CentralServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, "text/plain", b"live")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            token = self.headers.get("authorization", "")
            self._send(*server.answer(self.path, token, body))

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            if kind:
                self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
