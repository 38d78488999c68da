"""What the Shared Customer Database needs from the engine that keeps its evidence."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from central.documents.header import Document
from central.scd.documents import (
    CheckedDocument,
    DocumentQuery,
    IdempotencyKey,
    Scope,
    StoredDocument,
)
from central.scd.documents_entries import Anchored, Logged, Seal
from central.scd.sessions import SessionRow
from central.scd.stored import (
    LATEST,
    Arrival,
    CheckedSegment,
    Equivocation,
    LastValue,
    NamedGap,
    Outcome,
    QuarterSums,
    SegmentEntry,
    StoredAnchor,
    StoredRegistration,
    StoredSegmentBody,
    StoredWindow,
    Tally,
    Watermark,
)
from ledger.chain.orders import OrderJournal

Members = Sequence[tuple[int, Sequence[bytes]]]
"""The nodes present in a window, each with the hashes of its segment headers."""


class SegmentStore(Protocol):
    """Durable before told: an outcome is returned only when it survives a power cut.

    One call is one transaction. Whatever happens, either every segment of the call is there,
    with watermark, last value, gaps and quarter sums, or nothing of the call is. A call that
    raised may have been kept: handing the same segments in again is always safe and answers
    `DUPLICATE`. A second content for a stored sequence is kept as evidence and answers
    `CONFLICT`; from then on neither content counts in anything derived. The order in which
    segments arrive changes no derived value. Reads may run at once with writes and see whole
    calls only.
    """

    def commit_segments(self, segments: Sequence[CheckedSegment], arrived_ms: int) -> list[Outcome]:
        """Store segments and all that is derived from them; return an outcome for each.

        Raises:
            StoreAway: nothing of it may be there, or all of it.
            DamagedStore: nothing was written.
        """
        ...

    def segment_entries(self, node_index: int, from_slot: int, end_slot: int) -> list[SegmentEntry]:
        """Return the segments covering any slot of `[from_slot, end_slot)`, by sequence."""
        ...

    def segment_bodies(
        self,
        node_index: int,
        from_slot: int,
        end_slot: int,
        *,
        after_arrival: int = 0,
        until_arrival: int = LATEST,
    ) -> list[StoredSegmentBody]:
        """Return the undisputed ones that arrived in `(after, until]`, with their bytes."""
        ...

    def segment_at(self, node_index: int, sequence: int) -> StoredSegmentBody | None:
        """Return the segment that holds a sequence, disputed or not."""
        ...

    def bodies_since(self, nodes: Sequence[int], after_arrival: int) -> list[StoredSegmentBody]:
        """Return the undisputed segments of these nodes that arrived later, by arrival."""
        ...

    def disputed_entries(self, node_index: int | None = None) -> list[SegmentEntry]:
        """Return the stored segments, of one node or all, that another content contradicts."""
        ...

    def equivocations(self, node_index: int) -> list[Equivocation]:
        """Return the contents of a node that contradict a segment stored before."""
        ...

    def quarters(self, node_index: int, from_quarter: int, to_quarter: int) -> list[QuarterSums]:
        """Return the sums of the quarters `[from_quarter, to_quarter)`, in order of time."""
        ...

    def gaps(self, node_index: int, from_slot: int, end_slot: int) -> list[NamedGap]:
        """Return the gaps that touch `[from_slot, end_slot)`, in order of time."""
        ...

    def last_value(self, node_index: int) -> LastValue | None:
        """Return the latest undisputed reading of a node."""
        ...

    def watermark(self, node_index: int) -> Watermark | None:
        """Return how far the evidence of a node reaches; None if there is none yet."""
        ...


class CertificateStore(Protocol):
    """Durable before told, as `SegmentStore`: registrations, windows and anchors.

    Windows are dense from 0. Registrations are never changed: a new one for the same node takes
    the place of the one before it from its own arrival on.
    """

    def commit_registrations(
        self, registrations: Sequence[tuple[int, str, bytes]], arrived_ms: int
    ) -> None:
        """Store (node index, POD, leaf bytes) where they differ from what is stored."""
        ...

    def registrations(self, *, until_arrival: int | None = None) -> list[StoredRegistration]:
        """Return each node's registration, as of an arrival (None: now), by node index."""
        ...

    def registration_history(self, after_arrival: int) -> list[StoredRegistration]:
        """Return the registrations that arrived later, by arrival."""
        ...

    def commit_window(
        self,
        window: int,
        *,
        registry_arrival: int,
        closed_ms: int,
        entry: bytes,
        members: Members,
        body: bytes,
        arrived_ms: int,
    ) -> None:
        """Store the next window and note it on the segments that it holds.

        Raises:
            NotTheNext: it is not the next one.
            Contradicted: it names a segment that is not stored.
        """
        ...

    def window_count(self) -> int:
        """Return the number of windows stored, which is the number of the next one."""
        ...

    def windows(self, first: int, limit: int) -> list[StoredWindow]:
        """Return up to `limit` windows from `first` on."""
        ...

    def window_body(self, window: int) -> bytes | None:
        """Return a window as it arrived, with all that was in it."""
        ...

    def commit_anchor(self, size: int, body: bytes, arrived_ms: int) -> None:
        """Store a checkpoint over the first `size` windows; again for the same size replaces."""
        ...

    def latest_anchor(self) -> StoredAnchor | None:
        """Return the anchor over the most windows."""
        ...


