"""Market documents in memory, honest about their guarantee; told to fail, in both ways."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from central.errors import StoreAway
from central.scd.documents import (
    CheckedDocument,
    DocumentQuery,
    IdempotencyKey,
    Scope,
    StoredDocument,
)
from central.scd.stored import Outcome
from ledger.errors import Rejected
from tests.fakes.scd_evidence import Failure


@dataclass
class FakeDocuments:
    """What `central.scd.ports.DocumentStore` promises, computed from scratch at every question."""

    failures: list[Failure] = field(default_factory=list)
    _kept: list[StoredDocument] = field(default_factory=list)
    _keys: dict[IdempotencyKey, bytes] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)

    def fail_next(self, failure: Failure) -> None:
        """Fail the next commit."""
        self.failures.append(failure)

    def snapshot(self) -> list[StoredDocument]:
        """Return what is kept, to come back to."""
        return list(self._kept)

    def restore(self, kept: list[StoredDocument]) -> None:
        """Come back to what was kept."""
        self._kept = kept

    def commit_documents(
        self,
        documents: Sequence[CheckedDocument],
        arrived_ms: int,
        key: IdempotencyKey | None = None,
    ) -> list[Outcome]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is Failure.LOST:
            raise StoreAway("told to lose it")
        for document in documents if key else ():
            assert key is not None
            if self._keys.get(key, document.document_hash) != document.document_hash:
                raise Rejected("another document before", reason="key_reused")
            self._keys[key] = document.document_hash
        outcomes = [self._commit(document, arrived_ms) for document in documents]
        if failure is Failure.KEPT:
            raise StoreAway("told to keep it and say nothing")
        return outcomes

    def documents(self, query: DocumentQuery, scope: Scope | None = None) -> list[StoredDocument]:
        found = [
            each if query.bodies else replace(each, signed=b"")
            for each in self._kept
            if query.takes(each)
            and (scope is None or scope.shows(each))
            and not (query.latest and self._is_followed(each))
        ]
        return found[: query.limit]

    def delivered(self, name: str) -> int:
        return self._places.get(name, 0)

    def note_delivered(self, name: str, arrival: int) -> None:
        if self.failures:
            self.failures.pop(0)
            raise StoreAway("told to fail")
        self._places[name] = arrival

    def _commit(self, document: CheckedDocument, arrived_ms: int) -> Outcome:
        named = [each for each in self._kept if each.mrid == document.mrid]
        for each in named:
            if each.document_hash == document.document_hash:
                return Outcome.CONFLICT if each.is_conflict else Outcome.DUPLICATE
        if any((one.sender, one.kind) != (document.sender, document.kind) for one in named):
            return Outcome.REJECTED
        is_conflict = any(each.revision == document.revision for each in named)
        values = {**asdict(document), "validity": document.validity}
        self._kept.append(
            StoredDocument(
                **values, arrival=len(self._kept) + 1, arrived_ms=arrived_ms,
                is_conflict=is_conflict,
            )
        )  # fmt: skip
        return Outcome.CONFLICT if is_conflict else Outcome.STORED

    def _is_followed(self, one: StoredDocument) -> bool:
        return any(
            each.mrid == one.mrid and each.revision > one.revision and not each.is_conflict
            for each in self._kept
        )
