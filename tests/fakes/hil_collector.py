"""A collector of measurements that fails in pairs: a document is lost, or kept though it failed."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ledger.errors import Refused, Unavailable


class Failure(Enum):
    """What happens to the next documents."""

    LOST = auto()
    KEPT = auto()
    REFUSED = auto()


@dataclass
class FakeCollector:
    """Keeps documents by their mrid, and complains about one mrid with two contents."""

    kept: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    calls: int = 0
    closed: bool = False

    async def send(self, document: Mapping[str, Any]) -> None:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is Failure.REFUSED:
            raise Refused("no such sensor")
        if failure is not Failure.LOST:
            self.keep(document)
        if failure is not None:
            raise Unavailable("away")

    def keep(self, document: Mapping[str, Any]) -> None:
        known = self.kept.setdefault(document["mrid"], document)
        assert known == document, "one mrid stands for two documents"

    async def close(self) -> None:
        self.closed = True


class CollectorServer:
    """The fake behind real HTTP; `status` of a failure is the server's to choose."""

    def __init__(self, behind: FakeCollector, *, token: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(behind, token))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/documents"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(behind: FakeCollector, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            behind.calls += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            failure = behind.failures.pop(0) if behind.failures else None
            if self.headers["Authorization"] != f"Bearer {token}":
                return self._end(401)
            if failure is Failure.REFUSED:
                return self._end(422)
            if failure is not Failure.LOST:
                behind.keep(json.loads(body))
            if failure is Failure.KEPT:
                # The document is there, and the answer never comes.
                self.close_connection = True
                return None
            return self._end(503 if failure is Failure.LOST else 201)

        def _end(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
