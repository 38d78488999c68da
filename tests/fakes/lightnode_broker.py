"""A broker in memory that loses, doubles and hangs up, but never makes a message up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from ledger.errors import Refused, Unavailable
from ledger.facts import topics

Fate = Literal["delivered", "lost", "twice", "hang_up", "delivered_then_hang_up"]
Deliver = Callable[[str, bytes], list[bytes]]


@dataclass
class MemoryBroker:
    """`deliver` is the gateway: it is given a message and returns the receipts it answers with."""

    deliver: Deliver = lambda _topic, _payload: []
    fate: Callable[[int], Fate] = lambda _number: "delivered"
    is_up: bool = True
    refuses: bool = False
    published: list[tuple[str, bytes, int]] = field(default_factory=list)
    sessions: int = 0
    attempts: int = 0
    _live: "set[MemorySession]" = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator["MemorySession"]:
        self.attempts += 1
        if self.refuses:
            raise Refused("scripted: not you", where="fake")
        if not self.is_up:
            raise Unavailable("scripted: away", where="fake")
        self.sessions += 1
        session = MemorySession(self)
        self._live.add(session)
        try:
            yield session
        finally:
            self._live.discard(session)

    def take_away(self) -> None:
        """Hang up on everybody."""
        self.is_up = False
        for session in self._live:
            session.hang_up()

    def tell(self, receipt: bytes) -> None:
        """Send a receipt to whoever is connected."""
        for session in self._live:
            session.put(receipt)

    def backfilled(self) -> list[bytes]:
        return [payload for topic, payload, _ in self.published if topic.endswith("/backfill")]

    def newest(self) -> list[bytes]:
        return [payload for topic, payload, _ in self.published if topic.endswith("/segment")]

    def shown(self) -> list[bytes]:
        return [payload for topic, payload, _ in self.published if topic == topics.live_topic(0)]


class MemorySession:
    """One connection; hanging up ends its receipts."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._receipts: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        await asyncio.sleep(0)
        if not self._broker.is_up:
            raise Unavailable("scripted: away", where="fake")
        number = len(self._broker.published) + 1
        fate = self._broker.fate(number)
        if fate == "hang_up":
            self._broker.published.append((topic, b"", qos))
            self.hang_up()
            raise Unavailable("scripted: hung up", where="fake")
        self._broker.published.append((topic, payload, qos))
        for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
            for receipt in self._broker.deliver(topic, payload):
                self.put(receipt)
        if fate == "delivered_then_hang_up":
            self.hang_up()
            raise Unavailable("scripted: hung up", where="fake")

    async def messages(self) -> AsyncIterator[bytes]:
        while (receipt := await self._receipts.get()) is not None:
            yield receipt
        raise Unavailable("scripted: hung up", where="fake")

    def put(self, receipt: bytes) -> None:
        self._receipts.put_nowait(receipt)

    def hang_up(self) -> None:
        self._receipts.put_nowait(None)
