"""Everything derived, made again from what arrived; and what can be read of a damaged file."""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from central.errors import StoreAway
from central.scd import schema
from central.scd.checking import check
from central.scd.database import Database
from central.scd.evidence import (
    Batch,
    store_anchor,
    store_registration,
    store_window,
)
from central.scd.ingest import read_anchor
from central.scd.logbook import RegistryTrail, read_window
from central.scd.stored import ArrivalKind, CheckedSegment, StoredRegistration
from ledger.checkpoint import read_checkpoint
from ledger.codec import decode_registration, decode_window_entry
from ledger.errors import Rejected

log = logging.getLogger("central")

_DERIVED = (
    schema.registration,
    schema.segment,
    schema.equivocation,
    schema.gap,
    schema.quarter,
    schema.watermark,
    schema.last_value,
    schema.ledger_window,
    schema.anchor,
)
_CARRIED = (
    "token", "token_pod", "disclosure", "document", "document_pod", "document_key", "delivery",
    "session_row", "market_entry", "market_seal", "market_anchor", "market_attempt",
)  # fmt: skip
_PAGE = 1_000
_SEGMENTS = {ArrivalKind.SEGMENT, ArrivalKind.CONFLICT}


@dataclass(frozen=True, slots=True)
class _Kept:
    arrival: int
    kind: ArrivalKind
    arrived_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was read of a damaged file into a new one."""

    file: Path
    kept_count: int
    lost_count: int


def rebuild(database: Database, origin: str) -> int:
    """Derive everything again, in one transaction; return the number of arrivals.

    What cannot be used is left where it is, and the audit names it.

    Raises:
        StoreAway: nothing was changed.
    """
    replay = _Replay(origin)
    with database.writing() as connection:
        for table in _DERIVED:
            connection.execute(sa.delete(table))
        count = 0
        for page in _pages(connection):
            replay.take(connection, page)
            count += len(page)
    return count


class _Replay:
    """Arrivals, in order, through the same door as the first time."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._trail = RegistryTrail()
        self._registrations: list[StoredRegistration] = []

    def take(self, connection: sa.Connection, page: Sequence[_Kept]) -> None:
        def sort_of(kept: _Kept) -> tuple[bool, int]:
            return kept.kind in _SEGMENTS, kept.arrived_ms

        for (are_segments, arrived_ms), run in groupby(page, key=sort_of):
            if are_segments:
                self._segments(connection, arrived_ms, list(run))
            else:
                for kept in run:
                    self._other(connection, kept)

    def _segments(self, connection: sa.Connection, arrived_ms: int, run: list[_Kept]) -> None:
        checked: list[tuple[int, CheckedSegment]] = []
        for kept in run:
            try:
                checked.append((kept.arrival, check(kept.body, self._origin)))
            except Rejected as error:
                _unusable(kept, error)
        segments = [segment for _, segment in checked]
        Batch(connection, arrived_ms).replay(segments, [number for number, _ in checked])

    def _other(self, connection: sa.Connection, kept: _Kept) -> None:
        try:
            match kept.kind:
                case ArrivalKind.REGISTRATION:
                    self._registration(connection, kept)
                case ArrivalKind.WINDOW:
                    self._window(connection, kept)
                case _:
                    size = read_checkpoint(read_anchor(kept.body)[0]).size
                    store_anchor(connection, size, kept.arrival)
        except Rejected as error:
            _unusable(kept, error)

    def _registration(self, connection: sa.Connection, kept: _Kept) -> None:
        registration = decode_registration(kept.body)
        node_index, pod = registration.node_index, registration.pod.code
        store_registration(connection, kept.arrival, node_index, pod)
        self._registrations.append(
            StoredRegistration(arrival=kept.arrival, node_index=node_index, pod=pod, body=kept.body)
        )

    def _window(self, connection: sa.Connection, kept: _Kept) -> None:
        encoded, members = read_window(kept.body)
        entry = decode_window_entry(encoded)
        later = [each for each in self._registrations if each.arrival > self._trail.arrival]
        registry = self._trail.find(later, entry.node_count, entry.registry_root)
        if registry is None:
            raise Rejected("its registry root is not that of any registry", reason="wrong_registry")
        stamp = (kept.arrival, registry, entry.closed_ms, encoded)
        for node_index, digest in store_window(connection, entry.window, stamp, members):
            log.error(
                "central.segment_lost",
                extra={"window": entry.window, "node": node_index, "hash": digest.hex()},
            )


