"""What every store of market sessions promises: the same suite on SQLite and in memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from central.documents.encoding import sign
from central.documents.header import Document
from central.errors import StoreAway
from central.scd.database import Database
from central.scd.documents import CheckedDocument, DocumentQuery, checked
from central.scd.documents_store import SqliteDocuments
from central.scd.ports import DocumentStore, SessionStore
from central.scd.sessions import RowState, SessionRow
from central.scd.sessions_store import SqliteSessions
from ledger.errors import Rejected
from ledger.signing import SigningKey
from tests.documents import OFFER, OUTCOME, REQUEST
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure
from tests.fakes.scd_sessions import FakeSessions

KEY = SigningKey.generate("EdDSA")
Stores = tuple[SessionStore, DocumentStore]


@pytest.fixture(params=["sqlite", "memory"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "memory":
        documents = FakeDocuments()
        yield FakeSessions(documents), documents
        return
    database = Database(tmp_path / "evidence.db", create=True)
    yield SqliteSessions(database), SqliteDocuments(database)
    database.close()


def signed(document: Document) -> CheckedDocument:
    return checked(sign(document, KEY))[0]


def row(name: str, *documents: CheckedDocument, state: RowState = RowState.OK) -> SessionRow:
    return SessionRow(
        session="day-ahead 2026-06-01",
        row=name,
        state=state,
        told="",
        ended_ms=1_000,
        documents=tuple(each.document_hash for each in documents),
    )


def test_a_row_stands_with_its_documents(stores: Stores) -> None:
    sessions, documents = stores
    offer, request = signed(OFFER), signed(REQUEST)
    sessions.commit_row(row("DA-9a", request), [request])
    sessions.commit_row(row("DA-5b", offer), [offer])
    assert sessions.rows("day-ahead 2026-06-01") == [row("DA-9a", request), row("DA-5b", offer)]
    assert [each.mrid for each in documents.documents(DocumentQuery())] == [
        REQUEST.mrid, OFFER.mrid,
    ]  # fmt: skip
    assert sessions.sessions() == ["day-ahead 2026-06-01"]
    assert sessions.rows("another") == []


def test_a_row_that_ended_is_not_ended_again_and_files_nothing(stores: Stores) -> None:
    sessions, documents = stores
    sessions.commit_row(row("DA-9a"))
    with pytest.raises(Rejected) as caught:
        sessions.commit_row(row("DA-9a"), [signed(OFFER)])
    assert caught.value.reason == "row_taken"
    assert documents.documents(DocumentQuery()) == []


def test_a_row_that_failed_may_be_gone_through_again(stores: Stores) -> None:
    sessions, _ = stores
    sessions.commit_row(row("DA-3a", state=RowState.FAILED))
    sessions.commit_row(row("DA-3a"))
    assert [each.state for each in sessions.rows("day-ahead 2026-06-01")] == ["failed", "ok"]


def test_a_name_that_is_taken_stops_the_whole_row(stores: Stores) -> None:
    sessions, documents = stores
    documents.commit_documents([signed(OFFER)], 1)
    other = replace(OFFER, expires_ms=OFFER.expires_ms + 1)
    with pytest.raises(Rejected) as caught:
        sessions.commit_row(row("DA-17a"), [signed(OUTCOME), signed(other)])
    assert caught.value.reason == "name_taken"
    assert sessions.rows("day-ahead 2026-06-01") == []
    assert len(documents.documents(DocumentQuery(conflicts=True))) == 1


def test_the_same_document_again_is_no_fault(stores: Stores) -> None:
    sessions, documents = stores
    offer = signed(OFFER)
    documents.commit_documents([offer], 1)
    sessions.commit_row(row("DA-5b", offer), [offer])
    assert len(documents.documents(DocumentQuery())) == 1


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.KEPT])
def test_a_call_that_raised_kept_all_or_nothing(failure: Failure) -> None:
    documents = FakeDocuments()
    sessions = FakeSessions(documents)
    sessions.fail_next(failure)
    offer = signed(OFFER)
    with pytest.raises(StoreAway):
        sessions.commit_row(row("DA-5b", offer), [offer])
    kept = failure is Failure.KEPT
    assert len(sessions.rows("day-ahead 2026-06-01")) == kept
    assert len(documents.documents(DocumentQuery())) == kept
