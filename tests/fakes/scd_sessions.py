"""Market sessions in memory, honest about their guarantee; told to fail, in both ways."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from central.errors import StoreAway
from central.scd.documents import CheckedDocument
from central.scd.sessions import SessionRow
from central.scd.sessions_store import need_filed, row_taken
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure


@dataclass
class FakeSessions:
    """What `central.scd.ports.SessionStore` promises, beside the documents of a fake store."""

    store: FakeDocuments
    failures: list[Failure] = field(default_factory=list)
    _kept: list[SessionRow] = field(default_factory=list)

    def fail_next(self, failure: Failure) -> None:
        """Fail the next commit."""
        self.failures.append(failure)

    def commit_row(self, row: SessionRow, documents: Sequence[CheckedDocument] = ()) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is Failure.LOST:
            raise StoreAway("told to lose it")
        if any(one.row == row.row and one.has_ended for one in self.rows(row.session)):
            raise row_taken(row)
        before = self.store.snapshot()
        try:
            outcomes = self.store.commit_documents(documents, row.ended_ms)
            for document, outcome in zip(documents, outcomes, strict=True):
                need_filed(outcome, document, row)
        except BaseException:
            self.store.restore(before)
            raise
        self._kept.append(row)
        if failure is Failure.KEPT:
            raise StoreAway("told to keep it and say nothing")

    def rows(self, session: str) -> list[SessionRow]:
        return [row for row in self._kept if row.session == session]

    def sessions(self) -> list[str]:
        return list(dict.fromkeys(row.session for row in self._kept))
