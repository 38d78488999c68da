"""A witness on the broker: keeps what nodes showed and what the gateway promised, from outside.

Nodes show a record only after it is durable, and the gateway promises only what is stored. The
judge holds both against the database at the end.
"""

import asyncio
import contextlib
from collections import defaultdict

from aiomqtt import Client, MqttError, ProtocolVersion

from ledger import codec
from ledger.errors import Rejected
from ledger.facts.topics import LIVE_FILTER, node_of, receipt_topic
from ledger.signing import RECEIPT_CONTEXT, VerifyingKey

_PAUSE_S = 0.2


class Witness:
    """Listens until it is cancelled, over every fall of the broker."""

    def __init__(self, port: int, gateway_key: VerifyingKey) -> None:
        self._port = port
        self._key = gateway_key
        self.shown: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        self.promised: defaultdict[int, set[bytes]] = defaultdict(set)
        self.forged: list[str] = []

    async def listen(self) -> None:
        """Listen; a broker that is away is waited for."""
        while True:
            with contextlib.suppress(MqttError):
                async with Client(
                    "127.0.0.1",
                    self._port,
                    identifier="cf-witness",
                    protocol=ProtocolVersion.V311,
                ) as client:
                    await client.subscribe(LIVE_FILTER)
                    await client.subscribe(LIVE_FILTER.removesuffix("live") + "receipt", qos=1)
                    async for message in client.messages:
                        self.keep(message.topic.value, bytes(message.payload or b""))
            await asyncio.sleep(_PAUSE_S)

    def keep(self, topic: str, payload: bytes) -> None:
        """Keep one message: a record that was shown, a receipt, or a forgery of either."""
        node_index = node_of(topic)
        try:
            if topic == receipt_topic(node_index):
                receipt = codec.decode_receipt(self._key.verify(payload, RECEIPT_CONTEXT))
                self.promised[node_index].update(each.header_hash for each in receipt.segments)
            else:
                record = codec.decode_record(payload)
                self.shown[node_index][record.sequence] = payload
        except Rejected as error:
            self.forged.append(f"{topic}: {error}")
