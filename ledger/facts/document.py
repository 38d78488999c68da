"""A market document as the central operator's log has it: entry k is the k-th that arrived."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """That a document was there, without what it says.

    `signed_hash` is over the sender's signed message: nobody who lacks the sender's key can make
    that message, so a guess at what a document says cannot be tried on the hash. `is_evidence`
    marks a second content for a revision: kept against its sender, never the document.
    """

    kind: str
    mrid: str
    revision: int
    arrived_ms: int
    signed_hash: bytes
    is_evidence: bool
