"""A collector of measurements that fails in pairs: documents are lost, or kept though it failed.

It judges with the reader of the Shared Customer Database, which the bench shares no code with.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from central.documents.encoding import document_hash, opened, verify
from central.documents.measurement import FieldMeasurements
from ledger import codec
from ledger.errors import Refused, Rejected, Unavailable
from ledger.signing import SigningKey

KEY = SigningKey.generate("EdDSA")


class Failure(Enum):
    """What happens to the next documents."""

    LOST = auto()
    KEPT = auto()
    REFUSED = auto()


@dataclass
class FakeCollector:
    """Keeps documents by their hash, in the order of their arrival; refuses what is none."""

    kept: dict[bytes, FieldMeasurements] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    calls: int = 0
    closed: bool = False

    async def send(self, documents: Sequence[bytes]) -> Sequence[str | None]:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is Failure.REFUSED:
            raise Refused("this token may not")
        if failure is Failure.LOST:
            raise Unavailable("away")
        judged = self.judged(documents)
        if failure is Failure.KEPT:
            raise Unavailable("away")
        return judged

    def judged(self, documents: Sequence[bytes]) -> list[str | None]:
        """Keep what is a document signed by the key of the tests; return what stands against it."""
        return [self._judged(signed) for signed in documents]

    def _judged(self, signed: bytes) -> str | None:
        try:
            document, encoded = opened(signed)
            verify(signed, KEY.public)
        except Rejected as error:
            return error.reason
        if not isinstance(document, FieldMeasurements):
            return "wrong_ii"
        self.kept.setdefault(document_hash(encoded), document)
        return None

    async def close(self) -> None:
        self.closed = True


class CollectorServer:
    """The fake behind the route of the Shared Customer Database."""

    def __init__(self, behind: FakeCollector, *, token: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(behind, token))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

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
            documents = codec.decode(self.rfile.read(int(self.headers["Content-Length"])))
            failure = behind.failures.pop(0) if behind.failures else None
            if self.headers["Authorization"] != f"Bearer {token}":
                return self._end(401)
            asked = self.path, self.headers["Content-Type"]
            if asked != ("/v1/field-measurements", "application/cbor"):
                return self._end(404)
            if failure in {Failure.REFUSED, Failure.LOST}:
                return self._end(403 if failure is Failure.REFUSED else 503)
            judged = behind.judged(documents)
            if failure is Failure.KEPT:
                # The documents are there, and the answer never comes.
                self.close_connection = True
                return None
            told = [[b"", "rejected", why] if why else [b"", "stored", ""] for why in judged]
            return self._end(200, codec.encode(told))

        def _end(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
