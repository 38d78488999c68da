"""The outbox's files: how they are opened, checked, and kept in reserve."""

import contextlib
import errno
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.errors import Rejected
from ledger.facts.segment import Head
from lightnode.ports import Tail

# SQLITE_ERROR is what statements that were right yesterday say of tables that are not.
DAMAGED_CODES = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"})
FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})

_FORMAT = 1
_RESERVE_BYTES = 1 << 20
_BUSY_TIMEOUT_S = 2.0
# A record is some 70 bytes: the smaller the page, the less is written to keep one.
_PAGE_BYTES = 1_024
_WAL_PAGES = 1_000
_CACHE_KIB = 512
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS record (
  sequence INTEGER PRIMARY KEY,
  body BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS segment (
  first_sequence INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  header_hash BLOB NOT NULL,
  body BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS damaged (
  first_sequence INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  header_hash BLOB NOT NULL,
  body BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_FORMAT};
"""

Row = tuple[Any, ...]


class Damaged(Exception):
    """The database is not what was written."""


def prepared(file: Path) -> sqlite3.Connection:
    """Return a database with our tables, its journal synced into it, for this process alone.

    From here on everything in it is durable, whatever the last program left behind.

    Raises:
        sqlite3.Error: the disk does not do what it should, or the file is no such database.
        Rejected: it is of a newer format.
    """
    database = sqlite3.connect(
        file, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    database.text_factory = lambda text: text.decode(errors="replace")
    try:
        # One light node per outbox: a second one would sign the same sequence twice.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        if _format(database, file) < _FORMAT:
            database.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        database.close()
        raise
    return database


def compare(database: sqlite3.Connection, folder: Path) -> None:
    """Compare the database with its own checksums and with the copy of its tail.

    Raises:
        Damaged: and how.
        sqlite3.Error: it cannot be read.
    """
    told = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if told != "ok":
        raise Damaged(str(told))
    if _tables(database) != _expected_tables():
        raise Damaged("its tables are not as they were made")
    for row in database.execute("SELECT sequence, body, checksum FROM record"):
        if not is_sound(row):
            raise Damaged(f"record {row[0]} is not as it was written")
    read_state(database)
    copy = read_tail(folder)
    if copy and copy.next_sequence > stored_tail(database).next_sequence:
        raise Damaged("it is older than the copy of its tail")


def read_state(database: sqlite3.Connection) -> dict[str, str]:
    """Return the entries of the state.

    Raises:
        Damaged: one is not as it was written.
        sqlite3.Error: they cannot be read.
    """
    state = {}
    for key, value in database.execute("SELECT key, value FROM state"):
        text = sound_text(value)
        if text is None:
            raise Damaged(f"its {key} is not as it was written")
        state[key] = text
    return state


def stored_tail(database: sqlite3.Connection) -> Tail:
    """Return the tail in the database.

    Raises:
        Damaged: what stands there is no tail.
        sqlite3.Error: it cannot be read.
    """
    return tail_of(read_state(database).get("tail"))


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run one transaction; committed and synced when the block ends well."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def put(database: sqlite3.Connection, key: str, value: str) -> None:
    """Write one entry of the state, with its checksum."""
    database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, _checked(value)))


def tail_text(tail: Tail) -> str:
    """Return a tail as a text."""
    next_slot = -1 if tail.next_slot is None else tail.next_slot
    return f"{tail.next_sequence} {next_slot} {tail.last_slot} {tail.previous_hash.hex()}"


def tail_of(text: str | None) -> Tail:
    """Return the tail that a text tells; the very first one for none."""
    if not text:
        return Tail()
    next_sequence, next_slot, last_slot, previous_hash = text.split()
    return Tail(
        next_sequence=int(next_sequence),
        next_slot=None if next_slot == "-1" else int(next_slot),
        last_slot=int(last_slot),
        previous_hash=bytes.fromhex(previous_hash),
    )


def head_of(text: str | None) -> Head | None:
    """Return the log head that a text tells."""
    if not text:
        return None
    size, root = text.split()
    return int(size), bytes.fromhex(root)


def sound_text(checked: object) -> str | None:
    """Return a text that stands behind its checksum; None if it is not as it was written."""
    if not isinstance(checked, str):
        return None
    checksum, _, text = checked.partition(" ")
    return text if _checked(text) == f"{checksum} {text}" else None


def with_checksum(*columns: int | bytes) -> Row:
    """Return a row of these columns and, last, their checksum."""
    checksum = 0
    for column in columns:
        part = column if isinstance(column, bytes) else b"%d," % column
        checksum = zlib.crc32(part, checksum)
    return *columns, checksum


def is_sound(row: Row) -> bool:
    """Tell whether a row is as `with_checksum` made it."""
    columns = row[:-1]
    return all(type(column) in {int, bytes} for column in columns) and (
        with_checksum(*columns) == row
    )


def write_tail(folder: Path, tail: Tail) -> None:
    """Write the copy of the tail, durably and as a whole.

    Raises:
        OSError: it could not be written.
    """
    sheet = folder / "outbox.tail.new"
    with sheet.open("w", encoding="ascii") as file:
        file.write(_checked(tail_text(tail)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sheet.replace(folder / "outbox.tail")
    sync_folder(folder)


def read_tail(folder: Path) -> Tail | None:
    """Return the copy of the tail; None if there is none that is sound."""
    try:
        text = sound_text((folder / "outbox.tail").read_text(encoding="ascii").rstrip("\n"))
    except (OSError, ValueError):
        return None
    return tail_of(text) if text else None


def keep_reserve(folder: Path) -> None:
    """Make sure the reserve is there.

    Raises:
        OSError: there is no room for it.
    """
    reserve = folder / "outbox.reserve"
    if reserve.exists():
        return
    descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
    except OSError:
        reserve.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def give_up_reserve(folder: Path) -> None:
    """Give the room of the reserve back to the disk."""
    with contextlib.suppress(OSError):
        (folder / "outbox.reserve").unlink(missing_ok=True)


def _format(database: sqlite3.Connection, file: Path) -> int:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > _FORMAT:
        raise Rejected(
            f"the outbox has format {version}; this version reads up to {_FORMAT}",
            where=str(file),
            remedy="install the newer certiflex again",
            reason="newer_format",
        )
    return version


def _tables(database: sqlite3.Connection) -> list[Row]:
    return database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def _expected_tables() -> list[Row]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(_SCHEMA)
        return _tables(database)


def _checked(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x} {text}"


def sync_folder(folder: Path) -> None:
    """Sync the folder, so that the files' names themselves survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
