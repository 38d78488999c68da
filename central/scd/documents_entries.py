"""What is in the central operator's log of market documents, and the seals that fix its heads.

An entry follows from a stored document and from nothing else: the log is derived, and can be
derived again. It holds what clearing and settlement rest on, and what follows from them. Left
out are measures (I-01, I-04: certified by the gateway's log), what stays within the DSO (I-10,
I-11, I-19) and what an owner tells its aggregator alone (I-13).
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from central.scd.documents import StoredDocument
from ledger.codec import encode_document_entry
from ledger.facts.document import DocumentEntry

LOGGED = (
    "I-02", "I-03", "I-05", "I-06", "I-07", "I-08", "I-09", "I-12", "I-14", "I-16", "I-17", "I-18",
)  # fmt: skip
"""Whose documents are in the log, whichever of them are served already.

None is ever added while the database holds documents of it: they would have arrived before
entries that are sealed.
"""


class SealReason(StrEnum):
    """What happened that the log's head is fixed at."""

    GATE_CLOSURE = "gate_closure"
    PUBLICATION = "publication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A checkpoint that was made and kept; `note` is the signed note of `size` and `root`."""

    size: int
    root: bytes
    note: str
    reason: SealReason
    session: str
    sealed_ms: int


@dataclass(frozen=True, slots=True)
class Anchored:
    """The head that is final on the ledger; `chain_part` is None if its node could not tell it."""

    size: int
    chain_part: bytes | None
    gas: int


@dataclass(frozen=True, slots=True)
class Logged:
    """Where a document stands in the log, and the bytes of its entry."""

    index: int
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """What leads from the entry at `index` to the root of a seal; lowest sibling first."""

    index: int
    entry: bytes
    path: tuple[bytes, ...]
    seal: Seal


def entry_of(stored: StoredDocument) -> bytes:
    """Return the entry of a document as it is stored, with its signed bytes."""
    return encode_document_entry(
        DocumentEntry(
            kind=stored.kind, mrid=stored.mrid, revision=stored.revision,
            arrived_ms=stored.arrived_ms, signed_hash=hashlib.sha256(stored.signed).digest(),
            is_evidence=stored.is_conflict,
        )
    )  # fmt: skip
