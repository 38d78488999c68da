"""Sessions in SQLite: a row stands beside the documents it filed, or neither is there."""

from collections.abc import Sequence

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.documents import CheckedDocument
from central.scd.documents_store import commit_on
from central.scd.sessions import RowState, SessionRow
from central.scd.stored import Outcome
from ledger.errors import Rejected

_R = schema.session_row.c
_HASH_BYTES = 32


class SqliteSessions:
    """The sessions of `ports.SessionStore`, in the file of the evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit_row(self, row: SessionRow, documents: Sequence[CheckedDocument] = ()) -> None:
        """Note a row with its documents; see `ports.SessionStore`."""
        with self._database.writing() as connection:
            ended = sa.select(_R.place).where(
                _R.session == row.session, _R.row == row.row, _R.state != RowState.FAILED
            )
            if connection.execute(ended).first() is not None:
                raise row_taken(row)
            for document in documents:
                need_filed(commit_on(connection, document, row.ended_ms), document, row)
            latest = connection.execute(sa.select(sa.func.max(_R.place))).scalar() or 0
            values = {
                "place": latest + 1, "session": row.session, "row": row.row, "state": row.state,
                "told": row.told, "ended_ms": row.ended_ms,
                "documents": b"".join(row.documents),
            }  # fmt: skip
            connection.execute(sa.insert(schema.session_row), values)

    def rows(self, session: str) -> list[SessionRow]:
        """Return the rows of a session, in the order in which they ended."""
        statement = sa.select(*_R).where(_R.session == session).order_by(_R.place)
        with self._database.reading() as connection:
            return [_row(each) for each in connection.execute(statement)]

    def sessions(self) -> list[str]:
        """Return the names of all sessions, by when they began."""
        statement = sa.select(_R.session).group_by(_R.session).order_by(sa.func.min(_R.place))
        with self._database.reading() as connection:
            return list(connection.execute(statement).scalars())


def row_taken(row: SessionRow) -> Rejected:
    """Return the error that a row had ended before."""
    return Rejected(
        f"row {row.row} of session {row.session} has ended before",
        where=row.session,
        remedy="another process runs the same session: let one of them end",
        reason="row_taken",
    )


def need_filed(outcome: Outcome, document: CheckedDocument, row: SessionRow) -> None:
    """Refuse a row whose document cannot be the one it says.

    Raises:
        Rejected: another content, or another document, has taken its name.
    """
    if outcome not in {Outcome.STORED, Outcome.DUPLICATE}:
        raise Rejected(
            f"{document.ii} {document.mrid}, revision {document.revision}: its name is taken",
            where=f"row {row.row} of session {row.session}",
            remedy="run another session; both contents are kept",
            reason="name_taken",
        )


def _row(row: "sa.Row[tuple[object, ...]]") -> SessionRow:
    return SessionRow(
        session=row.session, row=row.row, state=RowState(row.state), told=row.told,
        ended_ms=row.ended_ms,
        documents=tuple(
            row.documents[at : at + _HASH_BYTES]
            for at in range(0, len(row.documents), _HASH_BYTES)
        ),
    )  # fmt: skip
