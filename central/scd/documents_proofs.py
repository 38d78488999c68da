"""Bundles that prove market documents: whoever holds one needs neither this database nor our word.

A bundle rests on the newest seal that is final on the ledger, if the document is under it:
that is the head that a verifier sees when it asks the ledger itself.
"""

from dataclasses import dataclass

from central.scd.documents import StoredDocument
from central.scd.documents_entries import LOGGED, Seal, entry_of
from central.scd.documents_log import MarketLog
from central.scd.ports import AnchorStore
from central.scd.proofs import NotProvable
from ledger.documents import DocumentBundle, Logging, encode_document_bundle


@dataclass(frozen=True, slots=True)
class Ground:
    """What bundles rest on: a seal, and what leads from it to the ledger, if anything does.

    `is_final`: the ledger holds its head.
    """

    seal: Seal
    is_final: bool
    chain_part: bytes | None = None


class DocumentProver:
    """Makes bundles; what is not anchored yet is marked so, and verifies as INDETERMINATE."""

    def __init__(self, log: MarketLog, anchors: AnchorStore) -> None:
        self._log = log
        self._anchors = anchors

    def ground(self, index: int) -> Ground | None:
        """Return the best seal that entry `index` is under; None before the first one.

        Best is one that is final on the ledger, else the newest.
        """
        final = self.final()
        if final is not None and index < final.seal.size:
            return final
        latest = self._log.latest()
        return Ground(latest, is_final=False) if latest and index < latest.size else None

    def final(self) -> Ground | None:
        """Return the newest seal that is final on the ledger."""
        anchored = self._anchors.anchored()
        seal = self._log.sealed_at(anchored.size) if anchored else None
        if anchored is None or seal is None:
            return None
        return Ground(seal, is_final=True, chain_part=anchored.chain_part)

    def bundle(self, stored: StoredDocument, ground: Ground | None = None) -> bytes:
        """Return the bundle of a document with its signed bytes, on given ground or the best.

        Raises:
            NotProvable: documents of its kind are not in the log.
            InvariantBroken: the log does not lead to its seals.
        """
        need_logged(stored)
        return encode_document_bundle(
            DocumentBundle(
                signed=stored.signed, entry=entry_of(stored), logging=self._logging(stored, ground)
            )
        )

    def _logging(self, stored: StoredDocument, ground: Ground | None) -> Logging | None:
        logged = self._log.logged(stored.document_hash)
        ground = ground or (self.ground(logged.index) if logged else None)
        if ground is None:
            return None
        proof = self._log.inclusion(stored.document_hash, ground.seal)
        if proof is None:
            return None
        return Logging(
            index=proof.index, path=proof.path, checkpoint=ground.seal.note,
            chain_part=ground.chain_part,
        )  # fmt: skip


def need_logged(stored: StoredDocument) -> None:
    """Refuse documents of kinds that are not in the log.

    Raises:
        NotProvable: it is of one.
    """
    if stored.ii not in LOGGED:
        raise NotProvable(
            f"documents of {stored.ii} are not in the market log", reason="not_logged"
        )
