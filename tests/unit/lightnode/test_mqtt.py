"""MQTT as bytes and on a connection: what is written, what is read, what ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightnode.mqtt import BrokerSettings, packets
from lightnode.mqtt.connection import Connection, ConnectionDeclined, ConnectionGone, opened
from lightnode.mqtt.packets import MQTT_3_1_1, MQTT_5, Kind, MalformedPacket, Packet

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ACCEPTED = bytes.fromhex("20020000")
ACCEPTED_5 = bytes.fromhex("2003000000")


# packets


@given(number=st.integers(0, 268_435_455))
def test_a_length_comes_back_and_breaks_off_nowhere_else(number: int) -> None:
    encoded = packets.varint(number)
    assert packets.read_varint(encoded + b"rest") == (number, len(encoded))
    assert packets.read_varint(encoded[:-1]) is None


def test_the_lengths_of_the_standard() -> None:
    """Table 2.4 of MQTT 3.1.1."""
    borders = {0: "00", 127: "7f", 128: "8001", 16_383: "ff7f", 2_097_152: "80808001"}
    assert {number: packets.varint(number).hex() for number in borders} == borders
    for wrong in (-1, 268_435_456):
        with pytest.raises(ValueError, match="no length of a packet"):
            packets.varint(wrong)
    with pytest.raises(MalformedPacket, match="more than four bytes"):
        packets.read_varint(b"\xff\xff\xff\xff\x01")


def test_connect_as_the_standard_has_it() -> None:
    plain = packets.connect(MQTT_3_1_1, "cf-7", keepalive_s=30)
    assert plain == bytes.fromhex("1010 0004 4d515454 04 02 001e 0004 63662d37".replace(" ", ""))
    full = packets.connect(MQTT_5, "c", keepalive_s=1, username="u", password=b"\0p")
    assert full == bytes.fromhex(
        "1015 0004 4d515454 05 c2 0001 00 0001 63 0001 75 0002 0070".replace(" ", "")
    )


def test_what_a_node_sends() -> None:
    assert packets.subscribe(MQTT_3_1_1, 1, "a", qos=1).hex() == "82060001000161" + "01"
    assert packets.subscribe(MQTT_5, 1, "a", qos=1).hex() == "820700010000016101"
    assert packets.publish(MQTT_3_1_1, "a", b"xy", packet_id=None).hex() == "30050001617879"
    assert packets.publish(MQTT_3_1_1, "a", b"xy", packet_id=9).hex() == "320700016100097879"
    assert packets.publish(MQTT_5, "a", b"xy", packet_id=9).hex() == "32080001610009007879"
    assert packets.puback(258).hex() == "40020102"
    assert (packets.ping(), packets.disconnect()) == (b"\xc0\0", b"\xe0\0")


@pytest.mark.parametrize("version", [MQTT_3_1_1, MQTT_5])
@given(
    topic=st.text(max_size=20),
    payload=st.binary(max_size=300),
    packet_id=st.sampled_from([None, 1, 77, 65_535]),
)
def test_a_publication_comes_back(
    version: packets.Version, topic: str, payload: bytes, packet_id: int | None
) -> None:
    encoded = packets.publish(version, topic, payload, packet_id=packet_id)
    found = packets.read_varint(encoded[1:])
    assert found
    packet = Packet(encoded[0] >> 4, encoded[0] & 15, encoded[1 + found[1] :])
    told = packets.publication(version, packet)
    assert (told.topic, told.payload, told.packet_id) == (topic, payload, packet_id)


@given(body=st.binary(max_size=40), flags=st.integers(0, 15))
def test_hostile_bytes_are_malformed_or_read(body: bytes, flags: int) -> None:
    for version in (MQTT_3_1_1, MQTT_5):
        for read in (
            lambda: packets.publication(version, Packet(Kind.PUBLISH, flags, body)),  # noqa: B023
            lambda: packets.granted(version, body),  # noqa: B023
            lambda: packets.acknowledged(body),
            lambda: packets.connack_code(body),
            lambda: packets.disconnect_code(body),
        ):
            with contextlib.suppress(MalformedPacket):
                read()


# connection


@asynccontextmanager
async def broker(serve: Serve) -> AsyncIterator[int]:
    over: list[asyncio.Event] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over.append(asyncio.Event())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        over[-1].set()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await asyncio.gather(*(each.wait() for each in over))
    finally:
        server.close()


async def read_packet(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    return head + await reader.readexactly(head[1])


async def logged_in(
    port: int, version: packets.Version = MQTT_3_1_1, *, keepalive_s: int = 30
) -> Connection:
    connection = await opened("127.0.0.1", port, version=version, tls=None, timeout_s=0.3)
    try:
        await connection.log_in("cf-1", keepalive_s=keepalive_s, username=None, password=None)
    except BaseException:
        await connection.close()
        raise
    return connection


def answering(*answers: bytes) -> Serve:
    """Return a broker that answers each packet it reads with the next of these."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_packet(reader)
            writer.write(answer)
        await reader.read()

    return serve


