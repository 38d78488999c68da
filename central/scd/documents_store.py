"""Market documents in SQLite: the signed bytes, and beside them what they are found by."""

from collections.abc import Sequence

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.documents import (
    CheckedDocument,
    DocumentQuery,
    IdempotencyKey,
    Scope,
    Sight,
    StoredDocument,
)
from central.scd.stored import Outcome
from ledger.errors import Rejected
from ledger.facts.interval import Interval

_D = schema.document.c
_P = schema.document_pod.c
_TRUE = sa.true()


class SqliteDocuments:
    """The documents of `ports.DocumentStore`, in the file of the evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit_documents(
        self,
        documents: Sequence[CheckedDocument],
        arrived_ms: int,
        key: IdempotencyKey | None = None,
    ) -> list[Outcome]:
        """Store documents; see `ports.DocumentStore`."""
        with self._database.writing() as connection:
            for document in documents if key else ():
                _note_key(connection, key, document)
            return [commit_on(connection, document, arrived_ms) for document in documents]

    def documents(self, query: DocumentQuery, scope: Scope | None = None) -> list[StoredDocument]:
        """Return documents by arrival; see `ports.DocumentStore`."""
        columns = [column for column in _D if query.bodies or column.name != "signed"]
        statement = (
            sa.select(*columns)
            .where(*_asked(query), _visible(scope))
            .order_by(_D.arrival)
            .limit(query.limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
            pods = _pods_of(connection, [row.arrival for row in rows])
        return [stored_document(row, pods.get(row.arrival, ())) for row in rows]

    def delivered(self, name: str) -> int:
        """Return the last arrival that was delivered; see `ports.DocumentStore`."""
        with self._database.reading() as connection:
            statement = sa.select(schema.delivery.c.arrival).where(schema.delivery.c.name == name)
            return int(connection.execute(statement).scalar() or 0)

    def note_delivered(self, name: str, arrival: int) -> None:
        """Note the last arrival that was delivered; see `ports.DocumentStore`."""
        table = schema.delivery
        with self._database.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.name == name))
            connection.execute(sa.insert(table), {"name": name, "arrival": arrival})


def _note_key(
    connection: sa.Connection, key: IdempotencyKey | None, document: CheckedDocument
) -> None:
    if key is None:
        return
    table = schema.document_key
    known = connection.execute(
        sa.select(table.c.document_hash).where(table.c.client == key.client, table.c.key == key.key)
    ).scalar()
    if known is None:
        row = {"client": key.client, "key": key.key, "document_hash": document.document_hash}
        connection.execute(sa.insert(table), row)
    elif known != document.document_hash:
        raise Rejected(
            "this Idempotency-Key came with another document before",
            where="Idempotency-Key",
            remedy="use a new key for every new document",
            reason="key_reused",
        )


def commit_on(connection: sa.Connection, document: CheckedDocument, arrived_ms: int) -> Outcome:
    """Store a document in a transaction that is under way; see `ports.DocumentStore`."""
    same_name = connection.execute(
        sa.select(_D.revision, _D.sender, _D.kind, _D.document_hash, _D.is_conflict).where(
            _D.mrid == document.mrid
        )
    ).all()
    if any(row.document_hash == document.document_hash for row in same_name):
        conflicting = [row for row in same_name if row.document_hash == document.document_hash]
        return Outcome.CONFLICT if conflicting[0].is_conflict else Outcome.DUPLICATE
    if any((row.sender, row.kind) != (document.sender, document.kind) for row in same_name):
        return Outcome.REJECTED
    is_conflict = any(row.revision == document.revision for row in same_name)
    _insert(connection, document, arrived_ms, is_conflict=is_conflict)
    return Outcome.CONFLICT if is_conflict else Outcome.STORED


def _insert(
    connection: sa.Connection, document: CheckedDocument, arrived_ms: int, *, is_conflict: bool
) -> None:
    latest = connection.execute(sa.select(sa.func.max(_D.arrival))).scalar() or 0
    row = {
        "arrival": latest + 1, "mrid": document.mrid, "revision": document.revision,
        "ii": document.ii, "kind": document.kind, "sender": document.sender,
        "receiver": document.receiver, "from_ms": document.validity.start_ms,
        "to_ms": document.validity.end_ms, "created_ms": document.created_ms,
        "opens_ms": document.opens_ms, "arrived_ms": arrived_ms, "is_conflict": is_conflict,
        "document_hash": document.document_hash, "signed": document.signed,
    }  # fmt: skip
    connection.execute(sa.insert(schema.document), row)
    named = [{"arrival": latest + 1, "pod": pod} for pod in document.pods]
    if named:
        connection.execute(sa.insert(schema.document_pod), named)


def _asked(query: DocumentQuery) -> list[sa.ColumnElement[bool]]:
    later = schema.document.alias("later")
    asked = [_D.arrival > query.since]
    asked += [_D.ii.in_(query.ii)] if query.ii else []
    asked += [_D.mrid == query.mrid] if query.mrid is not None else []
    asked += [_D.revision == query.revision] if query.revision is not None else []
    asked += [_D.sender == query.sender] if query.sender is not None else []
    asked += [_D.document_hash.in_(query.hashes)] if query.hashes else []
    asked += [] if query.conflicts else [sa.not_(_D.is_conflict)]
    if query.span is not None:
        asked += [_D.from_ms < query.span.end_ms, _D.to_ms > query.span.start_ms]
    if query.latest:
        follows = sa.select(later.c.arrival).where(
            later.c.mrid == _D.mrid, later.c.revision > _D.revision, sa.not_(later.c.is_conflict)
        )
        asked.append(sa.not_(follows.exists()))
    return asked


def _visible(scope: Scope | None) -> sa.ColumnElement[bool]:
    """Return what `Scope.shows` says, for the database to say."""
    if scope is None:
        return _TRUE
    named = sa.select(_P.pod).where(_P.arrival == _D.arrival)
    foreign = sa.false() if scope.pods is None else named.where(_P.pod.not_in(scope.pods)).exists()
    own_pods = sa.and_(named.exists(), sa.not_(foreign))
    party = sa.false() if scope.party is None else sa.or_(
        _D.sender == scope.party, _D.receiver == scope.party
    )  # fmt: skip
    means = {
        Sight.ALL: _TRUE,
        Sight.HASHES: _TRUE,
        Sight.OWN: sa.or_(party, own_pods),
        Sight.OPENED: sa.and_(own_pods, _D.opens_ms <= scope.now_ms),
    }
    return sa.or_(
        sa.false(),
        *(sa.and_(_D.ii == ii, means[sight]) for ii, sight in scope.sights.items()),
    )


def _pods_of(connection: sa.Connection, arrivals: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    if arrivals:
        rows = connection.execute(
            sa.select(_P.arrival, _P.pod)
            .where(_P.arrival.in_(arrivals))
            .order_by(_P.arrival, _P.pod)
        )
        for arrival, pod in rows:
            found.setdefault(arrival, []).append(pod)
    return {arrival: tuple(pods) for arrival, pods in found.items()}


def stored_document(row: "sa.Row[tuple[object, ...]]", pods: tuple[str, ...]) -> StoredDocument:
    """Return the document of a row; without the column `signed` it comes without its bytes."""
    return StoredDocument(
        mrid=row.mrid, revision=row.revision, ii=row.ii, kind=row.kind, sender=row.sender,
        receiver=row.receiver, validity=Interval(row.from_ms, row.to_ms),
        created_ms=row.created_ms, opens_ms=row.opens_ms, pods=pods,
        document_hash=row.document_hash, signed=getattr(row, "signed", b""), arrival=row.arrival,
        arrived_ms=row.arrived_ms, is_conflict=row.is_conflict,
    )  # fmt: skip
