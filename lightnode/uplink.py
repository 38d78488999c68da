"""To the gateway and back: the newest segment first, then the backlog; forgotten on receipt.

A segment is sent again on every new connection, and after a while without a receipt, because
neither a broker's acknowledgement nor silence means anything. The gateway folds what comes twice.
"""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass

from ledger import codec
from ledger.errors import Rejected, Unavailable
from ledger.facts import topics
from ledger.facts.receipt import Receipt
from ledger.facts.segment import Head
from ledger.patience import Patience
from ledger.signing import RECEIPT_CONTEXT, VerifyingKey
from lightnode.errors import StoreFailed
from lightnode.ports import Broker, Outbox, SealedSegment, Session
from lightnode.recording import Recorder

_BATCH = 8
_LIVE_RECORDS_KEPT = 16
_LONGEST_RESEND_FACTOR = 16
_DELIVERED, _SHOWN = 1, 0

log = logging.getLogger("lightnode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How hard the uplink tries.

    Args:
        resend_s: wait for a receipt before a segment is sent again; doubles while none comes.
        in_flight: how many segments of the backlog may wait for receipts at once.
        longest_pause_s: longest wait before the broker is tried again.
    """

    resend_s: float
    in_flight: int
    longest_pause_s: float


class Uplink:
    """Delivers what the outbox holds.

    Args:
        node_index: whose topics are used.
        origin: the log that receipts must be for.
        gateway_key: whose receipts count.
        outbox: holds the segments.
        broker: carries them.
        pace: how hard to try.
    """

    def __init__(
        self,
        *,
        node_index: int,
        origin: str,
        gateway_key: VerifyingKey,
        outbox: Outbox,
        broker: Broker,
        pace: Pace,
    ) -> None:
        self.is_connected = False
        self.released = 0
        self._node_index = node_index
        self._origin = origin
        self._gateway_key = gateway_key
        self._outbox = outbox
        self._broker = broker
        self._pace = pace
        self._patience = Patience("broker", log, longest_s=pace.longest_pause_s)
        self._store_patience = Patience("outbox", log, longest_s=pace.longest_pause_s)
        self._work = asyncio.Event()
        self._has_news = False
        self._live: deque[bytes] = deque(maxlen=_LIVE_RECORDS_KEPT)
        self._in_flight: dict[int, float] = {}
        self._newest_sent = self._cursor = -1
        self._resend_factor = 1
        self._checkpoint: Head | None = None
        self._recorder: Recorder | None = None

    def follow(self, recorder: Recorder, checkpoint: Head | None) -> None:
        """Tell a recorder each log head that a receipt shows, from a known one on."""
        self._recorder, self._checkpoint = recorder, checkpoint

    def show(self, record: bytes) -> None:
        """Show a record on the live topic if the broker is there; the oldest unsent give way."""
        if self.is_connected:
            self._live.append(record)
            self._work.set()

    def announce(self) -> None:
        """Say that there is a new segment."""
        self._has_news = True
        self._work.set()

    async def run(self) -> None:
        """Deliver until cancelled; a broker that is away or unfriendly is waited for."""
        while True:
            try:
                async with self._broker.session() as session:
                    self._patience.back()
                    await self._serve(session)
            except (Unavailable, Rejected) as error:
                self._patience.away(error)
            finally:
                self.is_connected = False
            await self._patience.pause()

    async def _serve(self, session: Session) -> None:
        """Send and receive until the session ends.

        Raises:
            Unavailable: that is how it ends.
        """
        self._in_flight.clear()
        self._live.clear()
        self._newest_sent = self._cursor = -1
        self.is_connected = True
        halves = [
            asyncio.create_task(self._receive(session), name="uplink receive"),
            asyncio.create_task(self._send(session), name="uplink send"),
        ]
        try:
            ended, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in ended:
                half.result()
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)

    # sending

    async def _send(self, session: Session) -> None:
        self._has_news = True
        while True:
            self._work.clear()
            await self._send_live(session)
            self._give_up_waiting()
            try:
                if self._has_news:
                    self._has_news = False
                    await self._send_segments(session)
            except StoreFailed as error:
                self._has_news = True
                self._store_patience.away(error)
                await self._store_patience.pause()
                continue
            self._store_patience.back()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_resend_s()):
                    await self._work.wait()

    async def _send_live(self, session: Session) -> None:
        while self._live:
            record = self._live.popleft()
            await session.publish(topics.live_topic(self._node_index), record, qos=_SHOWN)

    async def _send_segments(self, session: Session) -> None:
        """Send the newest segment, then the backlog as far as it may go."""
        while True:
            await self._send_live(session)
            await self._send_newest(session)
            room = self._pace.in_flight - len(self._in_flight)
            if room <= 0:
                return
            batch = await self._outbox.after(self._cursor, min(room, _BATCH))
            if not batch:
                return
            self._cursor = batch[-1].first_sequence
            for segment in [each for each in batch if each.first_sequence not in self._in_flight]:
                await self._publish(session, topics.backfill_topic(self._node_index), segment)

    async def _send_newest(self, session: Session) -> None:
        newest = await self._outbox.newest()
        if newest and newest.first_sequence > self._newest_sent:
            self._newest_sent = newest.first_sequence
            await self._publish(session, topics.segment_topic(self._node_index), newest)

    async def _publish(self, session: Session, topic: str, segment: SealedSegment) -> None:
        resend_s = self._pace.resend_s * self._resend_factor
        self._in_flight[segment.first_sequence] = asyncio.get_running_loop().time() + resend_s
        await session.publish(topic, segment.encoded, qos=_DELIVERED)

    def _give_up_waiting(self) -> None:
        """Let what has waited too long for its receipt be sent again, ever more slowly."""
        now_s = asyncio.get_running_loop().time()
        late = [first for first, due_s in self._in_flight.items() if due_s <= now_s]
        for first in late:
            del self._in_flight[first]
        if late:
            self._has_news = True
            self._cursor = min(self._cursor, min(late) - 1)
            self._resend_factor = min(2 * self._resend_factor, _LONGEST_RESEND_FACTOR)

    def _next_resend_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        return min(self._in_flight.values(), default=now_s + self._pace.resend_s)

    # receiving

    async def _receive(self, session: Session) -> None:
        async for message in session.messages():
            try:
                receipt = self._verified(message)
                await self._release(receipt)
            except Rejected as error:
                log.warning(
                    "lightnode.receipt_refused",
                    extra={"reason": error.reason, "error": str(error)},
                )
            except StoreFailed as error:
                # The gateway repeats its receipt when the segment comes again.
                self._store_patience.away(error)

    def _verified(self, message: bytes) -> Receipt:
        receipt = codec.decode_receipt(self._gateway_key.verify(message, RECEIPT_CONTEXT))
        if (receipt.origin, receipt.node_index) != (self._origin, self._node_index):
            raise Rejected(
                f"a receipt for node {receipt.node_index} of {receipt.origin!r}",
                reason="foreign_receipt",
            )
        return receipt

    async def _release(self, receipt: Receipt) -> None:
        checkpoint = self._seen(receipt.checkpoint)
        released = await self._outbox.release(receipt.segments, checkpoint)
        for stored in receipt.segments:
            self._in_flight.pop(stored.first_sequence, None)
        self.released += released
        self._resend_factor = 1
        if checkpoint and self._recorder:
            self._recorder.saw_checkpoint(checkpoint)
        log.debug("lightnode.released", extra={"segments": released})
        self._has_news = True
        self._work.set()

    def _seen(self, shown: Head | None) -> Head | None:
        """Return the log head if it is new: a witness keeps the largest that it was shown."""
        known = self._checkpoint
        if shown is None or (known and shown[0] < known[0]):
            return None
        if known and shown[0] == known[0] and shown[1] != known[1]:
            log.error(
                "lightnode.split_view",
                extra={"size": shown[0], "root": shown[1].hex(), "seen_before": known[1].hex()},
            )
            return None
        self._checkpoint = shown
        return shown
