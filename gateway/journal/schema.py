"""The journal's tables, and how its file is opened so that nothing written is ever lost."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import JournalBlocked, JournalDamaged
from ledger.errors import CertiflexError, InvariantBroken

APPLICATION_ID = 0x63666777
SCHEMA_VERSION = 1
_BUSY_TIMEOUT_S = 10.0

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    node_index INTEGER PRIMARY KEY,
    registration BLOB NOT NULL,
    version INTEGER NOT NULL,
    offered BLOB,
    delivered BLOB,
    pruned_below INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX nodes_version ON nodes (version);
CREATE INDEX nodes_undelivered ON nodes (node_index) WHERE delivered IS NOT registration;

CREATE TABLE links (
    id INTEGER PRIMARY KEY,
    node_index INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    header_hash BLOB NOT NULL,
    previous_hash BLOB NOT NULL,
    first_slot INTEGER NOT NULL,
    end_slot INTEGER NOT NULL,
    state INTEGER NOT NULL,
    admitted_ms INTEGER NOT NULL,
    window INTEGER
) STRICT;
CREATE UNIQUE INDEX links_place ON links (node_index, first_sequence);
CREATE INDEX links_unwindowed ON links (node_index, first_sequence)
    WHERE state = 1 AND window IS NULL;
CREATE INDEX links_window ON links (window, node_index, first_sequence)
    WHERE window IS NOT NULL;

CREATE TABLE outgoing (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    node_index INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    header_hash BLOB NOT NULL,
    is_evidence INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX outgoing_lane ON outgoing (lane, id);

CREATE TABLE windows (
    number INTEGER PRIMARY KEY,
    entry BLOB NOT NULL,
    closed_ms INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    certified INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX windows_untold ON windows (number) WHERE told = 0;

CREATE TABLE anchors (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    size INTEGER,
    is_final INTEGER NOT NULL DEFAULT 0,
    certified INTEGER NOT NULL DEFAULT 0,
    chain_part BLOB,
    gas INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX anchors_open ON anchors (number) WHERE is_final = 0 OR certified = 0;

CREATE TABLE attempts (
    anchor INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    tx_hash BLOB NOT NULL,
    raw BLOB NOT NULL,
    max_fee_wei TEXT NOT NULL,
    priority_fee_wei TEXT NOT NULL,
    prepared_ms INTEGER NOT NULL,
    PRIMARY KEY (anchor, tx_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_nonce ON attempts (nonce);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket INTEGER NOT NULL,
    digest BLOB NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    times INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX quarantine_digest ON quarantine (bucket, digest);
CREATE INDEX quarantine_bucket ON quarantine (bucket, id);

CREATE TABLE evidence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    node_index INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    held_hash BLOB NOT NULL,
    other_hash BLOB NOT NULL,
    payload BLOB NOT NULL,
    detected_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX evidence_pair ON evidence (node_index, other_hash);
"""

_BLOCKED = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: Path) -> sqlite3.Connection:
    """Return an open journal; a new one is made, with file and folder synced.

    Raises:
        JournalBlocked: the file cannot be opened or written now.
        JournalDamaged: it is no journal of ours, or not what was written.
    """
    with translated(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalBlocked(
                f"the folder cannot be made ({error.strerror})", where=str(path.parent)
            ) from error
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, SCHEMA_VERSION) and not _is_empty(connection):
        raise JournalDamaged(
            f"no journal of version {SCHEMA_VERSION} (application {application:#x}, "
            f"version {version})",
            where=str(path),
            remedy="name another state_dir, or restore the journal from its backup",
            reason="no_journal",
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if version == 0:
        _create(connection, path)


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _is_empty(connection):  # another process may have been first
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Without these two a power cut could take the file's name back, whatever it holds.
    sync(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of the database into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path) from error


def _translation(error: sqlite3.Error, path: Path) -> CertiflexError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _BLOCKED:
        return JournalBlocked(f"the journal cannot be used now ({error})", where=str(path))
    if code in _DAMAGED:
        return JournalDamaged(
            f"the journal is damaged ({error})",
            where=str(path),
            remedy="restore it from its backup; light nodes send again what it lacks",
            reason="damaged",
        )
    return InvariantBroken(f"the journal refused a statement ({error})", where=str(path))