def salvage(damaged: Path) -> Salvaged:
    """Copy what can be read of a damaged file into a new one beside it.

    The damaged file is not touched. Arrivals keep their numbers; the rest is derived again by
    `rebuild`, once the new file stands in the place of the old one.

    Raises:
        Rejected: there is a salvaged file already.
        StoreAway: the damaged file cannot even be opened.
    """
    target = damaged.with_name(f"{damaged.name}.salvaged")
    if target.exists():
        raise Rejected(
            "there is a salvaged file already", where=str(target), remedy="move it away first",
            reason="file_exists",
        )  # fmt: skip
    database = Database(target, create=True)
    try:
        with closing(_opened(damaged)) as source, database.writing() as connection:
            kept, lost = _copy_arrivals(source, connection)
            for table in _CARRIED:
                _copy_rows(source, connection, table)
    finally:
        database.close()
    return Salvaged(target, kept, lost)


def _opened(damaged: Path) -> sqlite3.Connection:
    try:
        source = sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)
        source.execute("PRAGMA cell_size_check = ON")
    except sqlite3.Error as error:
        raise StoreAway(f"cannot be opened ({error})", where=str(damaged)) from error
    return source


def _copy_arrivals(source: sqlite3.Connection, target: sa.Connection) -> tuple[int, int]:
    """Copy arrival by arrival, around what cannot be read."""
    kept, number, misses = 0, 0, 0
    latest = _last_readable(source)
    while number < latest:
        number += 1
        try:
            row = source.execute("SELECT * FROM arrival WHERE arrival = ?", (number,)).fetchone()
        except sqlite3.Error:
            row = None
        if row is None:
            misses += 1
            continue
        target.exec_driver_sql("INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?)", tuple(row))
        kept += 1
    return kept, misses


def _last_readable(source: sqlite3.Connection) -> int:
    for query in ("SELECT max(arrival) FROM arrival", "SELECT max(arrival) FROM segment"):
        try:
            return int(source.execute(query).fetchone()[0] or 0)
        except sqlite3.Error:
            continue
    return 0


def _copy_rows(source: sqlite3.Connection, target: sa.Connection, table: str) -> None:
    try:
        # The damaged file may be of an earlier version, which had fewer columns.
        found = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
        columns = [name for name in schema.metadata.tables[table].c.keys() if name in found]  # noqa: SIM118 -- SQLAlchemy's own collection
        if not columns:
            return
        for row in source.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 -- names of our own schema
            target.execute(
                sa.insert(schema.metadata.tables[table]), dict(zip(columns, row, strict=True))
            )
    except sqlite3.Error as error:
        log.warning("central.rows_lost", extra={"table": table, "why": str(error)})


def _pages(connection: sa.Connection) -> Iterator[list[_Kept]]:
    column, since = schema.arrival.c, 0
    while True:
        rows = connection.execute(
            sa.select(column.arrival, column.kind, column.arrived_ms, column.body)
            .where(column.arrival > since)
            .order_by(column.arrival)
            .limit(_PAGE)
        ).all()
        if not rows:
            return
        since = rows[-1].arrival
        yield [_Kept(row.arrival, ArrivalKind(row.kind), row.arrived_ms, row.body) for row in rows]


def _unusable(kept: _Kept, error: Rejected) -> None:
    log.error(
        "central.arrival_unusable",
        extra={"arrival": kept.arrival, "kind": kept.kind.name, "why": str(error)},
    )
