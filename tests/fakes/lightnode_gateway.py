"""A gateway made for light nodes: it judges every segment from its bytes, and gives receipts.

What it accepted it keeps, and at the end it says which invariants were broken.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ledger import codec, merkle
from ledger.configuration import written
from ledger.facts import topics
from ledger.facts.receipt import Receipt, StoredSegment
from ledger.facts.record import Gap, GapCause, Reading, Record
from ledger.facts.registry import Grant
from ledger.facts.segment import NO_HASH, Head, SegmentHeader
from ledger.signing import (
    RECEIPT_CONTEXT,
    SEGMENT_CONTEXT,
    SigningKey,
    VerifyingKey,
)
from lightnode.mqtt.connection import Connection, ConnectionGone, opened
from lightnode.mqtt.packets import MQTT_5

ORIGIN = "certiflex.example/edge"


@dataclass(frozen=True)
class Received:
    """One accepted segment."""

    header: SegmentHeader
    header_hash: bytes
    records: tuple[Record, ...]
    lane: str


@dataclass
class Judge:
    """Knows one node by its public key; every segment is checked from its bytes."""

    node_key: VerifyingKey
    node_index: int = 0
    origin: str = ORIGIN
    segments: dict[int, Received] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    lanes: list[str] = field(default_factory=list)

    def admit(self, payload: bytes, lane: str = "segment") -> Received:
        """Return what the bytes are, and note each invariant that they break."""
        segment = codec.decode_segment(payload)
        encoded = self.node_key.verify(segment.signed_header, SEGMENT_CONTEXT)
        header = codec.decode_header(encoded)
        leaves = [
            merkle.leaf_hash(salt + record)
            for salt, record in zip(segment.salts, segment.records, strict=True)
        ]
        records = tuple(map(codec.decode_record, segment.records))
        self._check("AUTHENTIC", merkle.root(leaves) == header.records_root)
        self._check(
            "AUTHENTIC", (header.origin, header.node_index) == (self.origin, self.node_index)
        )
        sequences = range(header.first_sequence, header.first_sequence + header.count)
        self._check("ORDER", [record.sequence for record in records] == list(sequences))
        received = Received(header, codec.header_hash(encoded), records, lane)
        self.lanes.append(lane)
        known = self.segments.get(header.first_sequence)
        if known:
            self.copies += 1
            self._check("UNIQUE", known.header_hash == received.header_hash)
        else:
            self.segments[header.first_sequence] = received
        return received

    def chain(self) -> list[Received]:
        """Return the segments in order, and note where they do not follow on each other."""
        ordered = [self.segments[first] for first in sorted(self.segments)]
        next_sequence, previous_hash, next_slot = 0, NO_HASH, None
        for segment in ordered:
            header = segment.header
            self._check("COMPLETE", header.first_sequence == next_sequence)
            self._check("ORDER", header.previous_hash == previous_hash)
            self._check("COMPLETE", next_slot in {None, header.first_slot})
            next_sequence, previous_hash = header.next_sequence, segment.header_hash
            next_slot = header.end_slot
        return ordered

    def records(self) -> list[Record]:
        """Return every record in order, and note every slot that is missing or covered twice."""
        records = [record for segment in self.chain() for record in segment.records]
        next_slot = None
        for record in records:
            if isinstance(record, Reading | Gap):
                self._check("COMPLETE", next_slot in {None, record.span[0]})
                next_slot = record.span[1]
        return records

    def readings(self) -> list[Reading]:
        """Return the readings."""
        return [record for record in self.records() if isinstance(record, Reading)]

    def gap_slots(self) -> dict[GapCause, int]:
        """Return how many slots have no reading, by cause."""
        slots: Counter[GapCause] = Counter()
        for record in self.records():
            if isinstance(record, Gap):
                slots[record.cause] += record.to_slot - record.from_slot
        return dict(slots)

    def _check(self, invariant: str, holds: bool) -> None:  # noqa: FBT001 -- of an invariant
        if not holds:
            self.broken[invariant] += 1


@dataclass
class Gateway:
    """Receipts for what its judge accepts, over a real broker; generous unless told."""

    judge: Judge
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("EdDSA"))
    generous: bool = True
    checkpoint: Head | None = None
    live: list[Record] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def receipt(self, *received: Received, key: SigningKey | None = None) -> bytes:
        """Return a signed receipt for segments."""
        stored = tuple(
            StoredSegment(
                first_sequence=each.header.first_sequence,
                count=each.header.count,
                header_hash=each.header_hash,
            )
            for each in received
        )
        receipt = Receipt(
            origin=self.judge.origin,
            node_index=self.judge.node_index,
            issued_ms=0,
            segments=stored,
            checkpoint=self.checkpoint,
        )
        return (key or self.key).sign(codec.encode_receipt(receipt), RECEIPT_CONTEXT)

    def grant(self, window_s: int = 60) -> str:
        """Return the grant for the node."""
        grant = Grant(
            origin=self.judge.origin,
            node_index=self.judge.node_index,
            gateway_key=self.key.public.encode().hex(),
            window_s=window_s,
        )
        return written(grant)

    async def serve(self, client: Connection) -> None:
        """Take what comes and give receipts, until the connection ends."""
        with contextlib.suppress(ConnectionGone):
            async for message in client.messages():
                lane = message.topic.rpartition("/")[2]
                if lane == "live":
                    self.live.append(codec.decode_record(message.payload))
                    continue
                received = self.judge.admit(message.payload, lane)
                if self.generous:
                    topic = topics.receipt_topic(self.judge.node_index)
                    await client.publish(topic, self.receipt(received), qos=1)
                self.arrived.set()

    @contextlib.asynccontextmanager
    async def connected(self, port: int) -> AsyncIterator[None]:
        """Serve on a broker while the block lasts."""
        client = await opened("127.0.0.1", port, version=MQTT_5, tls=None, timeout_s=5)
        await client.log_in("test-gateway", keepalive_s=30, username=None, password=None)
        for topic in (topics.SEGMENT_FILTER, topics.BACKFILL_FILTER, topics.LIVE_FILTER):
            assert await client.subscribe(topic, qos=1)
        serving = asyncio.create_task(self.serve(client))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await client.close()

    async def until_segments(self, count: int, *, timeout_s: float = 20.0) -> None:
        """Wait until so many different segments are here."""
        async with asyncio.timeout(timeout_s):
            while len(self.judge.segments) < count:
                self.arrived.clear()
                await self.arrived.wait()
