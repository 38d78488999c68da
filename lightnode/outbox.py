"""The node's own store: SQLite in WAL mode with every commit synced, beside a copy of its tail.

What the tables hold:

- `record`: records that are not sealed yet, each with a checksum;
- `segment`: sealed segments that wait for their receipt;
- `state`: the chain's tail, the boot, the last checkpoint seen.

The file ``outbox.tail`` repeats the tail, written after the seal is committed and before the
segment is offered to anyone. So even if the database is lost altogether no sequence that anybody
may have seen is ever used again.

A full disk blocks even a DELETE, so a reserve file is kept and given up when the disk is full.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from ledger.errors import InvariantBroken
from ledger.facts.receipt import StoredSegment
from ledger.facts.segment import Head
from lightnode.errors import DiskFull, StoreFailed
from lightnode.ports import Kept, SealedSegment, Tail
from lightnode.salvaging import open_database
from lightnode.storing import (
    DAMAGED_CODES,
    FULL_ERRNOS,
    Damaged,
    give_up_reserve,
    head_of,
    is_sound,
    keep_reserve,
    put,
    read_state,
    tail_of,
    tail_text,
    transaction,
    with_checksum,
    write_tail,
)

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("lightnode")


class SqliteOutbox:
    """The outbox on disk (`Outbox` in lightnode.ports).

    Args:
        folder: where ``outbox.db`` and its companions live.
        capacity: how many records it takes before it says that it is full.
    """

    def __init__(self, folder: Path, *, capacity: int) -> None:
        self._store = Store(folder, capacity=capacity)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")

    async def load(self) -> Kept:
        """Return the tail and the open records; opens and checks the store if need be."""
        return await self._on_thread(self._store.load)

    async def note_boot(self, boot_id: bytes) -> None:
        """Remember which start of the operating system this is."""
        await self._on_thread(self._store.note_boot, boot_id)

    async def append(self, sequence: int, record: bytes) -> None:
        """Keep one record."""
        await self._on_thread(self._store.append, sequence, record)

    async def seal(self, segment: SealedSegment, tail: Tail) -> None:
        """Put a segment in the place of its records."""
        await self._on_thread(self._store.seal, segment, tail)

    async def release(self, stored: Sequence[StoredSegment], checkpoint: Head | None) -> int:
        """Forget segments that match to the hash."""
        return await self._on_thread(self._store.release, stored, checkpoint)

    async def after(self, sequence: int, limit: int) -> list[SealedSegment]:
        """Return the oldest segments that start after a sequence."""
        return await self._on_thread(self._store.after, sequence, limit)

    async def newest(self) -> SealedSegment | None:
        """Return the segment sealed last, if it is still here."""
        return await self._on_thread(self._store.newest)

    async def waiting(self) -> int:
        """Return how many segments wait for their receipt."""
        return await self._on_thread(self._store.waiting)

    async def close(self) -> None:
        """Close the store; what was begun is finished first."""
        await self._on_thread(self._store.close)
        self._thread.shutdown()

    async def _on_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))


class Store:
    """The same, without asyncio; used from one thread at a time."""

    def __init__(self, folder: Path, *, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._database: sqlite3.Connection | None = None
        self._suspect = True
        self._segment_records = 0
        self._open_records = 0

    def load(self) -> Kept:
        """Return the tail and the open records.

        Raises:
            StoreFailed: the disk does not answer.
        """
        with self._translated():
            database = self._opened()
            rows = database.execute("SELECT body FROM record ORDER BY sequence").fetchall()
            state = read_state(database)
            total = database.execute("SELECT coalesce(sum(count), 0) FROM segment").fetchone()[0]
        self._open_records, self._segment_records = len(rows), total
        return Kept(
            tail=tail_of(state.get("tail")),
            open_records=tuple(bytes(row[0]) for row in rows),
            boot_id=bytes.fromhex(state["boot_id"]) if "boot_id" in state else None,
            checkpoint=head_of(state.get("checkpoint")),
        )

    def note_boot(self, boot_id: bytes) -> None:
        """Remember which start of the operating system this is."""
        with self._writing() as database:
            put(database, "boot_id", boot_id.hex())

    def append(self, sequence: int, record: bytes) -> None:
        """Keep one record.

        Raises:
            DiskFull: the disk is full, or the outbox holds as much as it may.
        """
        self._need_room()
        with self._writing() as database:
            database.execute("INSERT INTO record VALUES (?, ?, ?)", with_checksum(sequence, record))
        self._open_records += 1

    def seal(self, segment: SealedSegment, tail: Tail) -> None:
        """Put a segment in the place of its records."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO segment VALUES (?, ?, ?, ?, ?)",
                with_checksum(
                    segment.first_sequence, segment.count, segment.header_hash, segment.encoded
                ),
            )
            deleted = database.execute(
                "DELETE FROM record WHERE sequence >= ? AND sequence < ?",
                (segment.first_sequence, segment.first_sequence + segment.count),
            ).rowcount
            if deleted != segment.count:
                raise InvariantBroken(
                    f"sealed {segment.count} records, of which {deleted} are kept",
                    where=str(self._folder),
                )
            put(database, "tail", tail_text(tail))
        # A crash here leaves the copy behind by one segment that nobody has seen.
        with self._translated():
            write_tail(self._folder, tail)
        self._segment_records += segment.count
        self._open_records -= segment.count

    def release(self, stored: Sequence[StoredSegment], checkpoint: Head | None) -> int:
        """Forget segments that match to the hash; remember the log's head."""
        released = records = 0
        with self._writing() as database:
            for each in stored:
                deleted = database.execute(
                    "DELETE FROM segment WHERE first_sequence = ? AND count = ? "
                    "AND header_hash = ?",
                    (each.first_sequence, each.count, each.header_hash),
                ).rowcount
                released += deleted
                records += deleted * each.count
            if checkpoint:
                put(database, "checkpoint", f"{checkpoint[0]} {checkpoint[1].hex()}")
        self._segment_records -= records
        return released

    def after(self, sequence: int, limit: int) -> list[SealedSegment]:
        """Return the oldest segments that start after a sequence and are as they were sealed."""
        return self._segments(
            "SELECT * FROM segment WHERE first_sequence > ? ORDER BY first_sequence LIMIT ?",
            sequence,
            limit,
        )

    def newest(self) -> SealedSegment | None:
        """Return the segment sealed last, if it is still here."""
        found = self._segments("SELECT * FROM segment ORDER BY first_sequence DESC LIMIT 1")
        return found[0] if found else None

    def waiting(self) -> int:
        """Return how many segments wait for their receipt."""
        with self._translated():
            row = self._opened().execute("SELECT count(*) FROM segment").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the database.

        Nothing may hold a cursor: the lock would outlive the connection, as long as a traceback.
        """
        database, self._database = self._database, None
        if database:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def _segments(self, query: str, *parameters: int) -> list[SealedSegment]:
        with self._translated():
            rows = self._opened().execute(query, parameters).fetchall()
        for row in rows:
            if not is_sound(row):
                self._set_aside(row[0])
        return [
            SealedSegment(first_sequence=row[0], count=row[1], header_hash=row[2], encoded=row[3])
            for row in rows
            if is_sound(row)
        ]

    def _set_aside(self, first_sequence: int) -> None:
        """Move a segment that the disk has spoilt to where nobody is served from."""
        with self._writing() as database:
            database.execute(
                "INSERT OR REPLACE INTO damaged SELECT * FROM segment WHERE first_sequence = ?",
                (first_sequence,),
            )
            database.execute("DELETE FROM segment WHERE first_sequence = ?", (first_sequence,))
        log.error("lightnode.segment_damaged", extra={"first_sequence": first_sequence})

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self._folder, check=self._suspect)
            self._suspect = False
        return self._database

    def _need_room(self) -> None:
        """Make sure there is room for more than this.

        Raises:
            DiskFull: the reserve is gone, or the outbox holds as much as it may.
        """
        if self._segment_records + self._open_records >= self._capacity:
            raise DiskFull(
                f"the outbox holds {self._capacity} records that nobody has receipted",
                where=str(self._folder),
                remedy="check the way to the gateway",
            )
        with self._translated():
            keep_reserve(self._folder)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            database = self._opened()
            with transaction(database):
                yield database

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into ours; the next call opens the store anew.

        On a full disk the reserve is given up, so that what frees room can be written.
        """
        try:
            yield
        except (Damaged, UnicodeDecodeError) as error:
            self.close()
            self._suspect = True
            raise StoreFailed(str(error), where=str(self._folder)) from error
        except (sqlite3.Error, OSError) as error:
            self.close()
            code = getattr(error, "sqlite_errorname", "")
            self._suspect = code in DAMAGED_CODES
            is_full = code == "SQLITE_FULL" or getattr(error, "errno", 0) in FULL_ERRNOS
            if is_full:
                give_up_reserve(self._folder)
            kind = DiskFull if is_full else StoreFailed
            raise kind(
                f"the outbox cannot be used ({error})",
                where=str(self._folder),
                remedy=_remedy(code, is_full=is_full),
            ) from error


def _remedy(code: str, *, is_full: bool) -> str:
    if is_full:
        return "free some space on this disk"
    if code.startswith("SQLITE_BUSY"):
        return "another light node runs on this folder: stop it first"
    return "check the disk and who owns the folder"
