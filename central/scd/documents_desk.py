"""Where documents are handed in: allowed, signed by their sender, stored, and only then told."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from central.documents.congestion import CongestionAlert
from central.documents.encoding import verify
from central.documents.header import Document
from central.documents.measures import Origin, QuarterMeasures
from central.errors import NotAllowed, OtherContent
from central.scd.documents import CheckedDocument, DocumentQuery, IdempotencyKey, checked
from central.scd.documents_access import may_create
from central.scd.ports import DocumentStore, Doorkeeper
from central.scd.roles import Holder
from central.scd.stored import Outcome
from ledger.errors import Rejected
from ledger.facts.clock import Clock
from ledger.signing import VerifyingKey

log = logging.getLogger("central")


class Filed(NamedTuple):
    """What became of a document that was handed in; `document_hash` is empty if there is none."""

    document_hash: bytes
    outcome: Outcome
    reason: str


class DocumentDesk:
    """The way in for documents.

    Args:
        store: where they are kept.
        parties: the public key of every party.
        clock: stamps what arrives.
        doorkeeper: tells a sender at once what its session would refuse.
    """

    def __init__(
        self,
        store: DocumentStore,
        parties: Mapping[str, VerifyingKey],
        clock: Clock,
        doorkeeper: Doorkeeper,
    ) -> None:
        self._store = store
        self._parties = parties
        self._clock = clock
        self._doorkeeper = doorkeeper

    def file(
        self, signed: bytes, holder: Holder, key: str | None = None
    ) -> tuple[CheckedDocument, Outcome]:
        """Store a signed document; return it and whether it is new.

        Raises:
            Rejected: it is no document, its signature is not its sender's, its session would
                refuse it, or its name or the Idempotency-Key is taken.
            NotAllowed: the holder may not hand this in.
            OtherContent: this revision is stored with another content; this one is evidence now.
            StoreAway: nothing was stored, or all.
        """
        document, content = self._checked(signed, holder)
        at_ms = self._clock.now_ms()
        self._need_admissible(document, content, at_ms)
        named = IdempotencyKey(holder.token_id, key) if key else None
        (outcome,) = self._store.commit_documents([document], at_ms, named)
        _note(document, content, outcome)
        if outcome is Outcome.CONFLICT:
            raise OtherContent(
                f"revision {document.revision} of {document.mrid} is stored with another content",
                remedy="send the next revision; both contents are kept",
                reason="other_content",
            )
        if outcome is Outcome.REJECTED:
            raise Rejected(
                f"{document.mrid} names another document", where="$.mrid",
                remedy="draw a new UUID", reason="name_taken",
            )  # fmt: skip
        return document, outcome

    def file_all(self, bodies: Sequence[bytes], holder: Holder, ii: str) -> list[Filed]:
        """Store signed documents of one kind together; those that are refused are left out.

        Raises:
            NotAllowed: the holder may not hand in any of this kind.
            StoreAway: nothing was stored, or all.
        """
        _need_right(holder, ii)
        told: list[Filed | None] = []
        fit: list[tuple[CheckedDocument, Document]] = []
        for body in bodies:
            try:
                document, content = self._checked(body, holder, ii)
            except Rejected as error:
                log.warning("central.document_refused", extra={"reason": error.reason})
                told.append(Filed(b"", Outcome.REJECTED, error.reason))
            else:
                told.append(None)
                fit.append((document, content))
        outcomes = self._store.commit_documents([each for each, _ in fit], self._clock.now_ms())
        filed = []
        for (document, content), outcome in zip(fit, outcomes, strict=True):
            _note(document, content, outcome)
            reason = "name_taken" if outcome is Outcome.REJECTED else ""
            filed.append(Filed(document.document_hash, outcome, reason))
        waiting = iter(filed)
        return [next(waiting) if each is None else each for each in told]

    def _need_admissible(self, document: CheckedDocument, content: Document, at_ms: int) -> None:
        """Refuse what its session would refuse; what is stored already stays stored."""
        query = DocumentQuery(hashes=(document.document_hash,), limit=1, conflicts=True)
        if self._store.documents(query):
            return
        try:
            self._doorkeeper.check(content, at_ms)
        except Rejected as error:
            told = {"reason": error.reason, "where": error.where}
            log.warning("central.document_refused", extra=_about(document) | told)
            raise

    def _checked(
        self, signed: bytes, holder: Holder, only: str | None = None
    ) -> tuple[CheckedDocument, Document]:
        document, content = checked(signed)
        if only is not None and document.ii != only:
            raise Rejected(f"expected {only}, found {document.ii}", where="$.ii", reason="wrong_ii")
        _need_right(holder, document.ii)
        if holder.party != document.sender:
            raise NotAllowed(
                f"the token stands for {holder.party or 'no party'}, not for {document.sender}",
                where="$.sender",
                reason="not_the_sender",
            )
        key = self._parties.get(document.sender)
        if key is None:
            raise Rejected(
                f"no key is known of {document.sender}", where="$.sender",
                remedy="name it under [[parties]]", reason="unknown_party",
            )  # fmt: skip
        verify(signed, key)
        _need_imported(content)
        return document, content


def _need_right(holder: Holder, ii: str) -> None:
    if not may_create(holder.role, ii):
        raise NotAllowed(f"the role {holder.role} may not hand in {ii}", reason="role_denied")


def _need_imported(content: Document) -> None:
    """Refuse measures from elsewhere that claim to be certified here."""
    if isinstance(content, QuarterMeasures):
        for place, quarter in enumerate(content.quarters):
            if quarter.origin is not Origin.IMPORTED:
                raise Rejected(
                    f"expected imported, found {quarter.origin}",
                    where=f"$.quarters[{place}].origin",
                    remedy="certified measures come from light nodes only",
                    reason="not_certified",
                )


def warn_of_congestion(document: CheckedDocument, content: Document) -> None:
    """Tell in the log that the grid will be under strain, if that is what a stored document says.

    To be called once it is stored: by whoever stores it, the API or a session.
    """
    if isinstance(content, CongestionAlert) and content.violations:
        alert = {
            "primary_substation": content.primary_substation,
            "horizon": content.horizon.value,
            "elements": len({each.position for each in content.violations}),
            "violations": len(content.violations),
        }
        log.warning("central.congestion", extra=_about(document) | alert)


def _about(document: CheckedDocument) -> dict[str, object]:
    return {
        "ii": document.ii, "mrid": document.mrid, "revision": document.revision,
        "sender": document.sender, "hash": document.document_hash.hex(),
    }  # fmt: skip


def _note(document: CheckedDocument, content: Document, outcome: Outcome) -> None:
    about = _about(document)
    if outcome is Outcome.STORED:
        log.info("central.document_stored", extra=about)
        warn_of_congestion(document, content)
    elif outcome is Outcome.CONFLICT:
        log.warning("central.document_conflict", extra=about)
