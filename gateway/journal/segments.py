"""Segments in the journal: admitted in group commits, kept until their outcome is known."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from gateway.journal.quarantine import Quarantine
from gateway.journal.store import Store
from gateway.ports import (
    Equivocation,
    Examined,
    Lane,
    Link,
    LinkState,
    Neighbours,
    Outgoing,
    Refusal,
    SplitView,
)
from ledger.errors import InvariantBroken
from ledger.facts.segment import MAX_RECORDS

_EVIDENCE_PER_NODE = 100
_LINK = (
    "node_index, first_sequence, next_sequence, header_hash, previous_hash, first_slot, end_slot, "
    "state"
)
_STATES = {
    "stored": LinkState.STORED,
    "duplicate": LinkState.STORED,
    "conflict": LinkState.CONFLICT,
    "rejected": LinkState.REFUSED,
}
_NO_WINDOW = -1
"""Stands for the window of a segment that was in one, before the journal forgot which."""


class SegmentJournal:
    """Admissions and deliveries; see the ports `AdmissionJournal` and `DeliveryJournal`."""

    def __init__(self, store: Store, quarantine: Quarantine) -> None:
        self._store = store
        self._quarantine = quarantine
        self._heads: dict[int, Link] = {}
        self._backlog_bytes: int | None = None
        store.on_failure(self._forget)

    @contextlib.contextmanager
    def batch(self) -> Iterator["Batch"]:
        """Open a group commit; see `AdmissionJournal.batch`."""
        with self._store.writing() as connection:
            batch = Batch(connection, self._heads, self._quarantine)
            yield batch
            self._count(batch.admitted_bytes)

    def backlog_bytes(self) -> int:
        """Return how much waits for delivery [bytes]."""
        with self._store.reading() as connection:
            if self._backlog_bytes is None:
                (waiting_bytes,) = connection.execute(
                    "SELECT coalesce(sum(length(payload)), 0) FROM outgoing"
                ).fetchone()
                self._backlog_bytes = int(waiting_bytes)
            return self._backlog_bytes

    def outgoing(self, most: int) -> list[Outgoing]:
        """Return what waits for delivery, live lane first, oldest first."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT id, node_index, first_sequence, count, header_hash, payload, is_evidence"
                " FROM outgoing ORDER BY lane, id LIMIT ?",
                (most,),
            ).fetchall()
        return [_outgoing(row) for row in rows]

    def backlog(self) -> int:
        """Return how many segments wait for delivery."""
        with self._store.reading() as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM outgoing").fetchone()
        return int(waiting)

    def settle(self, outcomes: Sequence[tuple[Outgoing, str, str]], now_ms: int) -> None:
        """Write down outcome and reason of deliveries, durably, and drop the bytes."""
        with self._store.writing() as connection:
            for sent, outcome, reason in outcomes:
                if not sent.is_evidence:
                    self._settle(connection, sent, outcome, reason, now_ms)
            connection.executemany(
                "DELETE FROM outgoing WHERE id = ?", [(sent.number,) for sent, _, _ in outcomes]
            )
            self._count(-sum(len(sent.payload) for sent, _, _ in outcomes))

    def prune(self, cutoff_ms: int, *, most: int = 5_000) -> int:
        """Forget certified segments admitted before `cutoff_ms`; return how many.

        The newest of each node stays, so that the next one's link can be checked.
        """
        with self._store.writing() as connection:
            rows = connection.execute(
                "SELECT id, node_index, next_sequence FROM links WHERE admitted_ms < ?"
                " AND (state > 1 OR window < (SELECT coalesce("
                "  (SELECT min(number) FROM windows WHERE certified = 0 OR told = 0),"
                "  (SELECT max(number) + 1 FROM windows), 0)))"
                " AND EXISTS (SELECT 1 FROM links AS later WHERE"
                "  later.node_index = links.node_index"
                "  AND later.first_sequence > links.first_sequence)"
                " ORDER BY id LIMIT ?",
                (cutoff_ms, most),
            ).fetchall()
            connection.executemany(
                "UPDATE nodes SET pruned_below = max(pruned_below, ?) WHERE node_index = ?",
                [(next_sequence, node) for _, node, next_sequence in rows],
            )
            connection.executemany("DELETE FROM links WHERE id = ?", [(row[0],) for row in rows])
        return len(rows)

    def evidence(self, most: int) -> list[tuple[int, str, int, int, bytes, bytes, int]]:
        """Return number, kind, node, sequence, both header hashes and time; newest first."""
        with self._store.reading() as connection:
            return connection.execute(
                "SELECT id, kind, node_index, first_sequence, held_hash, other_hash, detected_ms"
                " FROM evidence ORDER BY id DESC LIMIT ?",
                (most,),
            ).fetchall()

    def _settle(
        self, connection: sqlite3.Connection, sent: Outgoing, outcome: str, reason: str, now_ms: int
    ) -> None:
        state = _STATES.get(outcome)
        if state is None:
            raise InvariantBroken(f"the Shared Customer Database answered {outcome!r}")
        # What it had already, and what we forgot, was in a window once: it needs no second one.
        connection.execute(
            "UPDATE links SET state = ?, window = CASE WHEN ? AND next_sequence <="
            " (SELECT pruned_below FROM nodes WHERE nodes.node_index = links.node_index)"
            " THEN ? ELSE window END"
            " WHERE node_index = ? AND first_sequence = ? AND header_hash = ?",
            (
                state, outcome == "duplicate", _NO_WINDOW, sent.node_index, sent.first_sequence,
                sent.header_hash,
            ),
        )  # fmt: skip
        if state is LinkState.REFUSED:
            self._quarantine.put(connection, _refused_by_central(sent, reason, now_ms))
        if state is LinkState.CONFLICT:
            _keep_evidence(connection, _conflict(sent, now_ms))

    def _count(self, added_bytes: int) -> None:
        """Keep the running count; within a transaction, so that a failed one resets it."""
        if self._backlog_bytes is not None:
            self._backlog_bytes += added_bytes

    def _forget(self) -> None:
        self._heads.clear()
        self._backlog_bytes = None


