"""The uplink's guarantees: on the fake, on mosquitto in both protocols, on our own broker."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config import BrokerConfig
from gateway.errors import BrokerAway
from gateway.mqtt import MqttUplink
from gateway.ports import Message
from ledger.facts.topics import backfill_topic, live_topic, receipt_topic, segment_topic
from tests.fakes.gateway_uplink import FakeUplink
from tests.servers import Mosquitto, Server, free_port

WAIT_S = 10.0


class Node:
    """A light node on a real broker, by a client of its own."""

    def __init__(self, port: int) -> None:
        self.received: list[MQTTMessage] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        subscribed = threading.Event()
        self._client.on_message = lambda _client, _data, message: self.received.append(message)
        self._client.on_connect = lambda client, *_: client.subscribe(receipt_topic(7), qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(WAIT_S), "the broker does not answer a subscription"

    def send(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class FakeNode:
    """The same on the fake."""

    def __init__(self, uplink: FakeUplink) -> None:
        self._uplink = uplink

    @property
    def received(self) -> list[Message]:
        return [Message(topic, payload) for topic, payload in self._uplink.published]

    def send(self, topic: str, payload: bytes) -> None:
        self._uplink.send(topic, payload)


class Rig:
    """An uplink that is connected, and a node on the other side."""

    def __init__(self, uplink: MqttUplink | FakeUplink, node: Node | FakeNode) -> None:
        self.uplink = uplink
        self.node = node

    async def received(self, count: int) -> list[bytes]:
        """Return what the node received, as soon as it is so many."""
        async with asyncio.timeout(WAIT_S):
            while len(self.node.received) < count:  # noqa: ASYNC110 -- filled by another thread
                await asyncio.sleep(0.01)
        return [bytes(one.payload) for one in self.node.received]

    async def segments(self, count: int) -> list[Message]:
        """Return so many messages."""
        taken: list[Message] = []
        async with asyncio.timeout(WAIT_S):
            while len(taken) < count:
                taken += await self.uplink.segments(100)
        return taken


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gateway", "broker", "--port", str(port)]
    with Server(command, port=port, log=folder / "broker.log"):
        yield port


@contextlib.asynccontextmanager
async def connected(config: BrokerConfig) -> AsyncIterator[Rig]:
    uplink = MqttUplink(config)
    async with uplink.connected():
        node = Node(config.port)
        try:
            yield Rig(uplink, node)
        finally:
            node.close()


@pytest.fixture(params=["fake", "mosquitto 5", "mosquitto 3.1.1", "embedded"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    match request.param:
        case "fake":
            uplink = FakeUplink()
            yield Rig(uplink, FakeNode(uplink))
        case "embedded":
            with embedded(tmp_path) as port:
                config = BrokerConfig(port=port, protocol="3.1.1", session_expiry_s=0)
                async with connected(config) as made:
                    yield made
        case "mosquitto 5":
            with Mosquitto(tmp_path) as broker:
                async with connected(BrokerConfig(port=broker.port)) as made:
                    yield made
        case _:
            with Mosquitto(tmp_path) as broker:
                async with connected(BrokerConfig(port=broker.port, protocol="3.1.1")) as made:
                    yield made


async def test_both_segment_lanes_come_by_one_way(rig: Rig) -> None:
    rig.node.send(segment_topic(7), b"live")
    rig.node.send(backfill_topic(7), b"old")
    messages = await rig.segments(2)
    assert sorted((one.topic, one.payload) for one in messages) == [
        (backfill_topic(7), b"old"),
        (segment_topic(7), b"live"),
    ]
    rig.uplink.acknowledge(messages)


async def test_live_records_come_by_another(rig: Rig) -> None:
    rig.node.send(live_topic(7), b"record")
    async with asyncio.timeout(WAIT_S):
        (message,) = await rig.uplink.live(10)
    assert (message.topic, message.payload) == (live_topic(7), b"record")


async def test_no_more_than_asked_for_is_handed_out(rig: Rig) -> None:
    for number in range(5):
        rig.node.send(segment_topic(7), bytes([number]))
    taken = [await rig.uplink.segments(2) for _ in range(3)]
    assert max(map(len, taken)) <= 2
    assert [one.payload[0] for messages in taken for one in messages][:3] == [0, 1, 2]


async def test_a_receipt_reaches_its_node(rig: Rig) -> None:
    await rig.uplink.publish(receipt_topic(7), b"receipt")
    assert await rig.received(1) == [b"receipt"]


async def test_an_acknowledgement_may_come_twice_or_from_elsewhere(rig: Rig) -> None:
    rig.node.send(segment_topic(7), b"x")
    messages = await rig.segments(1)
    rig.uplink.acknowledge(messages)
    rig.uplink.acknowledge([*messages, Message(segment_topic(7), b"", token="another life")])
    rig.node.send(segment_topic(7), b"y")
    assert [one.payload for one in await rig.segments(1)] == [b"y"]


async def test_a_broker_that_is_away_is_told() -> None:
    uplink, fake = MqttUplink(BrokerConfig(port=free_port())), FakeUplink(is_away=True)
    with pytest.raises(BrokerAway):
        async with uplink.connected():
            pass
    for away in (uplink, fake):
        with pytest.raises(BrokerAway):
            await away.publish(receipt_topic(7), b"x")
