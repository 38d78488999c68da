"""One SQLite file behind one lock: whole transactions, told in our errors."""

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from gateway.errors import JournalBlocked, JournalTaken
from gateway.journal.schema import connect, sync, translated

log = logging.getLogger("gateway")


class Store:
    """The open journal file, shared by the parts of the journal; any thread may call.

    `reserve_bytes` of disk are held back in a file of their own: a full disk blocks deletions
    too, so the reserve is let go when that happens, and taken again when there is room.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection = connect(path)
        self._reserve = path.with_suffix(".reserve")
        self._reserve_bytes = reserve_bytes
        self._forgets: list[Callable[[], None]] = []
        self.take_reserve()

    @property
    def path(self) -> Path:
        """Return where the journal is."""
        return self._path

    def on_failure(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever a transaction failed: what was remembered of it may be wrong."""
        self._forgets.append(forget)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reads."""
        with self._lock, translated(self._path):
            yield self._connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: on the disk and synced when this ends."""
        with self._lock:
            try:
                with translated(self._path):
                    self._connection.execute("BEGIN IMMEDIATE")
                    yield self._connection
                    self._commit(self._connection)
            except BaseException as error:
                self._roll_back()
                if isinstance(error, JournalBlocked):
                    self._release_reserve()
                raise

    def close(self) -> None:
        """Close the file; nothing that was committed depends on it."""
        with self._lock, translated(self._path):
            self._connection.close()

    def take_reserve(self) -> None:
        """Hold back the reserve again, if there is room for it."""
        if not self._reserve_bytes or self._reserve.exists():
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._reserve_bytes)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            log.warning("gateway.no_reserve", extra={"error": error.strerror})

    def _release_reserve(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def _commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def _roll_back(self) -> None:
        for forget in self._forgets:
            forget()
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def take_alone(path: Path) -> TextIO:
    """Return a lock that says that this process works on the journal, until it is closed.

    Raises:
        JournalTaken: another process has it.
        JournalBlocked: the lock file cannot be made.
    """
    lock_path = path.with_suffix(".lock")
    try:
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("w")
    except OSError as error:
        raise JournalBlocked(
            f"the lock cannot be made ({error.strerror})", where=str(lock_path)
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalTaken(
            "another gateway works on this journal",
            where=str(path),
            remedy="stop it first, or name another state_dir",
            reason="taken",
        ) from error
    return lock


__all__ = ["Store", "sync", "take_alone"]
