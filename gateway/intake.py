"""From the broker into the journal: messages are examined, placed, committed, then acknowledged.

```
 broker ──► take ──► examine (threads) ──► place + commit (one sync) ──► acknowledge
                                                    │
                                     receipts again for what is stored
```
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import chain

from gateway.admission import Opened, Placement, check, open_segment, place, verify
from gateway.bell import Bell
from gateway.ports import (
    AdmissionBatch,
    AdmissionJournal,
    Equivocation,
    Examined,
    Lane,
    Link,
    LinkState,
    Message,
    Refusal,
    SplitView,
    Uplink,
)
from gateway.registry import Keyring
from gateway.tally import Tally
from gateway.witness import Witness
from ledger.errors import Rejected, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.receipt import StoredSegment
from ledger.facts.topics import backfill_topic, node_of
from ledger.patience import Patience

_QUARANTINED_PER_BATCH = 64
_LEAST_CHUNK = 16
_AT_ONCE = 16

Weighed = tuple[Lane, Examined] | Refusal

log = logging.getLogger("gateway")


@dataclass(slots=True)
class Admitted:
    """What one batch came to."""

    new: list[Examined] = field(default_factory=list)
    again: list[Link] = field(default_factory=list)
    duplicates: int = 0
    contradictions: list[Equivocation] = field(default_factory=list)
    split_views: list[SplitView] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Intake:
    """Admits segments in batches; `run` never ends by what a light node or a broker sends."""

    def __init__(
        self,
        *,
        uplink: Uplink,
        journal: AdmissionJournal,
        keyring: Keyring,
        origin: str,
        clock: Clock,
        tally: Tally,
        witness: Witness,
        delivery: Bell,
        receipt_again: Callable[[Sequence[tuple[int, StoredSegment]]], None],
        most: int = 512,
        backlog_bytes: int = 4 << 30,
        executor: Executor | None = None,
        threads: int = 1,
    ) -> None:
        self._uplink = uplink
        self._journal = journal
        self._keyring = keyring
        self._origin = origin
        self._clock = clock
        self._tally = tally
        self._witness = witness
        self._delivery = delivery
        self._receipt_again = receipt_again
        self._most = most
        self._most_backlog_bytes = backlog_bytes
        self._executor = executor
        self._threads = threads
        self._patience = Patience("journal", log, longest_s=5.0)
        self._is_full = False

    async def run(self) -> None:
        """Admit until cancelled."""
        while True:
            messages = await self._uplink.segments(self._most)
            self._tally.messages += len(messages)
            if await self._has_room():
                await self.admit(messages)
            else:
                self._tally.let_go += len(messages)
            # Acknowledged even when let go: it is the receipt that promises, and the node asks on.
            self._uplink.acknowledge(messages)

    async def admit(self, messages: Sequence[Message]) -> Admitted:
        """Examine, place and commit messages; waits as long as the journal's disk is away."""
        weighed = await self._weigh_all(messages)
        while True:
            try:
                admitted = await asyncio.to_thread(self.commit, weighed)
            except Unavailable as error:
                await self._patience.wait_out(error)
            else:
                self._patience.back()
                break
        self.tell(admitted)
        return admitted

    async def _has_room(self) -> bool:
        waiting_bytes = await asyncio.to_thread(self._journal.backlog_bytes)
        is_full = waiting_bytes > self._most_backlog_bytes
        if is_full != self._is_full:
            log.warning("gateway.backlog", extra={"is_full": is_full, "bytes": waiting_bytes})
        self._is_full = is_full
        return not is_full

    async def _weigh_all(self, messages: Sequence[Message]) -> list[Weighed]:
        now_ms = self._clock.now_ms()
        loop = asyncio.get_running_loop()
        size = max(_LEAST_CHUNK, -(-len(messages) // self._threads))
        parts = await asyncio.gather(
            *(
                loop.run_in_executor(
                    self._executor, self.weigh, messages[start : start + size], now_ms
                )
                for start in range(0, len(messages), size)
            )
        )
        return list(chain.from_iterable(parts))

    def weigh(self, messages: Sequence[Message], now_ms: int) -> list[Weighed]:
        """Return for each message the segment in it, or why it is refused.

        Step by step for a few messages at a time, and not message by message: elliptic curves
        and Python throw each other out of the processor's caches.
        """
        weighed: list[Weighed] = []
        for start in range(0, len(messages), _AT_ONCE):
            weighed.extend(self._weigh(messages[start : start + _AT_ONCE], now_ms))
        return weighed

    def _weigh(self, messages: Sequence[Message], now_ms: int) -> list[Weighed]:
        opened = [self._opened(message, now_ms) for message in messages]
        verified = [self._verified(one, now_ms) for one in opened]
        return [self._checked(one, now_ms) for one in verified]

    def _opened(self, message: Message, now_ms: int) -> tuple[Lane, Opened] | Refusal:
        node_index: int | None = None
        try:
            node_index, lane = _address(message.topic)
            opened = open_segment(
                message.payload,
                topic_node=node_index,
                keyring=self._keyring,
                origin=self._origin,
                now_ms=now_ms,
            )
        except Rejected as error:
            return self._refusal(node_index, error, message.payload, now_ms)
        return lane, opened

    def _verified(
        self, one: tuple[Lane, Opened] | Refusal, now_ms: int
    ) -> tuple[Lane, Opened] | Refusal:
        if isinstance(one, Refusal):
            return one
        opened = one[1]
        try:
            verify(opened)
        except Rejected as error:
            return self._refusal(opened.header.node_index, error, opened.payload, now_ms)
        return one

    def _checked(self, one: tuple[Lane, Opened] | Refusal, now_ms: int) -> Weighed:
        if isinstance(one, Refusal):
            return one
        lane, opened = one
        try:
            return lane, check(opened, now_ms)
        except Rejected as error:
            return self._refusal(opened.header.node_index, error, opened.payload, now_ms)

    def _refusal(
        self, node_index: int | None, error: Rejected, payload: bytes, now_ms: int
    ) -> Refusal:
        is_known = node_index is not None and self._keyring.knows(node_index)
        return Refusal(
            node_index=node_index if is_known else None,
            reason=error.reason,
            detail=str(error),
            payload=payload,
            received_ms=now_ms,
        )

    def commit(self, weighed: Sequence[Weighed]) -> Admitted:
        """Place and write down what was weighed, in one group commit.

        Raises:
            Unavailable: the disk is away; nothing is to be acknowledged.
        """
        admitted = Admitted()
        now_ms = self._clock.now_ms()
        with self._journal.batch() as batch:
            for one in weighed:
                if isinstance(one, Refusal):
                    _put_aside(batch, admitted, one)
                else:
                    self._place(batch, admitted, one[0], one[1], now_ms)
        return admitted

    def _place(
        self, batch: AdmissionBatch, admitted: Admitted, lane: Lane, segment: Examined, now_ms: int
    ) -> None:
        header = segment.header
        known = batch.neighbours(header.node_index, header.first_sequence, header.next_sequence)
        try:
            placed = place(segment, known)
        except Rejected as error:
            refusal = self._refusal(header.node_index, error, segment.payload, now_ms)
            _put_aside(batch, admitted, refusal)
            return
        match placed.placement, placed.link:
            case Placement.DUPLICATE, Link() as link:
                admitted.duplicates += 1
                if link.state is LinkState.STORED:
                    admitted.again.append(link)
                elif link.state is LinkState.REFUSED:
                    batch.deliver_again(segment, lane)
            case Placement.CONTRADICTION, Link() as link:
                evidence = Equivocation(
                    kind=placed.kind, held=link, other=segment, detected_ms=now_ms
                )
                if batch.keep_evidence(evidence):
                    admitted.contradictions.append(evidence)
            case _:
                batch.admit(segment, lane, now_ms)
                admitted.new.append(segment)
                view = self._witness.split_view(segment, now_ms)
                if view is not None and batch.keep_split_view(view):
                    admitted.split_views.append(view)

    def tell(self, admitted: Admitted) -> None:
        """Count and say what a durable batch came to, and ring for its delivery."""
        tally = self._tally
        tally.segments_admitted += len(admitted.new)
        tally.duplicates += admitted.duplicates
        tally.contradictions += len(admitted.contradictions)
        tally.split_views += len(admitted.split_views)
        for segment in admitted.new:
            tally.records_admitted += segment.header.count
            bits = int.from_bytes(segment.header.reading_slots, "little")
            tally.readings_admitted += bits.bit_count()
        for refusal in admitted.refused:
            tally.refused[refusal.reason] += 1
        for evidence in admitted.contradictions:
            log.error("gateway.contradiction", extra=_told(evidence))
        for view in admitted.split_views:
            log.error("gateway.split_view", extra=_told_claim(view))
        if admitted.refused:
            log.warning("gateway.quarantined", extra=_told_refusals(admitted.refused))
        if admitted.new or admitted.contradictions:
            self._delivery.ring()
        if admitted.again:
            self._receipt_again([(link.node_index, _stored(link)) for link in admitted.again])


def _put_aside(batch: AdmissionBatch, admitted: Admitted, refusal: Refusal) -> None:
    # A flood costs a bounded number of writes; beyond that it is counted only.
    if len(admitted.refused) < _QUARANTINED_PER_BATCH:
        batch.quarantine(refusal)
    admitted.refused.append(refusal)


def _address(topic: str) -> tuple[int, Lane]:
    try:
        node_index = node_of(topic)
    except ValueError as error:
        raise Rejected(str(error), reason="foreign_topic") from error
    return node_index, Lane.BACKFILL if topic == backfill_topic(node_index) else Lane.LIVE


def _stored(link: Link) -> StoredSegment:
    return StoredSegment(
        first_sequence=link.first_sequence,
        count=link.next_sequence - link.first_sequence,
        header_hash=link.header_hash,
    )


def _told(evidence: Equivocation) -> dict[str, object]:
    return {
        "kind": evidence.kind,
        "node": evidence.other.header.node_index,
        "sequence": evidence.other.header.first_sequence,
        "held": evidence.held.header_hash.hex(),
        "other": evidence.other.header_hash.hex(),
    }


def _told_claim(view: SplitView) -> dict[str, object]:
    header = view.segment.header
    size, root = header.checkpoint or (0, b"")
    return {
        "node": header.node_index,
        "sequence": header.first_sequence,
        "size": size,
        "held": view.root.hex(),
        "other": root.hex(),
    }


def _told_refusals(refused: Sequence[Refusal]) -> dict[str, object]:
    first = refused[0]
    reasons = ",".join(sorted({refusal.reason for refusal in refused}))
    return {
        "count": len(refused),
        "reasons": reasons,
        "node": first.node_index,
        "detail": first.detail,
    }
