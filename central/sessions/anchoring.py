"""Bringing the market log's seals to the ledger: which order follows; how, `ledger.chain.orders`.

```
 seal kept ──► order ──► prepared ──► kept ──► sent ──► final ──► kept
```

Sessions and readers never wait for it. Seals that were made while the ledger was away are
covered by the next order.
"""

import asyncio
import logging
import time
from typing import Protocol

from central.scd.documents_log import MarketLog
from central.scd.ports import AnchorStore
from ledger.chain.orders import Carrier, OrderLedger, known_submission, need_own, next_submission
from ledger.chain.values import Final, Head, Order, Step, Submission, Waiting
from ledger.contract import log_id
from ledger.errors import InvariantBroken, Refused, Unavailable
from ledger.facts.clock import Clock
from ledger.patience import Patience

log = logging.getLogger("central")


class SealLedger(OrderLedger, Protocol):
    """The contract on the chain: takes only what continues what it has."""

    def head(self, log_id: bytes) -> Head:
        """Return the anchored head; sequence 0 and size 0 when nothing is anchored."""
        ...


class SealAnchorer:
    """Keeps the ledger's head up with the latest seal; several processes may do so at once."""

    def __init__(
        self,
        market_log: MarketLog,
        store: AnchorStore,
        ledger: SealLedger,
        clock: Clock,
        *,
        pending_s: float = 1.0,
        idle_s: float = 5.0,
        longest_pause_s: float = 30.0,
    ) -> None:
        self._market_log = market_log
        self._store = store
        self._ledger = ledger
        self._log_id = log_id(market_log.origin)
        self._carrier = Carrier(store, ledger, clock, _told)
        self._pending_s = pending_s
        self._idle_s = idle_s
        self._patience = Patience("ledger", log, longest_s=longest_pause_s)

    async def run(self) -> None:
        """Anchor until cancelled; end by itself only if the ledger holds another log's head."""
        while True:
            try:
                step = await asyncio.to_thread(self.advance)
            except InvariantBroken as error:
                # Documents go on being taken and served: it is the proof that must not go on.
                log.critical("central.market_log_broken", extra={"why": str(error)})
                return
            except (Unavailable, Refused) as error:
                await self._patience.wait_out(error)
                continue
            self._patience.back()
            if step is None or isinstance(step, Waiting):
                await asyncio.sleep(self._idle_s if step is None else self._pending_s)

    def settle(self, *, give_up_s: float) -> int:
        """Anchor what is sealed, and return the size of the head that is then final.

        Raises:
            Unavailable: the ledger is away, or the order is not final in time; it goes on later.
            Refused: the ledger said no.
            InvariantBroken: the ledger holds a head that is not of this log.
        """
        deadline_s = time.monotonic() + give_up_s
        while (step := self.advance()) is not None:
            if isinstance(step, Waiting):
                if time.monotonic() > deadline_s:
                    raise Unavailable(
                        f"the order is not final after {give_up_s:g} s",
                        remedy="ask again later: it is kept, and goes on where it was",
                    )
                time.sleep(self._pending_s)
        anchored = self._store.anchored()
        return anchored.size if anchored else 0

    def advance(self) -> Step | None:
        """Take one step; None if there is nothing to anchor.

        Raises:
            Unavailable: the ledger or the disk is away.
            Refused: the ledger said no.
            InvariantBroken: the ledger holds a head that is not of this log.
        """
        return self._carrier.advance(self._following)

    def _following(self) -> Order | None:
        seal, anchored = self._market_log.latest(), self._store.anchored()
        if seal is None or seal.size <= (anchored.size if anchored else 0):
            return None
        head = self._ledger.head(self._log_id)
        need_own(head, seal.size, self._market_log.root)
        if head.size > (anchored.size if anchored else 0):
            return known_submission(self._log_id, head)
        proof = self._market_log.consistency(head.size, seal.size) if head.size else []
        return next_submission(self._log_id, head, size=seal.size, root=seal.root, proof=proof)


def _told(order: Order, final: Final) -> None:
    if isinstance(order, Submission):
        log.info(
            "central.market_log_anchored",
            extra={"sequence": order.sequence, "size": order.size, "gas": final.gas_used},
        )
