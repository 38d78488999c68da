"""What was refused, kept aside with its reason; bounded, so that a flood cannot fill the disk."""

import hashlib
import sqlite3
from dataclasses import dataclass

from gateway.journal.store import Store
from gateway.ports import Refusal

_KEPT_BYTES = 64 * 1024
_PER_NODE = 256
_STRANGERS = -1
_COLUMNS = "id, bucket, reason, detail, first_ms, last_ms, times, size_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A refused message; `node_index` is None when none of that number is enrolled."""

    number: int
    node_index: int | None
    reason: str
    detail: str
    first_ms: int
    last_ms: int
    times: int
    size_bytes: int


class Quarantine:
    """Refused messages: 256 for each node, one such share for all strangers, so many bytes in all.

    The oldest gives way. The same bytes from the same node count once, however often they come.
    """

    def __init__(self, store: Store, *, most_bytes: int = 64 << 20) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._held_bytes: int | None = None
        store.on_failure(self._forget)

    def put(self, connection: sqlite3.Connection, refusal: Refusal) -> bool:
        """Put a message aside, within a transaction; False if it lies there already."""
        bucket = _STRANGERS if refusal.node_index is None else refusal.node_index
        digest = hashlib.sha256(refusal.payload).digest()
        again = connection.execute(
            "UPDATE quarantine SET times = times + 1, last_ms = ? WHERE bucket = ? AND digest = ?",
            (refusal.received_ms, bucket, digest),
        )
        if again.rowcount:
            return False
        kept = refusal.payload[:_KEPT_BYTES]
        connection.execute(
            "INSERT INTO quarantine (bucket, digest, reason, detail, first_ms, last_ms, times,"
            " size_bytes, payload) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
            (
                bucket, digest, refusal.reason, refusal.detail[:500], refusal.received_ms,
                refusal.received_ms, len(refusal.payload), kept,
            ),
        )  # fmt: skip
        self._make_room(connection, bucket, len(kept))
        return True

    def entries(self, most: int) -> list[Quarantined]:
        """Return what lies there, newest first."""
        with self._store.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM quarantine ORDER BY id DESC LIMIT ?",  # noqa: S608 -- our own names
                (most,),
            ).fetchall()
        return [_quarantined(row) for row in rows]

    def entry(self, number: int) -> tuple[Quarantined, bytes] | None:
        """Return one entry and its bytes, at most the first 64 KiB."""
        with self._store.reading() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS}, payload FROM quarantine WHERE id = ?",  # noqa: S608 -- our own names
                (number,),
            ).fetchone()
        return (_quarantined(row[:-1]), row[-1]) if row else None

    def count(self) -> int:
        """Return how many messages lie there."""
        with self._store.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
        return int(count)

    def _make_room(self, connection: sqlite3.Connection, bucket: int, added_bytes: int) -> None:
        held_bytes = self._held(connection, added_bytes) - self._drop(
            connection,
            "SELECT id FROM quarantine WHERE bucket = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
            (bucket, _PER_NODE),
        )
        while held_bytes > self._most_bytes:
            held_bytes -= self._drop(
                connection, "SELECT id FROM quarantine ORDER BY id LIMIT ?", (16,)
            )
        self._held_bytes = held_bytes

    def _held(self, connection: sqlite3.Connection, added_bytes: int) -> int:
        if self._held_bytes is not None:
            return self._held_bytes + added_bytes
        (held_bytes,) = connection.execute(
            "SELECT coalesce(sum(length(payload)), 0) FROM quarantine"
        ).fetchone()
        return int(held_bytes)

    @staticmethod
    def _drop(connection: sqlite3.Connection, which: str, values: tuple[int, ...]) -> int:
        rows = connection.execute(
            f"DELETE FROM quarantine WHERE id IN ({which}) RETURNING length(payload)",  # noqa: S608 -- our own text
            values,
        ).fetchall()
        return sum(row[0] for row in rows)

    def _forget(self) -> None:
        self._held_bytes = None


def _quarantined(row: tuple[int, int, str, str, int, int, int, int]) -> Quarantined:
    number, bucket, reason, detail, first_ms, last_ms, times, size_bytes = row
    return Quarantined(
        number=number,
        node_index=None if bucket == _STRANGERS else bucket,
        reason=reason,
        detail=detail,
        first_ms=first_ms,
        last_ms=last_ms,
        times=times,
        size_bytes=size_bytes,
    )
