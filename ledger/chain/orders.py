"""Orders to the ledger, one at a time, in the order that survives a crash at any line.

```
 order ──► prepared ──► kept (journal) ──► sent ──► final ──► kept ──► told
   ▲                                                            │
   └─────────── one order at a time, the next covers all ◄──────┘
```

Nothing is sent that the journal does not hold. After a crash the same code asks the ledger
again, with the attempts that the journal holds.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ledger import codec
from ledger.chain.values import (
    Anchor,
    Attempt,
    Final,
    Head,
    Order,
    Prepared,
    RegistryRoot,
    Step,
    Submission,
    Waiting,
)
from ledger.errors import InvariantBroken, Refused
from ledger.facts.clock import Clock
from ledger.facts.segment import NO_HASH

log = logging.getLogger("chain")

_OVERTAKEN = {"sequence", "not_grown"}
_SUBMISSION, _REGISTRY_ROOT = 1, 2


class OrderJournal(Protocol):
    """Orders and their attempts, each step durable before the next begins; any thread.

    At most one order is under way.
    """

    def anchor_under_way(self) -> Anchor | None:
        """Return the order that is not final yet."""
        ...

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        """Write down, durably, an order together with its first attempt."""
        ...

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        """Write down, durably, one more attempt of an order."""
        ...

    def next_nonce(self) -> int | None:
        """Return the nonce after the highest ever kept; None when none was."""
        ...

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        """Write down, durably, that an order is final; `number` is None if it had no attempt."""
        ...

    def void_anchor(self, number: int) -> None:
        """Give up an order that the ledger will never take: another one took its place."""
        ...


class OrderLedger(Protocol):
    """The part of the ledger that orders need; see `ledger.chain.client.AnchorLedger`.

    `advance` sends nothing that it did not return as `Prepared` in an earlier call.
    """

    def account_nonce(self) -> int:
        """Return how many transactions of the account the latest block knows."""
        ...

    def advance(
        self, order: Order, attempts: Sequence[Attempt], *, next_nonce: int, now_ms: int
    ) -> Step:
        """Take an order one step further; call again until it is `Final`."""
        ...

    def chain_part(self, tx_hash: bytes) -> bytes | None:
        """Return what an offline verifier needs from the chain; None if the node lacks it."""
        ...


class Carrier:
    """Carries orders out, and tells those that are final once they are written down."""

    def __init__(
        self,
        journal: OrderJournal,
        ledger: OrderLedger,
        clock: Clock,
        told: Callable[[Order, Final], None],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._told = told

    def advance(self, following: Callable[[], Order | None]) -> Step | None:
        """Take one step with the order under way, or else with the one that follows.

        Return None if there is neither.

        Raises:
            Unavailable: the ledger or the disk is away.
            Refused: the ledger said no.
            InvariantBroken: as `following` says.
        """
        anchor = self._journal.anchor_under_way()
        if anchor is not None:
            return self._continue(anchor)
        order = following()
        return None if order is None else self._take(None, order, ())

    def _continue(self, anchor: Anchor) -> Step:
        try:
            return self._take(anchor.number, anchor.order, anchor.attempts)
        except Refused as refused:
            if refused.reason in _OVERTAKEN:
                log.warning(
                    "chain.order_void", extra={"anchor": anchor.number, "reason": refused.reason}
                )
                self._journal.void_anchor(anchor.number)
            raise

    def _take(self, number: int | None, order: Order, attempts: Sequence[Attempt]) -> Step:
        nonce = self._journal.next_nonce()
        if nonce is None:
            nonce = self._ledger.account_nonce()
        step = self._ledger.advance(order, attempts, next_nonce=nonce, now_ms=self._clock.now_ms())
        match step:
            case Prepared(attempt):
                # Only what is on our disk may ever be seen on the ledger.
                if number is None:
                    self._journal.begin_anchor(order, attempt)
                else:
                    self._journal.keep_attempt(number, attempt)
            case Final():
                self._end(number, order, step)
            case Waiting():
                pass
        return step

    def _end(self, number: int | None, order: Order, final: Final) -> None:
        part = b""
        if isinstance(order, Submission):
            part = self._ledger.chain_part(final.tx_hash) or b""
            if not part:
                log.warning("chain.no_chain_part", extra={"tx": final.tx_hash.hex()})
        self._journal.end_anchor(number, order, final, part)
        self._told(order, final)


def need_own(head: Head, size: int, root_of: Callable[[int], bytes]) -> None:
    """Refuse to go on when the ledger holds a head that is not of this log of `size`.

    Raises:
        InvariantBroken: it is larger, or has another root.
    """
    if head.size > size or (head.size and root_of(head.size) != head.root):
        raise InvariantBroken(
            f"the ledger holds a head of {head.size} entries that is not of this log of {size}",
            remedy="restore the log and the journal, or name a new origin; never go on",
        )


def next_submission(
    log_id: bytes, head: Head, *, size: int, root: bytes, proof: Sequence[bytes]
) -> Submission:
    """Return the order that takes the ledger from its head to a log of `size`."""
    return Submission(
        log_id=log_id, sequence=head.sequence + 1, root=root, size=size, meta=NO_HASH,
        proof=tuple(proof),
    )  # fmt: skip


def known_submission(log_id: bytes, head: Head) -> Submission:
    """Return the order that led to the ledger's head, for a journal that does not know it."""
    return Submission(
        log_id=log_id, sequence=head.sequence, root=head.root, size=head.size, meta=NO_HASH,
        proof=(),
    )  # fmt: skip


def encode_order(order: Order) -> bytes:
    """Return the bytes that a journal keeps of an order."""
    match order:
        case Submission():
            return codec.encode(
                [_SUBMISSION, order.log_id, order.sequence, order.root, order.size, order.meta,
                 list(order.proof)]
            )  # fmt: skip
        case RegistryRoot():
            return codec.encode([_REGISTRY_ROOT, order.log_id, order.root])


def decode_order(body: bytes) -> Order:
    """Return the order that the bytes of a journal stand for.

    Raises:
        Rejected: `not_canonical`.
        InvariantBroken: they are those of no order.
    """
    match codec.decode(body):
        case [1, bytes(log_id), int(sequence), bytes(root), int(size), bytes(meta), [*proof]]:
            return Submission(
                log_id=log_id, sequence=sequence, root=root, size=size, meta=meta,
                proof=tuple(proof),
            )  # fmt: skip
        case [2, bytes(log_id), bytes(root)]:
            return RegistryRoot(log_id=log_id, root=root)
        case _:
            raise InvariantBroken("the journal holds an order of no known kind")