class ChangeFeed(Protocol):
    """Everything that ever arrived, in the order of arrival, dense from 1, never changed.

    Who has read up to an arrival has seen all that any answer before it rested on.
    """

    def changes(self, since: int, limit: int, nodes: frozenset[int] | None = None) -> list[Arrival]:
        """Return up to `limit` arrivals after `since`; if nodes are given, no other node's."""
        ...

    def last_arrival(self) -> int:
        """Return the number of the latest arrival, 0 while there is none."""
        ...

    def arrival_bodies(self, since: int, limit: int) -> Iterator[tuple[Arrival, bytes]]:
        """Yield up to `limit` arrivals after `since` with their bytes."""
        ...

    def tally(self) -> Tally:
        """Return how much there is."""
        ...


class Evidence(SegmentStore, CertificateStore, ChangeFeed, Protocol):
    """The evidence half of the Shared Customer Database: one engine keeps all three."""

    def close(self) -> None:
        """Release the engine; nothing that was answered depends on it."""
        ...


class DocumentStore(Protocol):
    """Durable before told: an outcome is returned only when it survives a power cut.

    One call is one transaction: all of it, or nothing. A document is named by mRID and revision.
    The same content again answers `DUPLICATE`, in whatever order; so a call that raised is
    safely made again. A second content for the same name answers `CONFLICT`, is kept as evidence,
    and never takes the place of the first. A name that another sender, or another kind of
    document, has taken answers `REJECTED`, and nothing is kept. Arrivals are dense from 1 and
    never change: who has read up to one has seen everything before it.
    """

    def commit_documents(
        self,
        documents: Sequence[CheckedDocument],
        arrived_ms: int,
        key: IdempotencyKey | None = None,
    ) -> list[Outcome]:
        """Store documents; return an outcome for each.

        Raises:
            Rejected: `key_reused`: the key came with another document before; nothing is stored.
            StoreAway: nothing of it may be there, or all of it.
            DamagedStore: nothing was written.
        """
        ...

    def documents(self, query: DocumentQuery, scope: Scope | None = None) -> list[StoredDocument]:
        """Return the documents asked for that the scope shows, by arrival; None shows all."""
        ...

    def delivered(self, name: str) -> int:
        """Return the last arrival that a named delivery has handed out, 0 at first."""
        ...

    def note_delivered(self, name: str, arrival: int) -> None:
        """Note, durably, how far a named delivery has come."""
        ...


class Doorkeeper(Protocol):
    """Never stricter than the session: what it refuses, a gate that closed now would refuse too.

    It keeps nothing and changes nothing: whoever was refused may come again, with the same
    document. What it lets in may still be refused when the gate closes.
    """

    def check(self, document: Document, at_ms: int) -> None:
        """Check a market document that arrives at an instant [ms since 1970, UTC].

        Raises:
            Rejected: its session would refuse it, for the reason told.
            StoreAway: what is there beside it cannot be read.
        """
        ...


class SessionStore(Protocol):
    """A session is a durable sequence of rows, each with what it filed.

    One call is one transaction: the row and every document of it, or nothing. So nothing is half
    published, and whoever goes on after a kill knows each row either as ended or as not begun.
    A call that raised may have been kept: ask for the rows before going on.
    """

    def commit_row(self, row: SessionRow, documents: Sequence[CheckedDocument] = ()) -> None:
        """Note that a row has ended, with its documents.

        Raises:
            Rejected: `row_taken`: it had ended before, in another process; `name_taken`: a
                document's name stands for another content. Nothing is stored.
            StoreAway: nothing of it may be there, or all of it.
            DamagedStore: nothing was written.
        """
        ...

    def rows(self, session: str) -> list[SessionRow]:
        """Return the rows of a session, in the order in which they ended."""
        ...

    def sessions(self) -> list[str]:
        """Return the names of all sessions, by when they began."""
        ...


class MarketLogStore(Protocol):
    """Durable before told. Entries are dense from 0, by arrival of their document, never changed.

    Only what `DocumentStore` has made durable is ever taken in, and each document once, also when
    several processes take in at once. Seals are kept in the order in which they were made.
    """

    def take_in(self) -> int:
        """Take in every stored document that belongs there and is not; return the log's size.

        Raises:
            StoreAway: some may be taken in, and the rest by a later call.
            DamagedStore: nothing was written.
        """
        ...

    def leaf_hashes(self, since: int, limit: int) -> list[bytes]:
        """Return the leaf hashes of up to `limit` entries from entry `since` on."""
        ...

    def logged(self, document_hash: bytes) -> Logged | None:
        """Return where a document stands; None if it is not taken in, or belongs nowhere."""
        ...

    def commit_seal(self, seal: Seal) -> None:
        """Keep a seal.

        Raises:
            StoreAway: it may be there or not.
            DamagedStore: nothing was written.
        """
        ...

    def seals(self, session: str | None = None) -> list[Seal]:
        """Return the seals of a session, or of all, in their order."""
        ...

    def latest_seal(self, most: int | None = None) -> Seal | None:
        """Return the seal over the most entries, at most so many; the newest of equals."""
        ...


class AnchorStore(OrderJournal, Protocol):
    """The orders that anchor the market log, as `OrderJournal`; several processes may work on it.

    Whichever takes a step finds what the others have written down.
    """

    def anchored(self) -> Anchored | None:
        """Return the largest head that is final on the ledger."""
        ...
