"""The embedded chain on disk: everything a block changes is committed at once, durably, or not.

Synced before a block is told of: `synchronous=FULL` and the directory before the first block.
One process at a time holds the store; its lock ends with the process, however that ends.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.abc import AtomicWriteBatchAPI
from eth.db.atomic import AtomicDBWriteBatch
from eth.db.backends.base import BaseAtomicDB

from ledger.errors import CertiflexError, InvariantBroken, Rejected, Unavailable

FILE_NAME = "chain.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS node (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
  block INTEGER, position INTEGER, transaction_hash BLOB NOT NULL, address BLOB NOT NULL,
  topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB, data BLOB NOT NULL,
  PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_by_topic ON event (topic0, topic1, block);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that a transaction wrote; `position` counts within its block."""

    block: int
    position: int
    transaction_hash: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are asked for; an empty choice lets everything pass."""

    from_block: int
    to_block: int
    addresses: frozenset[bytes] = frozenset()
    topics: tuple[frozenset[bytes], ...] = ()


class ChainStore(BaseAtomicDB):
    """Key-value database of py-evm in one SQLite file.

    Writes are held back inside `block()` and committed at its end; outside they are refused.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._pending: dict[bytes, bytes | None] | None = None
        self._pending_events: list[Event] = []
        self._pending_facts: dict[str, str] = {}
        with self._translated():
            directory.mkdir(parents=True, exist_ok=True)
            self._connection = _connected(self._path)
            _sync_directory(directory)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __getitem__(self, key: bytes) -> bytes:
        if self._pending is not None and key in self._pending:
            value = self._pending[key]
        else:
            with self._translated():
                found = self._connection.execute("SELECT value FROM node WHERE key = ?", (key,))
                value = next((row[0] for row in found), None)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._writes()[key] = value

    def __delitem__(self, key: bytes) -> None:
        if key not in self:
            raise KeyError(key)
        self._writes()[key] = None

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    @contextmanager
    def atomic_batch(self) -> Iterator[AtomicWriteBatchAPI]:
        """Collect writes that come together; they reach the disk with their block."""
        with AtomicDBWriteBatch._commit_unless_raises(self) as batch:  # noqa: SLF001
            yield batch

    @contextmanager
    def block(self) -> Iterator[None]:
        """Commit everything written inside, durably, at the end; nothing if it fails."""
        self._pending, self._pending_events, self._pending_facts = {}, [], {}
        try:
            yield
            self._commit(self._pending)
        finally:
            self._pending = None

    def add_events(self, events: Sequence[Event]) -> None:
        """Keep the events of the block that is being written."""
        self._writes()
        self._pending_events.extend(events)

    def events(self, wanted: EventFilter, *, at_most: int) -> list[Event]:
        """Return the events that pass a filter, oldest first, one more than allowed at most."""
        clauses, values = _conditions(wanted)
        with self._translated():
            rows = self._connection.execute(
                f"SELECT * FROM event WHERE {clauses} ORDER BY block, position LIMIT ?",  # noqa: S608
                (*values, at_most + 1),
            ).fetchall()
        return [_event(row) for row in rows]

    def fact(self, name: str) -> str | None:
        """Return what was noted under a name when the chain began."""
        with self._translated():
            rows = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,))
            return next((str(row[0]) for row in rows), None)

    def note(self, facts: dict[str, str]) -> None:
        """Note facts about the chain together with the block that is being written."""
        self._writes()
        self._pending_facts.update(facts)

    def _writes(self) -> dict[bytes, bytes | None]:
        if self._pending is None:
            raise InvariantBroken("the chain's store is written to outside a block")
        return self._pending

    def _commit(self, writes: dict[bytes, bytes | None]) -> None:
        kept = [(key, value) for key, value in writes.items() if value is not None]
        gone = [(key,) for key, value in writes.items() if value is None]
        with self._translated(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO node VALUES (?, ?)", kept)
            self._connection.executemany("DELETE FROM node WHERE key = ?", gone)
            self._connection.executemany(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_row, self._pending_events),
            )
            self._connection.executemany(
                "INSERT INTO fact VALUES (?, ?)", self._pending_facts.items()
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _told(error, self._path) from error


def _connected(path: Path) -> sqlite3.Connection:
    # Guarded by the chain's own lock; the server answers from several threads.
    connection = sqlite3.connect(path, check_same_thread=False, timeout=0.5)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _told(error: Exception, path: Path) -> CertiflexError:
    where = str(path)
    match error:
        case sqlite3.OperationalError() if "locked" in str(error):
            return Rejected(
                "another process runs this chain",
                where=where,
                remedy="stop that one, or choose another directory",
                reason="in_use",
            )
        case sqlite3.OperationalError() | OSError():
            return Unavailable(f"the chain's store cannot be used ({error})", where=where)
        case sqlite3.DatabaseError():
            return InvariantBroken(
                f"the chain's store is damaged ({error})",
                where=where,
                remedy="restore the directory from its backup",
            )
    return InvariantBroken(f"the chain's store is used wrongly ({error})", where=where)


def _conditions(wanted: EventFilter) -> tuple[str, list[bytes | int]]:
    clauses = ["block BETWEEN ? AND ?"]
    values: list[bytes | int] = [wanted.from_block, wanted.to_block]
    columns = ("address", "topic0", "topic1", "topic2", "topic3")
    for column, choice in zip(columns, (wanted.addresses, *wanted.topics), strict=False):
        if choice:
            clauses.append(f"{column} IN ({', '.join('?' * len(choice))})")
            values.extend(sorted(choice))
    return " AND ".join(clauses), values


def _row(event: Event) -> tuple[int | bytes | None, ...]:
    topics = [*event.topics, None, None, None, None][:4]
    return (
        event.block, event.position, event.transaction_hash, event.address, *topics, event.data
    )  # fmt: skip


def _event(row: tuple[Any, ...]) -> Event:
    block, position, transaction_hash, address, *topics, data = row
    return Event(
        block=block,
        position=position,
        transaction_hash=transaction_hash,
        address=address,
        topics=tuple(topic for topic in topics if topic is not None),
        data=data,
    )
