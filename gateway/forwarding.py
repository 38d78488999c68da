"""From the journal to the Shared Customer Database, and the receipts back to the light nodes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate

from gateway.bell import Bell
from gateway.ports import Central, DeliveryJournal, Outcome, Outgoing, Uplink
from gateway.receipts import ReceiptDesk
from gateway.tally import Tally
from ledger.errors import Refused, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.receipt import StoredSegment
from ledger.facts.segment import Head
from ledger.patience import Patience

_LONGEST_WAIT_S = 5.0
_MOST_BYTES = 8 << 20
_PROMISED = {"stored", "duplicate"}

log = logging.getLogger("gateway")


class Forwarder:
    """Delivers what was admitted, live lane first; a receipt follows the commit, never leads."""

    def __init__(
        self,
        *,
        journal: DeliveryJournal,
        central: Central,
        uplink: Uplink,
        desk: ReceiptDesk,
        checkpoint: Callable[[], Head | None],
        registry_first: Callable[[], Awaitable[None]],
        clock: Clock,
        tally: Tally,
        bell: Bell,
        most: int = 500,
        longest_pause_s: float = 30.0,
    ) -> None:
        self._journal = journal
        self._central = central
        self._uplink = uplink
        self._desk = desk
        self._checkpoint = checkpoint
        self._registry_first = registry_first
        self._clock = clock
        self._tally = tally
        self._bell = bell
        self._most = most
        self._again: list[tuple[int, StoredSegment]] = []
        self.patience = Patience("central", log, longest_s=longest_pause_s)

    def receipt_again(self, stored: Sequence[tuple[int, StoredSegment]]) -> None:
        """Sign receipts once more for segments that are stored: the node did not get the first."""
        self._again.extend(stored)
        self._bell.ring()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self.answer_again()
            try:
                has_delivered = await self.deliver()
            except (Unavailable, Refused) as error:
                await self.patience.wait_out(error)
                continue
            self.patience.back()
            if not has_delivered:
                await self._bell.wait(_LONGEST_WAIT_S)

    async def deliver(self) -> bool:
        """Deliver one batch and sign receipts for what is stored; False if there was none.

        Raises:
            Unavailable: nothing is settled; the same batch comes again.
            Refused: the same.
        """
        outgoing = _limited(await asyncio.to_thread(self._journal.outgoing, self._most))
        if not outgoing:
            return False
        await self._registry_first()
        outcomes = await self._central.segments([one.payload for one in outgoing])
        settled = _paired(outgoing, outcomes)
        await asyncio.to_thread(self._journal.settle, settled, self._clock.now_ms())
        self._tell(settled)
        await self._send(
            [
                (sent.node_index, _stored(sent))
                for sent, outcome, _ in settled
                if outcome in _PROMISED and not sent.is_evidence
            ]
        )
        return True

    async def answer_again(self) -> None:
        """Sign and send the receipts that were asked for again."""
        again, self._again = self._again, []
        await self._send(again)

    async def _send(self, stored: Sequence[tuple[int, StoredSegment]]) -> None:
        """Publish receipts; one that is lost is asked for again by its node."""
        receipts = self._desk.receipts(stored, self._checkpoint(), self._clock.now_ms())
        for number, (topic, receipt) in enumerate(receipts):
            try:
                await self._uplink.publish(topic, receipt)
            except Unavailable as error:
                log.info(
                    "gateway.receipts_lost",
                    extra={"count": len(receipts) - number, "error": str(error)},
                )
                return
            self._tally.receipts += 1

    def _tell(self, settled: Sequence[tuple[Outgoing, str, str]]) -> None:
        for sent, outcome, reason in settled:
            if outcome in _PROMISED:
                self._tally.segments_stored += 1
            elif not sent.is_evidence:
                log.error(
                    "gateway.not_stored",
                    extra={
                        "node": sent.node_index,
                        "sequence": sent.first_sequence,
                        "outcome": outcome,
                        "reason": reason,
                    },
                )


def _limited(outgoing: Sequence[Outgoing]) -> list[Outgoing]:
    """Return as many as one request carries, and always the first."""
    sizes_bytes = accumulate(len(one.payload) for one in outgoing)
    count = sum(size_bytes <= _MOST_BYTES for size_bytes in sizes_bytes)
    return list(outgoing[: max(count, 1)])


def _paired(
    outgoing: Sequence[Outgoing], outcomes: Sequence[Outcome]
) -> list[tuple[Outgoing, str, str]]:
    pairs = list(zip(outgoing, outcomes, strict=True))
    if any(sent.header_hash != answer.header_hash for sent, answer in pairs):
        raise Refused(
            "the Shared Customer Database answered about other segments", reason="strange_answer"
        )
    return [(sent, answer.outcome, answer.reason) for sent, answer in pairs]


def _stored(sent: Outgoing) -> StoredSegment:
    return StoredSegment(
        first_sequence=sent.first_sequence, count=sent.count, header_hash=sent.header_hash
    )
