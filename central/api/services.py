"""What the routes work with: put together once, by whoever starts the process."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from central.scd.documents_desk import DocumentDesk
from central.scd.documents_log import MarketLog
from central.scd.documents_proofs import DocumentProver
from central.scd.ingest import Ingest
from central.scd.inquiry import Inquiry
from central.scd.logbook import LogBook
from central.scd.ports import DocumentStore, Evidence
from central.scd.proofs import Prover
from central.scd.series import Series
from central.scd.stored import StoredRegistration
from central.scd.tokens import TokenStore
from ledger.facts.clock import Clock


class Directory:
    """Which node measures which POD, as registered last; safe for several threads at once."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._lock = threading.Lock()
        self._arrival = 0
        self._nodes: dict[int, StoredRegistration] = {}

    def nodes(self) -> dict[int, StoredRegistration]:
        """Return the registration of each node."""
        with self._lock:
            if later := self._evidence.registration_history(self._arrival):
                self._nodes = {**self._nodes, **{each.node_index: each for each in later}}
                self._arrival = later[-1].arrival
            return self._nodes

    def nodes_of(self, pod: str) -> list[int]:
        """Return the nodes that measure a POD, by index."""
        return sorted(index for index, stored in self.nodes().items() if stored.pod == pod)

    def pods(self) -> list[str]:
        """Return every POD with a node, in order."""
        return sorted({stored.pod for stored in self.nodes().values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that a route may ask for."""

    evidence: Evidence
    series: Series
    inquiry: Inquiry
    prover: Prover
    logbook: LogBook
    ingest: Ingest
    tokens: TokenStore
    documents: DocumentStore
    desk: DocumentDesk
    market_log: MarketLog | None
    document_prover: DocumentProver | None
    directory: Directory
    clock: Clock
    max_body_bytes: int
    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
