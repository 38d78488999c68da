"""A market document as it is kept: checked, with what it is found by, and who may see it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum

from central.documents.catalogue import kind_of
from central.documents.encoding import document_hash, opened
from central.documents.header import Document
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDocument:
    """A signed document that is what it says, with what it is found by.

    `signed` is the sender's COSE_Sign1, empty where nobody asked for it. `opens_ms` is the gate
    closure that some wait for before they may read it; `pods` are all that it names.
    """

    mrid: str
    revision: int
    ii: str
    kind: str
    sender: str
    receiver: str
    validity: Interval
    created_ms: int
    opens_ms: int | None
    pods: tuple[str, ...]
    document_hash: bytes
    signed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument(CheckedDocument):
    """A document that is kept; a conflict is kept as evidence only and is never the document."""

    arrival: int
    arrived_ms: int
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's own name for one request of its own."""

    client: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """Which documents; everything that is given must hold. `since` is the last arrival seen.

    Args:
        hashes: of their canonical bytes; none given, all.
        span: the validity shares an instant with it.
        latest: no later revision is stored.
        conflicts: the evidence against senders too.
        bodies: with the signed bytes.
    """

    ii: tuple[str, ...] = ()
    mrid: str | None = None
    revision: int | None = None
    sender: str | None = None
    hashes: tuple[bytes, ...] = ()
    span: Interval | None = None
    since: int = 0
    limit: int = 1_000
    latest: bool = False
    conflicts: bool = False
    bodies: bool = True

    def takes(self, document: StoredDocument) -> bool:
        """Tell whether a document is one of these; `latest` and `limit` are left to the store."""
        return (
            (not self.ii or document.ii in self.ii)
            and self.mrid in {None, document.mrid}
            and self.revision in {None, document.revision}
            and self.sender in {None, document.sender}
            and (not self.hashes or document.document_hash in self.hashes)
            and (self.span is None or self.span.overlaps(document.validity))
            and document.arrival > self.since
            and (self.conflicts or not document.is_conflict)
        )


class Sight(StrEnum):
    """How far a role sees documents of one kind.

    OWN are those from or to its party, and those that name PODs of the token and no other.
    OPENED are those that name such PODs, once the gate has closed. HASHES is that there is one,
    not what it says.
    """

    OWN = "own"
    OPENED = "opened"
    HASHES = "hashes"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one holder of a token may see at an instant; `pods` is None for every POD."""

    sights: Mapping[str, Sight]
    party: str | None
    pods: frozenset[str] | None
    now_ms: int

    def shows(self, document: StoredDocument) -> bool:
        """Tell whether the holder may know of a document."""
        sight = self.sights.get(document.ii)
        names_own = bool(document.pods) and (self.pods is None or self.pods >= set(document.pods))
        match sight:
            case None:
                return False
            case Sight.OWN:
                ends = {document.sender, document.receiver}
                return names_own or (self.party is not None and self.party in ends)
            case Sight.OPENED:
                return (
                    names_own and document.opens_ms is not None and document.opens_ms <= self.now_ms
                )
            case Sight.HASHES | Sight.ALL:
                return True

    def opens(self, document: StoredDocument) -> bool:
        """Tell whether the holder may read what a document says."""
        return self.shows(document) and self.sights[document.ii] is not Sight.HASHES


def checked(signed: bytes) -> tuple[CheckedDocument, Document]:
    """Return a document that was handed in, with what it is found by; no signature is checked.

    Raises:
        Rejected: it is no signed document.
    """
    document, encoded = opened(signed)
    return CheckedDocument(
        mrid=document.mrid, revision=document.revision, ii=document.ii,
        kind=kind_of(type(document)), sender=document.sender, receiver=document.receiver,
        validity=document.validity, created_ms=document.created_ms,
        opens_ms=getattr(document, "gate_closure_ms", None),
        pods=tuple(sorted({pod.code for pod in _pods(document)})),
        document_hash=document_hash(encoded), signed=signed,
    ), document  # fmt: skip


def _pods(value: object) -> Iterator[Pod]:
    """Yield the points of delivery that a document names, wherever."""
    if isinstance(value, Pod):
        yield value
    elif isinstance(value, tuple) and value and is_dataclass(value[0]):
        for entry in value:
            yield from _pods(entry)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _pods(getattr(value, each.name))
