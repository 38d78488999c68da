"""Anchoring the log's head on the ledger, in the order that survives a crash at any line.

```
 head of the log ──► order ──► prepared ──► kept (journal) ──► sent ──► final ──► kept ──► told
                       ▲                                                            │
                       └──────────── one order at a time, the next covers all ◄─────┘
```

Nothing is sent that the journal does not hold. After a crash the same code asks the ledger
again, with the attempts that the journal holds. When the ledger was away for hours, all windows
that waited are covered by the next order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from gateway.bell import Bell
from gateway.ports import Anchor, Ledger, WindowJournal, WindowLog
from ledger.chain.values import (
    Attempt,
    Final,
    Head,
    Order,
    Prepared,
    RegistryRoot,
    Submission,
    Waiting,
)
from ledger.codec import decode_window_entry
from ledger.contract import log_id
from ledger.errors import InvariantBroken, Refused, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.segment import NO_HASH
from ledger.facts.segment import Head as LogHead
from ledger.patience import Patience

_DEAR_WINDOWS = 2**19 - 1
_LONGEST_WAIT_S = 5.0
_OVERTAKEN = {"sequence", "not_grown"}

log = logging.getLogger("gateway")


class Anchorer:
    """Keeps the ledger's head up with the log's; readings and receipts never wait for it."""

    def __init__(
        self,
        *,
        journal: WindowJournal,
        log_: WindowLog,
        ledger: Ledger,
        origin: str,
        clock: Clock,
        published: Callable[[], LogHead | None],
        bell: Bell,
        anchored: Callable[[], None],
        pending_s: float = 1.0,
        longest_pause_s: float = 30.0,
    ) -> None:
        self._journal = journal
        self._log = log_
        self._ledger = ledger
        self._log_id = log_id(origin)
        self._clock = clock
        self._published = published
        self._bell = bell
        self._anchored = anchored
        self._pending_s = pending_s
        self._registry_root: bytes | None = None
        self.patience = Patience("ledger", log, longest_s=longest_pause_s)

    async def run(self) -> None:
        """Anchor until cancelled.

        Raises:
            InvariantBroken: the ledger holds a head that is not of this log.
        """
        while True:
            try:
                step = await self.advance()
            except (Unavailable, Refused) as error:
                await self.patience.wait_out(error)
                continue
            self.patience.back()
            match step:
                case None:
                    await self._bell.wait(_LONGEST_WAIT_S)
                case Waiting():
                    await self._bell.wait(self._pending_s)
                case _:
                    pass

    async def advance(self) -> Prepared | Waiting | Final | None:
        """Take one step; None if there is nothing to anchor.

        Raises:
            Unavailable: the ledger or the disk is away.
            Refused: the ledger said no.
            InvariantBroken: the ledger holds a head that is not of this log.
        """
        return await asyncio.to_thread(self._advance)

    def _advance(self) -> Prepared | Waiting | Final | None:
        anchor = self._journal.anchor_under_way()
        if anchor is not None:
            return self._continue(anchor)
        order = self._next_order()
        return None if order is None else self._take(None, order, ())

    def _continue(self, anchor: Anchor) -> Prepared | Waiting | Final:
        try:
            return self._take(anchor.number, anchor.order, anchor.attempts)
        except Refused as refused:
            if refused.reason in _OVERTAKEN:
                log.warning(
                    "gateway.anchor_void",
                    extra={"anchor": anchor.number, "reason": refused.reason},
                )
                self._journal.void_anchor(anchor.number)
            raise

    def _take(
        self, number: int | None, order: Order, attempts: Sequence[Attempt]
    ) -> Prepared | Waiting | Final:
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
                log.warning("gateway.no_chain_part", extra={"tx": final.tx_hash.hex()})
        else:
            self._registry_root = order.root
        self._journal.end_anchor(number, order, final, part)
        log.info("gateway.anchored", extra={**_named(order), "gas": final.gas_used})
        self._anchored()

    def _next_order(self) -> Order | None:
        published = self._published()
        if published is None:
            return None
        size, root = published
        if self._journal.anchored_size() == size and self._registry_root is not None:
            return self._registry_order(size)
        head = self._ledger.head(self._log_id)
        self._check(head, size)
        if head.sequence and self._journal.anchored_size() < head.size:
            return self._known_to_ledger(head)
        if size > head.size:
            if waits_for_next(size):
                return None
            proof = self._log.consistency(head.size, size) if head.size else []
            return Submission(
                log_id=self._log_id, sequence=head.sequence + 1, root=root, size=size,
                meta=NO_HASH, proof=tuple(proof),
            )  # fmt: skip
        return self._registry_order(size)

    def _check(self, head: Head, size: int) -> None:
        if head.size > size or (head.size and self._log.root(head.size) != head.root):
            raise InvariantBroken(
                f"the ledger holds a head of {head.size} windows that is not of this log of {size}",
                remedy="restore the log and the journal, or name a new origin; never go on",
            )

    def _known_to_ledger(self, head: Head) -> Submission:
        """Return the order that led to the ledger's head, which the journal does not know."""
        return Submission(
            log_id=self._log_id, sequence=head.sequence, root=head.root, size=head.size,
            meta=NO_HASH, proof=(),
        )  # fmt: skip

    def _registry_order(self, size: int) -> RegistryRoot | None:
        wanted = decode_window_entry(self._log.entry(size - 1)).registry_root
        if self._registry_root is None:
            self._registry_root = self._ledger.registry_root(self._log_id)
        if self._registry_root == wanted:
            return None
        return RegistryRoot(log_id=self._log_id, root=wanted)


def waits_for_next(windows: int) -> bool:
    """Tell whether a head of so many windows is anchored only together with the next one.

    To go on from 2^n - 1 windows takes the longest proof of all, from a year's log on more gas
    than a window may cost. The next size never waits, so this costs one window's time.
    """
    return windows >= _DEAR_WINDOWS and windows & (windows + 1) == 0


def _named(order: Order) -> dict[str, object]:
    match order:
        case Submission():
            return {"sequence": order.sequence, "size": order.size}
        case RegistryRoot():
            return {"registry_root": order.root.hex()}
