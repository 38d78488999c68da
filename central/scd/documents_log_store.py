"""The market log in SQLite: a leaf hash for each document, beside the documents themselves."""

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.documents import StoredDocument
from central.scd.documents_entries import LOGGED, Logged, Seal, SealReason, entry_of
from central.scd.documents_store import stored_document
from ledger.merkle import leaf_hash

_D = schema.document.c
_E = schema.market_entry.c
_S = schema.market_seal.c
_PAGE = 500


class SqliteMarketLog:
    """The log of `ports.MarketLogStore`, in the file of the evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_in(self) -> int:
        """Take in what is stored and not in the log; see `ports.MarketLogStore`."""
        while self._waits():
            with self._database.writing() as connection:
                size, arrival = _end(connection)
                fresh = _documents_after(connection, arrival, _PAGE)
                rows = [
                    {
                        "position": size + place, "arrival": each.arrival,
                        "leaf_hash": leaf_hash(entry_of(each)),
                    }
                    for place, each in enumerate(fresh)
                ]  # fmt: skip
                if rows:
                    connection.execute(sa.insert(schema.market_entry), rows)
        with self._database.reading() as connection:
            return _end(connection)[0]

    def leaf_hashes(self, since: int, limit: int) -> list[bytes]:
        """Return leaf hashes in order; see `ports.MarketLogStore`."""
        statement = (
            sa.select(_E.leaf_hash)
            .where(_E.position >= since, _E.position < since + limit)
            .order_by(_E.position)
        )
        with self._database.reading() as connection:
            return list(connection.execute(statement).scalars())

    def logged(self, document_hash: bytes) -> Logged | None:
        """Return where a document stands; see `ports.MarketLogStore`."""
        statement = sa.select(_E.position, *_D).where(
            _E.arrival == _D.arrival, _D.document_hash == document_hash
        )
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else Logged(row.position, entry_of(stored_document(row, ())))

    def commit_seal(self, seal: Seal) -> None:
        """Keep a seal; see `ports.MarketLogStore`."""
        with self._database.writing() as connection:
            latest = connection.execute(sa.select(sa.func.max(_S.place))).scalar() or 0
            values = {
                "place": latest + 1, "size": seal.size, "root": seal.root, "note": seal.note,
                "reason": seal.reason, "session": seal.session, "sealed_ms": seal.sealed_ms,
            }  # fmt: skip
            connection.execute(sa.insert(schema.market_seal), values)

    def seals(self, session: str | None = None) -> list[Seal]:
        """Return seals in their order; see `ports.MarketLogStore`."""
        asked = sa.true() if session is None else _S.session == session
        statement = sa.select(*_S).where(asked).order_by(_S.place)
        with self._database.reading() as connection:
            return [_seal(row) for row in connection.execute(statement)]

    def latest_seal(self, most: int | None = None) -> Seal | None:
        """Return the seal over the most entries; see `ports.MarketLogStore`."""
        asked = sa.true() if most is None else _S.size <= most
        statement = sa.select(*_S).where(asked).order_by(_S.size.desc(), _S.place.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _seal(row)

    def _waits(self) -> bool:
        with self._database.reading() as connection:
            statement = sa.select(_D.arrival).where(*_belongs_after(_end(connection)[1])).limit(1)
            return connection.execute(statement).first() is not None


def _end(connection: sa.Connection) -> tuple[int, int]:
    """Return the size of the log, and the arrival of its last document."""
    last = sa.select(_E.position, _E.arrival).order_by(_E.position.desc()).limit(1)
    row = connection.execute(last).first()
    return (0, 0) if row is None else (row.position + 1, row.arrival)


def _documents_after(connection: sa.Connection, arrival: int, limit: int) -> list[StoredDocument]:
    statement = sa.select(*_D).where(*_belongs_after(arrival)).order_by(_D.arrival).limit(limit)
    return [stored_document(row, ()) for row in connection.execute(statement)]


def _belongs_after(arrival: int) -> "tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]":
    return _D.arrival > arrival, _D.ii.in_(LOGGED)


def _seal(row: "sa.Row[tuple[object, ...]]") -> Seal:
    return Seal(
        size=row.size, root=row.root, note=row.note, reason=SealReason(row.reason),
        session=row.session, sealed_ms=row.sealed_ms,
    )  # fmt: skip
