"""The MQTT uplink's own manners: bounds, reconnection, refusals, TLS files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from socket import socketpair

import pytest
from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion

from gateway.config import BrokerConfig
from gateway.errors import BrokerAway
from gateway.mqtt import MqttUplink, _ReadAhead
from gateway.ports import Message
from ledger.errors import Rejected
from ledger.facts.topics import receipt_topic, segment_topic
from ledger.tls import Tls
from tests.certificates import Authority
from tests.fakes.gateway_clock import until
from tests.servers import Mosquitto, free_port


def send(broker: Mosquitto, *payloads: bytes, qos: int = 1, ca_file: Path | None = None) -> None:
    publish.multiple(
        [(segment_topic(1), payload, qos, False) for payload in payloads],
        hostname="127.0.0.1",
        port=broker.port,
        tls={"ca_certs": str(ca_file)} if ca_file else None,
    )


def config(broker: Mosquitto, **more: object) -> BrokerConfig:
    return BrokerConfig(port=broker.port, longest_pause_s=0.1, **more)  # type: ignore[arg-type]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def peer(talk: Talk) -> AsyncIterator[int]:
    """Give the port of a peer that talks to one client, and close all of it."""
    talks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.ensure_future(answer(reader, writer)))

    port = free_port()
    async with await asyncio.start_server(accept, "127.0.0.1", port):
        yield port
        await asyncio.wait_for(asyncio.gather(*talks), 10)


async def test_what_was_not_acknowledged_comes_again(mosquitto: Mosquitto) -> None:
    uplink = MqttUplink(config(mosquitto))
    async with uplink.connected():
        await asyncio.to_thread(send, mosquitto, b"one", b"two")
        first = await _taken(uplink, 2)
        uplink.acknowledge(first[:1])
        await asyncio.sleep(0.1)
    async with uplink.connected():
        (again,) = await _taken(uplink, 1)
        assert again.payload == b"two"
        # The old token belongs to a connection that is gone: it acknowledges nothing here.
        uplink.acknowledge(first)
        uplink.acknowledge([again])
        await asyncio.sleep(0.1)
    async with uplink.connected():
        await asyncio.to_thread(send, mosquitto, b"three")
        assert [one.payload for one in await _taken(uplink, 1)] == [b"three"]


async def test_what_it_cannot_hold_is_let_go_and_counted(mosquitto: Mosquitto) -> None:
    uplink = MqttUplink(config(mosquitto, held_messages=2))
    async with uplink.connected():
        await asyncio.to_thread(send, mosquitto, b"one", b"two", b"three", b"four")
        await until(lambda: uplink.let_go == 2)
        assert [one.payload for one in await uplink.segments(9)] == [b"one", b"two"]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
async def test_a_burst_arrives_whole_and_in_order(tmp_path: Path, *, is_tls: bool) -> None:
    authority = Authority(tmp_path / "ca")
    ours = authority.server("127.0.0.1")
    secured = [f"certfile {ours.certificate_file}", f"keyfile {ours.key_file}"]
    lines = ["allow_anonymous true", *(secured if is_tls else [])]
    ca_file = authority.file if is_tls else None
    # Some smaller, some larger than what is read ahead.
    sent = [bytes([number % 251]) * (70_000 if number % 50 == 49 else 900) for number in range(300)]
    with Mosquitto(tmp_path / "broker", lines=lines) as broker:
        uplink = MqttUplink(config(broker, tls=Tls(ca_file) if ca_file else None))
        async with uplink.connected():
            assert uplink._client is not None
            assert isinstance(uplink._client.socket(), _ReadAhead), "paho asks us for the socket"
            await asyncio.to_thread(send, broker, *sent, ca_file=ca_file)
            assert [one.payload for one in await _taken(uplink, len(sent))] == sent


def test_reading_ahead_loses_nothing_and_ends_where_the_stream_ends() -> None:
    near, far = socketpair()
    ahead = _ReadAhead(near)
    near.settimeout(0)
    with near, far:
        with pytest.raises(BlockingIOError):
            ahead.recv(1)
        far.sendall(b"abcdef")
        assert (ahead.recv(1), ahead.pending()) == (b"a", 5)
        far.sendall(b"gh")
        assert (ahead.recv(2), ahead.recv(9), ahead.pending()) == (b"bc", b"def", 0)
        assert (ahead.recv(9), ahead.pending()) == (b"gh", 0)
        with pytest.raises(BlockingIOError):
            ahead.recv(1)
        far.close()
        assert ahead.recv(1) == b""


async def test_it_comes_back_to_a_broker_that_comes_back(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    uplink = MqttUplink(config(mosquitto))
    running = asyncio.ensure_future(uplink.run())
    await until(lambda: uplink.is_connected)
    await asyncio.to_thread(mosquitto.kill)
    await until(lambda: not uplink.is_connected)
    with pytest.raises(BrokerAway):
        await uplink.publish(receipt_topic(1), b"x")
    mosquitto.wipe()
    await asyncio.sleep(0.3)
    await asyncio.to_thread(mosquitto.start)
    await until(lambda: uplink.is_connected)
    await asyncio.to_thread(send, mosquitto, b"after")
    assert [one.payload for one in await _taken(uplink, 1)] == [b"after"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    told = [one.getMessage() for one in caplog.records if one.name == "gateway"]
    assert told == ["gateway.connected", "gateway.away", "gateway.back", "gateway.connected"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_refuses_says_why(tmp_path: Path, protocol: str) -> None:
    lines = ["allow_anonymous false"]
    refused = pytest.raises(BrokerAway, match="refuses the connection")
    with Mosquitto(tmp_path, lines=lines) as broker, refused:
        async with MqttUplink(config(broker, protocol=protocol)).connected():
            pass


async def test_a_broker_that_refuses_the_subscription_says_so() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_024)
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1_024)
        writer.write(b"\x90\x05" + subscribe[2:4] + b"\x80\x80\x80")
        await reader.read()

    async with peer(refuse) as port:
        with pytest.raises(BrokerAway, match="access rules"):
            async with MqttUplink(BrokerConfig(port=port, protocol="3.1.1")).connected():
                pass


async def test_a_peer_that_is_no_broker_is_away() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with peer(greet) as port:
        with pytest.raises(BrokerAway):
            async with MqttUplink(BrokerConfig(port=port)).connected():
                pass


async def test_a_peer_that_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.mqtt._CONNECT_TIMEOUT_S", 0.2)

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(listen) as port:
        with pytest.raises(BrokerAway, match="does not answer"):
            async with MqttUplink(BrokerConfig(port=port)).connected():
                pass


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    named = BrokerConfig(username="gateway", password_file=password)
    with pytest.raises(Rejected, match="chmod 600"):
        MqttUplink(named)._new_client()
    password.chmod(0o600)
    client = MqttUplink(named)._new_client()
    assert (client.username, client.password) == ("gateway", "secret")
    assert client.protocol == MQTTProtocolVersion.MQTTv5


async def _taken(uplink: MqttUplink, count: int) -> list[Message]:
    taken: list[Message] = []
    async with asyncio.timeout(10):
        while len(taken) < count:
            taken += await uplink.segments(100)
    return taken
