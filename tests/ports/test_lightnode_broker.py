"""Every `Broker` lets in, carries, tells when it is away, and translates what goes wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ledger.errors import Refused, Unavailable
from ledger.facts import topics
from lightnode.mqtt import BrokerSettings, MqttBroker
from lightnode.mqtt.broker import Protocol as MqttProtocol
from lightnode.ports import Broker, Session
from tests.fakes.lightnode_broker import MemoryBroker
from tests.servers import Mosquitto, free_port

PROTOCOLS: list[MqttProtocol] = ["5", "3.1.1"]


class Bench:
    """A broker, a way to hear what reaches it, to answer, and to take it away."""

    def __init__(self, broker: Broker, server: Mosquitto | MemoryBroker) -> None:
        self.broker = broker
        self.server = server

    @contextlib.asynccontextmanager
    async def echo(self) -> AsyncIterator[None]:
        """Answer each segment with its own bytes as a receipt."""
        if isinstance(self.server, MemoryBroker):
            self.server.deliver = lambda topic, payload: (
                [payload] if not topic.endswith("/live") else []
            )
            yield
            return
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def answer(client: Client, _: object, message: MQTTMessage) -> None:
            client.publish(topics.receipt_topic(3), message.payload, qos=1)

        def granted(*_: object) -> None:
            loop.call_soon_threadsafe(subscribed.set)

        client.on_message = answer
        client.on_subscribe = granted
        client.connect("127.0.0.1", self.server.port)
        client.loop_start()
        client.subscribe(topics.SEGMENT_FILTER, qos=1)
        async with asyncio.timeout(5):
            await subscribed.wait()
        yield
        client.disconnect()
        client.loop_stop()

    def take_away(self) -> None:
        if isinstance(self.server, MemoryBroker):
            self.server.take_away()
        else:
            self.server.kill()


@pytest.fixture(params=["memory", "mosquitto 5", "mosquitto 3.1.1"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        memory = MemoryBroker()
        return Bench(memory, memory)
    server: Mosquitto = request.getfixturevalue("mosquitto")
    protocol = request.param.split()[1]
    return Bench(
        MqttBroker(BrokerSettings(port=server.port, protocol=protocol, timeout_s=3.0), 3), server
    )


async def _next(session: Session) -> bytes:
    async with asyncio.timeout(5):
        return await anext(session.messages())


async def test_what_is_published_arrives_and_receipts_come_back_whole(bench: Bench) -> None:
    async with bench.echo(), bench.broker.session() as session:
        for size_bytes in (1, 200, 30_000):
            payload = bytes(n % 251 for n in range(size_bytes))
            await session.publish(topics.segment_topic(3), payload, qos=1)
            assert await _next(session) == payload


async def test_a_message_of_quality_0_is_just_sent(bench: Bench) -> None:
    async with bench.broker.session() as session:
        await session.publish(topics.live_topic(3), b"record", qos=0)


async def test_who_waits_for_receipts_is_told_that_the_broker_went_away(bench: Bench) -> None:
    async with bench.broker.session() as session:
        waiting = asyncio.create_task(_next(session))
        await asyncio.sleep(0.05)
        bench.take_away()
        with pytest.raises(Unavailable):
            await waiting


async def test_who_publishes_is_told_that_the_broker_went_away(bench: Bench) -> None:
    async with bench.broker.session() as session:
        bench.take_away()
        with pytest.raises(Unavailable):
            await _publish_for_a_while(session)
    with pytest.raises(Unavailable):
        await bench.broker.session().__aenter__()


async def _publish_for_a_while(session: Session) -> None:
    for _ in range(50):
        await session.publish(topics.segment_topic(3), b"x", qos=1)
        await asyncio.sleep(0.05)


async def test_the_same_broker_can_be_entered_again(bench: Bench) -> None:
    async with bench.echo():
        for _ in range(3):
            async with bench.broker.session() as session:
                await session.publish(topics.segment_topic(3), b"again", qos=1)
                assert await _next(session) == b"again"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nobody_there(protocol: MqttProtocol) -> None:
    port = free_port()
    broker = MqttBroker(BrokerSettings(port=port, protocol=protocol), 3)
    with pytest.raises(Unavailable, match=rf"mqtt://127.0.0.1:{port}: the broker is away.*check"):
        await broker.session().__aenter__()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_wrong_password_is_a_refusal(protocol: MqttProtocol, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    (tmp_path / "secret").write_text("wrong\n")
    (tmp_path / "secret").chmod(0o600)
    lines = ["allow_anonymous false", f"password_file {tmp_path / 'users'}"]
    with Mosquitto(tmp_path / "closed", lines=lines) as server:
        settings = BrokerSettings(
            port=server.port,
            protocol=protocol,
            username="cf-3",
            password_file=tmp_path / "secret",
        )
        with pytest.raises(Refused, match=r"does not let this node in; check username"):
            await MqttBroker(settings, 3).session().__aenter__()
