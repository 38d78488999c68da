"""The evidence database file: opened, migrated, checked, and its errors translated.

SQLite in WAL with `synchronous=FULL`: a commit that returned survives a power cut. Writers of
several processes take turns; readers never wait.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import alembic.script
import alembic.util
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from central.errors import DamagedStore, StoreAway
from ledger.errors import InvariantBroken, Rejected

_APPLICATION_ID = 0x63667831  # "cfx1"
_BUSY_S = 10
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SALVAGE = (
    "stop the service, keep a copy of the file with its -wal, then type: certiflex central scd "
    "rebuild --salvage; what the gateway has no receipt for it sends again"
)
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space on that disk; the gateway keeps what is not stored",
    sqlite3.SQLITE_CANTOPEN: "check the path in [store] and who may write there",
    sqlite3.SQLITE_READONLY: "check who may write to the file and its directory",
    sqlite3.SQLITE_BUSY: "another process holds the database; stop it or wait",
    sqlite3.SQLITE_LOCKED: "another process holds the database; stop it or wait",
}


class Database:
    """One SQLite file with its connections.

    Args:
        path: the file; its directory is made when it is missing.
        create: whether to make a new file when there is none.

    Raises:
        Rejected: there is no such file, or it is not ours, or of a later version.
        DamagedStore: the file is damaged.
        StoreAway: the file cannot be read or written.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        if not create and not path.exists():
            raise Rejected(
                "there is no evidence database yet",
                where=str(path),
                remedy="type: certiflex central scd init",
                reason="no_store",
            )
        _make_durable(path)
        self.engine = sa.create_engine(
            f"sqlite:///{path}", pool_size=8, max_overflow=8, pool_timeout=30,
            connect_args={"check_same_thread": False, "timeout": _BUSY_S},
        )  # fmt: skip
        sa.event.listen(self.engine, "connect", _on_connect)
        sa.event.listen(self.engine, "begin", _on_begin)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection; there are none after."""
        self.engine.dispose()
        sa.event.listen(self.engine, "do_connect", _on_connect_after_close)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one unchanging state.

        Raises:
            StoreAway: the file cannot be read.
            DamagedStore: the file is damaged.
        """
        with self._translating(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection whose changes are durable when the block has ended, or not there.

        Raises:
            StoreAway: the file cannot be written.
            DamagedStore: the file is damaged.
        """
        with self._lock, self._translating(), self.engine.connect() as idle:
            connection = idle.execution_options(begins="IMMEDIATE")
            with connection.begin():
                yield connection

    def check(self, *, thorough: bool = False) -> None:
        """Read every page, and with `thorough` every index too.

        Raises:
            DamagedStore: with the first fault found.
        """
        pragma = "integrity_check(1)" if thorough else "quick_check(1)"
        with self.reading() as connection:
            verdict = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
        if verdict != "ok":
            raise DamagedStore(
                f"the evidence database is damaged ({verdict})",
                where=str(self.path),
                remedy=_SALVAGE,
            )

    def _migrate(self) -> None:
        script = alembic.config.Config()
        script.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._translating(), self.engine.connect() as connection:
            self._claim(connection)
            script.attributes["connection"] = connection
            try:
                alembic.command.upgrade(script, "head")
            except alembic.util.CommandError as error:
                raise Rejected(
                    f"the evidence database is of a version unknown here ({error})",
                    where=str(self.path),
                    remedy="run the version of certiflex that wrote it, or a later one",
                    reason="unknown_version",
                ) from error
        _sync_directory(self.path.parent)

    def _claim(self, connection: sa.Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if found != _APPLICATION_ID and tables:
            raise Rejected(
                "this is an SQLite database of another program",
                where=str(self.path),
                remedy="check the path in [store]",
                reason="foreign_store",
            )
        if found != _APPLICATION_ID:
            connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.commit()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._translated(error.orig) from error
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except sa.exc.TimeoutError as error:
            raise StoreAway("no connection became free", where=str(self.path)) from error

    def _translated(self, error: BaseException | None) -> DamagedStore | StoreAway:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            return DamagedStore(
                f"the evidence database is damaged ({error})",
                where=str(self.path),
                remedy=_SALVAGE,
            )
        return StoreAway(
            f"the evidence database cannot be used ({error})",
            where=str(self.path),
            remedy=_REMEDIES.get(code, ""),
        )


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 -- SQLAlchemy's
    # SQLAlchemy's own BEGIN is the only one: see `_on_begin`.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_connect_after_close(*_: object) -> None:
    raise InvariantBroken("the evidence database is read after it was closed")


def _on_begin(connection: sa.Connection) -> None:
    kind = connection.get_execution_options().get("begins", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


def _make_durable(path: Path) -> None:
    """Make the file and its directory entry durable before the first outcome is answered."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.fsync(descriptor)
        os.close(descriptor)
        _sync_directory(path.parent)
    except OSError as error:
        raise StoreAway(
            f"the evidence database cannot be opened ({error.strerror})",
            where=str(path),
            remedy=_REMEDIES[sqlite3.SQLITE_CANTOPEN],
        ) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
