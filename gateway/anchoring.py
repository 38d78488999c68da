"""Anchoring the log's head on the ledger: which order follows; how, says `ledger.chain.orders`.

When the ledger was away for hours, all windows that waited are covered by the next order.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.bell import Bell
from gateway.ports import Ledger, WindowJournal, WindowLog
from ledger.chain.orders import Carrier, known_submission, need_own, next_submission
from ledger.chain.values import Final, Order, RegistryRoot, Step, Submission, Waiting
from ledger.codec import decode_window_entry
from ledger.contract import log_id
from ledger.errors import Refused, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.segment import Head as LogHead
from ledger.patience import Patience

_DEAR_WINDOWS = 2**19 - 1
_LONGEST_WAIT_S = 5.0

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
        self._carrier = Carrier(journal, ledger, clock, self._told)
        self._log = log_
        self._ledger = ledger
        self._log_id = log_id(origin)
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

    async def advance(self) -> Step | None:
        """Take one step; None if there is nothing to anchor.

        Raises:
            Unavailable: the ledger or the disk is away.
            Refused: the ledger said no.
            InvariantBroken: the ledger holds a head that is not of this log.
        """
        return await asyncio.to_thread(self._advance)

    def _advance(self) -> Step | None:
        return self._carrier.advance(self._next_order)

    def _told(self, order: Order, final: Final) -> None:
        if isinstance(order, RegistryRoot):
            self._registry_root = order.root
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
        need_own(head, size, self._log.root)
        if head.sequence and self._journal.anchored_size() < head.size:
            return known_submission(self._log_id, head)
        if size > head.size:
            if waits_for_next(size):
                return None
            proof = self._log.consistency(head.size, size) if head.size else []
            return next_submission(self._log_id, head, size=size, root=root, proof=proof)
        return self._registry_order(size)

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
