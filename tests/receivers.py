"""Who takes congestion alerts: a real HTTP server on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from central.scd.documents_alerts import SIGNATURE_HEADER, TIMESTAMP_HEADER


@dataclass
class Receiver:
    """A server that answers what it is told, and remembers what it took.

    Args:
        statuses: answers to come; 204 when there is none left.
        taken: documents of what was answered well.
        asked: timestamp, signature and body of every request.
        url: where it listens.
        has_taken: set when the first was answered well.
    """

    statuses: list[int] = field(default_factory=list)
    taken: list[dict[str, object]] = field(default_factory=list)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""
    has_taken: threading.Event = field(default_factory=threading.Event)

    def answer(self, timestamp: str, signature: str, body: bytes) -> int:
        """Return the status of the answer to a request."""
        self.asked.append((timestamp, signature, body))
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.taken.append(json.loads(body)["document"])
            self.has_taken.set()
        return status

    @property
    def revisions(self) -> list[object]:
        """Return the revisions that were taken, in order."""
        return [each["revision"] for each in self.taken]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver that listens."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = made.answer(
                self.headers[TIMESTAMP_HEADER], self.headers[SIGNATURE_HEADER], body
            )
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/alerts"
    yield made
    server.shutdown()
    server.server_close()
