"""An uplink in memory: a broker that repeats itself, forgets on command, and may be away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import BrokerAway
from gateway.ports import Message


@dataclass
class FakeUplink:
    """The port `Uplink`; messages stay with the broker until they are acknowledged."""

    unacknowledged: list[Message] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    acknowledged: list[Message] = field(default_factory=list)
    is_away: bool = False

    def __post_init__(self) -> None:
        self._segments: asyncio.Queue[Message] = asyncio.Queue()
        self._live: asyncio.Queue[Message] = asyncio.Queue()

    def send(self, topic: str, payload: bytes, token: object = None) -> Message:
        """Let a node send."""
        message = Message(topic, payload, token)
        self.unacknowledged.append(message)
        lane = self._live if topic.endswith("/live") else self._segments
        lane.put_nowait(message)
        return message

    def redeliver(self) -> None:
        """Let the broker send again what nobody acknowledged."""
        for message in self.unacknowledged:
            self._segments.put_nowait(message)

    async def segments(self, most: int) -> list[Message]:
        return await _taken(self._segments, most)

    async def live(self, most: int) -> list[Message]:
        return await _taken(self._live, most)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message in self.unacknowledged:
                self.unacknowledged.remove(message)
            self.acknowledged.append(message)

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.is_away:
            raise BrokerAway("away", where="fake broker")
        self.published.append((topic, payload))


async def _taken(queue: asyncio.Queue[Message], most: int) -> list[Message]:
    taken = [await queue.get()]
    while len(taken) < most and not queue.empty():
        taken.append(queue.get_nowait())
    return taken
