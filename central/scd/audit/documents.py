"""Each market document is what its signed bytes say, and its sender's as far as keys are known."""

from collections.abc import Mapping
from dataclasses import fields

from central.documents.encoding import verify
from central.scd.audit.findings import Findings
from central.scd.database import Database
from central.scd.documents import CheckedDocument, DocumentQuery, StoredDocument, checked
from central.scd.documents_store import SqliteDocuments
from ledger.errors import Rejected
from ledger.signing import VerifyingKey

_PAGE = 1_000
_COLUMNS = tuple(each.name for each in fields(CheckedDocument))


def audit_documents(
    database: Database, findings: Findings, parties: Mapping[str, VerifyingKey]
) -> int:
    """Check every document; return how many there are."""
    store, count = SqliteDocuments(database), 0
    first: dict[tuple[str, int], int] = {}
    while page := store.documents(DocumentQuery(since=count, limit=_PAGE, conflicts=True)):
        for stored in page:
            count += 1
            if stored.arrival != count:
                findings.note("document", f"arrival {count}", "arrival", "a row", "none")
                count = stored.arrival
            _audit(stored, findings, parties)
            name = (stored.mrid, stored.revision)
            is_second = first.setdefault(name, stored.arrival) != stored.arrival
            if is_second != stored.is_conflict:
                findings.note("document", _row(stored), "is_conflict", is_second, not is_second)
    return count


def _audit(stored: StoredDocument, findings: Findings, parties: Mapping[str, VerifyingKey]) -> None:
    try:
        expected, _ = checked(stored.signed)
        if key := parties.get(expected.sender):
            verify(stored.signed, key)
    except Rejected as error:
        findings.note("document", _row(stored), "signed", "a signed document", error.reason)
        return
    findings.compare("document", _row(stored), *(
        {name: getattr(each, name) for name in _COLUMNS} for each in (expected, stored)
    ))  # fmt: skip


def _row(stored: StoredDocument) -> str:
    return f"arrival {stored.arrival} {stored.mrid} revision {stored.revision}"
