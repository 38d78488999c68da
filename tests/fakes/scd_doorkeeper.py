"""A doorkeeper that lets everything in, or refuses what it is told to."""

from dataclasses import dataclass, field

from central.documents.header import Document
from ledger.errors import Rejected


@dataclass
class FakeDoorkeeper:
    """What `central.scd.ports.Doorkeeper` promises, for sessions that take anything by default."""

    refusing: Rejected | None = None
    seen: list[tuple[Document, int]] = field(default_factory=list)

    def check(self, document: Document, at_ms: int) -> None:
        """Check a document that arrives."""
        self.seen.append((document, at_ms))
        if self.refusing is not None:
            raise self.refusing