class Batch:
    """One group commit; see the port `AdmissionBatch`."""

    def __init__(
        self, connection: sqlite3.Connection, heads: dict[int, Link], quarantine: Quarantine
    ) -> None:
        self._connection = connection
        self._heads = heads
        self._quarantine = quarantine
        self.admitted_bytes = 0

    def neighbours(self, node_index: int, first_sequence: int, next_sequence: int) -> Neighbours:
        """Return the known segments around `[first_sequence, next_sequence)` of a node."""
        head = self._head(node_index)
        if head is None or first_sequence > head.next_sequence:
            return Neighbours()
        if first_sequence == head.next_sequence:
            return Neighbours(before=head)
        rows = self._connection.execute(
            f"SELECT {_LINK} FROM links WHERE node_index = ? AND first_sequence"  # noqa: S608 -- our own names
            " BETWEEN ? AND ? AND next_sequence >= ? ORDER BY first_sequence",
            (node_index, first_sequence - MAX_RECORDS, next_sequence, first_sequence),
        ).fetchall()
        links = [_link(row) for row in rows]
        return Neighbours(
            overlapping=tuple(
                link
                for link in links
                if link.first_sequence < next_sequence and link.next_sequence > first_sequence
            ),
            before=next((k for k in links if k.next_sequence == first_sequence), None),
            after=next((k for k in links if k.first_sequence == next_sequence), None),
        )

    def admit(self, segment: Examined, lane: Lane, now_ms: int) -> None:
        """Keep a new segment, to be delivered."""
        header = segment.header
        link = Link(
            node_index=header.node_index,
            first_sequence=header.first_sequence,
            next_sequence=header.next_sequence,
            header_hash=segment.header_hash,
            previous_hash=header.previous_hash,
            first_slot=header.first_slot,
            end_slot=header.end_slot,
            state=LinkState.ADMITTED,
        )
        self._connection.execute(
            f"INSERT INTO links ({_LINK}, admitted_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",  # noqa: S608 -- our own names
            (
                link.node_index, link.first_sequence, link.next_sequence, link.header_hash,
                link.previous_hash, link.first_slot, link.end_slot, now_ms,
            ),
        )  # fmt: skip
        self._queue(segment, lane, is_evidence=False)
        head = self._heads.get(link.node_index)
        if head is None or head.first_sequence < link.first_sequence:
            self._heads[link.node_index] = link

    def deliver_again(self, segment: Examined, lane: Lane) -> None:
        """Queue a known segment once more, because the other side refused it before."""
        header = segment.header
        self._connection.execute(
            "UPDATE links SET state = 0 WHERE node_index = ? AND first_sequence = ?",
            (header.node_index, header.first_sequence),
        )
        self._queue(segment, lane, is_evidence=False)

    def keep_evidence(self, evidence: Equivocation) -> bool:
        """Keep both sides of a contradiction; False if this one was known before."""
        other = evidence.other
        is_new = _keep_evidence(
            self._connection,
            _Evidence(
                kind=evidence.kind,
                node_index=other.header.node_index,
                first_sequence=other.header.first_sequence,
                held_hash=evidence.held.header_hash,
                other_hash=other.header_hash,
                payload=other.payload,
                detected_ms=evidence.detected_ms,
            ),
        )
        if is_new:
            # Behind the held one in the same lane or after it in the other: who came first counts.
            self._queue(other, Lane.BACKFILL, is_evidence=True)
        return is_new

    def keep_split_view(self, view: SplitView) -> bool:
        """Keep a claim against the log; False if the node's claim to this root was known before."""
        header = view.segment.header
        return _keep_evidence(
            self._connection,
            _Evidence(
                kind="split_view",
                node_index=header.node_index,
                first_sequence=header.first_sequence,
                held_hash=view.root,
                other_hash=header.checkpoint[1] if header.checkpoint else b"",
                payload=view.segment.payload,
                detected_ms=view.detected_ms,
            ),
        )

    def quarantine(self, refusal: Refusal) -> bool:
        """Put a refused message aside; False if the same bytes of this node lie there already."""
        return self._quarantine.put(self._connection, refusal)

    def _queue(self, segment: Examined, lane: Lane, *, is_evidence: bool) -> None:
        header = segment.header
        self._connection.execute(
            "INSERT INTO outgoing (lane, node_index, first_sequence, count, header_hash,"
            " is_evidence, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                lane, header.node_index, header.first_sequence, header.count,
                segment.header_hash, is_evidence, segment.payload,
            ),
        )  # fmt: skip
        self.admitted_bytes += len(segment.payload)

    def _head(self, node_index: int) -> Link | None:
        head = self._heads.get(node_index)
        if head is None:
            row = self._connection.execute(
                f"SELECT {_LINK} FROM links WHERE node_index = ?"  # noqa: S608 -- our own names
                " ORDER BY first_sequence DESC LIMIT 1",
                (node_index,),
            ).fetchone()
            if row is None:
                return None
            head = self._heads[node_index] = _link(row)
        return head


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    kind: str
    node_index: int
    first_sequence: int
    held_hash: bytes
    other_hash: bytes
    payload: bytes
    detected_ms: int


