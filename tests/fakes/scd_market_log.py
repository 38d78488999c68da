"""The market log in memory, over documents in memory; told to fail, in both ways."""

from dataclasses import dataclass, field

from central.errors import StoreAway
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import LOGGED, Logged, Seal, entry_of
from central.scd.stored import LATEST
from ledger.merkle import leaf_hash
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure


@dataclass
class FakeMarketLog:
    """What `central.scd.ports.MarketLogStore` promises."""

    documents: FakeDocuments
    failures: list[Failure] = field(default_factory=list)
    kept: list[Seal] = field(default_factory=list)
    _taken: dict[bytes, Logged] = field(default_factory=dict)

    def take_in(self) -> int:
        query = DocumentQuery(ii=LOGGED, limit=LATEST, conflicts=True)
        for each in self.documents.documents(query):
            logged = Logged(len(self._taken), entry_of(each))
            self._taken.setdefault(each.document_hash, logged)
        return len(self._taken)

    def leaf_hashes(self, since: int, limit: int) -> list[bytes]:
        entries = list(self._taken.values())[since : since + limit]
        return [leaf_hash(each.entry) for each in entries]

    def logged(self, document_hash: bytes) -> Logged | None:
        return self._taken.get(document_hash)

    def commit_seal(self, seal: Seal) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not Failure.LOST:
            self.kept.append(seal)
        if failure is not None:
            raise StoreAway("told to fail")

    def seals(self, session: str | None = None) -> list[Seal]:
        return [each for each in self.kept if session in {None, each.session}]

    def latest_seal(self, most: int | None = None) -> Seal | None:
        known = [each for each in self.kept if most is None or each.size <= most]
        return max(reversed(known), key=lambda each: each.size, default=None)
