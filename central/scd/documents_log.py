"""The central operator's log of market documents: grown, sealed, and proved.

```
 document durable ──► entry, in order of arrival ──► sealed: checkpoint, kept ──► anchored
```
"""

import logging
import threading
from collections.abc import Sequence

from central.scd.documents_entries import InclusionProof, Logged, Seal, SealReason
from central.scd.ports import MarketLogStore
from ledger.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from ledger.errors import InvariantBroken, Rejected
from ledger.facts.clock import Clock
from ledger.merkle import Tree
from ledger.signing import SigningKey

log = logging.getLogger("central")

_PAGE = 10_000


class MarketLog:
    """The log under its origin and key; safe for several threads and processes at once.

    Args:
        store: keeps entries and seals.
        origin: names the log, another one than the gateway's.
        key: the operator's Ed25519 key, which signs checkpoints.
        clock: stamps seals.
    """

    def __init__(self, store: MarketLogStore, origin: str, key: SigningKey, clock: Clock) -> None:
        self.origin = origin
        self.key = key
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._tree = Tree()
        self._checked_size = 0

    def seal(self, reason: SealReason, session: str) -> Seal:
        """Return the checkpoint over every document that is durable now, signed and kept.

        Raises:
            StoreAway: the seal may be kept or not; another one does no harm.
            InvariantBroken: the entries do not lead to the root of an earlier seal.
        """
        size = self._store.take_in()
        root = self._grown(size).root(size)
        note = sign_checkpoint(Checkpoint(self.origin, size, root), self.key)
        seal = Seal(
            size=size, root=root, note=note, reason=reason, session=session,
            sealed_ms=self._clock.now_ms(),
        )  # fmt: skip
        self._store.commit_seal(seal)
        log.info(
            "central.market_log_sealed", extra={"size": size, "reason": reason, "session": session}
        )
        return seal

    def latest(self) -> Seal | None:
        """Return the seal over the most documents."""
        return self._store.latest_seal()

    def sealed_at(self, size: int) -> Seal | None:
        """Return the newest seal over exactly so many documents."""
        seal = self._store.latest_seal(size)
        return seal if seal is not None and seal.size == size else None

    def logged(self, document_hash: bytes) -> Logged | None:
        """Return where a document stands; None if it is in no seal yet, or belongs nowhere."""
        return self._store.logged(document_hash)

    def inclusion(self, document_hash: bytes, seal: Seal | None = None) -> InclusionProof | None:
        """Return the proof that a document is under a seal, the latest by default.

        None if it belongs nowhere, or was not there when the seal was made.

        Raises:
            InvariantBroken: the entries do not lead to the root of a seal.
        """
        found = self._store.logged(document_hash)
        seal = seal or self.latest()
        if found is None or seal is None or found.index >= seal.size:
            return None
        path = self._grown(seal.size).inclusion(found.index, seal.size)
        return InclusionProof(index=found.index, entry=found.entry, path=tuple(path), seal=seal)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the log of `size` continues the log of `old_size`.

        Raises:
            Rejected: the sizes are not those of a log that grew, or it has not so many entries.
            InvariantBroken: the entries do not lead to the root of a seal.
        """
        try:
            return self._grown(size).consistency(old_size, size)
        except ValueError as error:
            raise Rejected(str(error), reason="bad_size") from error

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` entries.

        Raises:
            Rejected: it has not so many entries.
            InvariantBroken: the entries do not lead to the root of a seal.
        """
        try:
            return self._grown(size).root(size)
        except ValueError as error:
            raise Rejected(str(error), reason="bad_size") from error

    def _grown(self, size: int) -> Tree:
        """Return the tree, with at least `size` entries if there are so many.

        Whatever is signed or proved goes on from what was signed before: a seal made since the
        last look, here or in another process, is checked first.
        """
        latest = self._store.latest_seal()
        with self._lock:
            wanted = max(size, latest.size if latest else 0)
            while len(self._tree) < wanted and (page := self._page()):
                self._tree.extend(page)
            if latest is not None and latest.size > self._checked_size:
                self._check(latest)
                self._checked_size = latest.size
            return self._tree

    def _page(self) -> Sequence[bytes]:
        return self._store.leaf_hashes(len(self._tree), _PAGE)

    def _check(self, seal: Seal) -> None:
        origin = read_checkpoint(seal.note).origin
        if origin != self.origin:
            raise Rejected(
                f"the database holds the market log of {origin}, not of {self.origin}",
                where="market_log.origin",
                remedy="name the origin that it began with",
                reason="wrong_log",
            )
        if len(self._tree) < seal.size or self._tree.root(seal.size) != seal.root:
            raise InvariantBroken(
                f"the entries of the market log do not lead to its checkpoint of size {seal.size}",
                remedy="restore the evidence database from its backup; the ledger holds the root",
            )