@pytest.mark.parametrize(
    ("version", "answer", "code"),
    [(MQTT_3_1_1, "20020005", 5), (MQTT_5, "2003008700", 0x87)],
)
async def test_a_refused_login_has_its_code(
    version: packets.Version, answer: str, code: int
) -> None:
    async with broker(answering(bytes.fromhex(answer))) as port:
        with pytest.raises(ConnectionDeclined) as told:
            await logged_in(port, version)
        assert told.value.code == code


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no MQTT broker|hung up|does not answer"),
        (b"", "does not answer"),
        (b"\x20\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x20\xff\xff\xff\x7f", "a packet of 268435455 bytes"),
        (b"\x20\x01\x00", "breaks off"),
    ],
)
async def test_what_is_no_broker_is_told(answer: bytes, told: str) -> None:
    async with broker(answering(answer)) as port:
        with pytest.raises(ConnectionGone, match=told):
            await logged_in(port)


@pytest.mark.parametrize(
    ("version", "accepted", "suback", "expected"),
    [
        (MQTT_3_1_1, ACCEPTED, "9003000101", True),
        (MQTT_3_1_1, ACCEPTED, "9003000180", False),
        (MQTT_5, ACCEPTED_5, "900400010001", True),
        (MQTT_5, ACCEPTED_5, "900400010087", False),
    ],
)
async def test_a_subscription_is_granted_or_not(
    version: packets.Version, accepted: bytes, suback: str, expected: object
) -> None:
    async with broker(answering(accepted, bytes.fromhex(suback))) as port:
        connection = await logged_in(port, version)
        assert await connection.subscribe("a", qos=1) is expected
        await connection.close()


async def test_without_an_acknowledgement_the_connection_is_over() -> None:
    async with broker(answering(ACCEPTED, b"", b"")) as port:
        connection = await logged_in(port)
        with pytest.raises(ConnectionGone, match=r"no answer within 0\.3 s"):
            await connection.publish("a", b"x", qos=1)
        with pytest.raises(ConnectionGone):
            await connection.publish("a", b"x", qos=0)
        with pytest.raises(ConnectionGone):
            await anext(connection.messages())
        await connection.close()


async def test_a_message_is_acknowledged_once_it_is_dealt_with() -> None:
    acknowledged: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(ACCEPTED)
        for number in (1, 2):
            writer.write(packets.publish(MQTT_3_1_1, "a", b"%d" % number, packet_id=number))
        while packet := await read_packet(reader):
            acknowledged.append(packet)

    async with broker(serve) as port:
        connection = await logged_in(port)
        messages = connection.messages()
        assert (await anext(messages)).payload == b"1"
        await asyncio.sleep(0.05)
        assert acknowledged == []
        assert (await anext(messages)).payload == b"2"
        await asyncio.sleep(0.05)
        assert acknowledged == [packets.puback(1)]
        await connection.close()


async def test_messages_before_the_end_are_still_given() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(ACCEPTED)
        for number in range(100):
            writer.write(packets.publish(MQTT_3_1_1, "a", b"%d" % number, packet_id=None))
        await writer.drain()

    async with broker(serve) as port:
        connection = await logged_in(port)
        found: list[int] = []
        with pytest.raises(ConnectionGone, match="hung up"):
            await collect(connection, found)
        assert found == list(range(100))
        await connection.close()


async def collect(connection: Connection, found: list[int]) -> None:
    async for message in connection.messages():
        found.append(int(message.payload))  # noqa: PERF401 -- it ends with an error


async def test_a_broker_that_falls_silent_is_given_up() -> None:
    async with broker(answering(ACCEPTED, b"", b"", b"", b"")) as port:
        connection = await logged_in(port, keepalive_s=1)
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionGone, match="fell silent"):
                await anext(connection.messages())
        await connection.close()


async def test_a_broker_that_says_goodbye_has_its_reason_told() -> None:
    async with broker(answering(ACCEPTED_5 + bytes.fromhex("e0018e"))) as port:
        connection = await logged_in(port, MQTT_5)
        with pytest.raises(ConnectionGone, match="hung up, reason 142"):
            await anext(connection.messages())
        await connection.close()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"port": 0}, "port must be"),
        ({"keepalive_s": 0}, "keepalive_s must be"),
    ],
)
def test_settings_that_reach_no_broker_are_refused(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BrokerSettings(**wrong)  # type: ignore[arg-type]