def _keep_evidence(connection: sqlite3.Connection, evidence: _Evidence) -> bool:
    # A node that contradicts itself a hundred times has told enough: the disk is not its to fill.
    kept = connection.execute(
        "INSERT INTO evidence (kind, node_index, first_sequence, held_hash, other_hash, payload,"
        " detected_ms) SELECT ?, ?, ?, ?, ?, ?, ? WHERE"
        " (SELECT count(*) FROM evidence WHERE node_index = ?) < ?"
        " ON CONFLICT DO NOTHING",
        (*astuple(evidence), evidence.node_index, _EVIDENCE_PER_NODE),
    )
    return kept.rowcount == 1


def _conflict(sent: Outgoing, now_ms: int) -> _Evidence:
    """Return what the other side said: it holds another content, whose hash it alone knows."""
    return _Evidence(
        kind="central_conflict",
        node_index=sent.node_index,
        first_sequence=sent.first_sequence,
        held_hash=b"",
        other_hash=sent.header_hash,
        payload=sent.payload,
        detected_ms=now_ms,
    )


def _refused_by_central(sent: Outgoing, reason: str, now_ms: int) -> Refusal:
    return Refusal(
        node_index=sent.node_index,
        reason="refused_by_central",
        detail=reason,
        payload=sent.payload,
        received_ms=now_ms,
    )


def _outgoing(row: tuple[int, int, int, int, bytes, bytes, int]) -> Outgoing:
    number, node_index, first_sequence, count, header_hash, payload, is_evidence = row
    return Outgoing(
        number=number,
        node_index=node_index,
        first_sequence=first_sequence,
        count=count,
        header_hash=header_hash,
        payload=payload,
        is_evidence=bool(is_evidence),
    )


def _link(row: tuple[int, int, int, bytes, bytes, int, int, int]) -> Link:
    node_index, first_sequence, next_sequence, header_hash, previous_hash, first, end, state = row
    return Link(
        node_index=node_index,
        first_sequence=first_sequence,
        next_sequence=next_sequence,
        header_hash=header_hash,
        previous_hash=previous_hash,
        first_slot=first,
        end_slot=end,
        state=LinkState(state),
    )
