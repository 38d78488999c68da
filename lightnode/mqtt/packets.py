"""MQTT control packets as bytes, versions 3.1.1 and 5.

Only what a node sends and receives: CONNECT, PUBLISH and SUBSCRIBE out; CONNACK, PUBLISH, PUBACK,
SUBACK and DISCONNECT in. Of the properties of version 5 none is asked for, and all are skipped.

Source: OASIS MQTT 3.1.1 and MQTT 5.0, chapters 2 and 3.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

Version = Literal[4, 5]

MQTT_3_1_1: Version = 4
MQTT_5: Version = 5
FAILED_FROM = 0x80

_LONGEST_VARINT_BYTES = 4
_LARGEST_REMAINING_BYTES = 268_435_455
_MAX_TEXT_BYTES = 65_535
_CLEAN_START, _HAS_PASSWORD, _HAS_USERNAME = 0x02, 0x40, 0x80
_SUBSCRIBE_FLAGS = 0x02


class Kind(IntEnum):
    """The kinds of packet, as the first half-byte tells."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as it came: kind, flags of its first byte, and what follows its length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that was published; `packet_id` is None where nobody waits for an answer."""

    topic: str
    payload: bytes
    packet_id: int | None


class MalformedPacket(Exception):
    """The bytes are no packet that MQTT knows."""


def connect(
    version: Version,
    client_id: str,
    *,
    keepalive_s: int,
    username: str | None = None,
    password: bytes | None = None,
) -> bytes:
    """Return CONNECT with a clean start, and no will."""
    flags = _CLEAN_START
    payload = _text(client_id)
    if username is not None:
        flags |= _HAS_USERNAME
        payload += _text(username)
    if password is not None:
        flags |= _HAS_PASSWORD
        payload += _binary(password)
    head = _text("MQTT") + struct.pack(">BBH", version, flags, keepalive_s)
    return _packet(Kind.CONNECT, 0, head + _no_properties(version) + payload)


def subscribe(version: Version, packet_id: int, topic_filter: str, *, qos: int) -> bytes:
    """Return SUBSCRIBE for one filter."""
    head = struct.pack(">H", packet_id) + _no_properties(version)
    body = head + _text(topic_filter) + bytes([qos])
    return _packet(Kind.SUBSCRIBE, _SUBSCRIBE_FLAGS, body)


def publish(version: Version, topic: str, payload: bytes, *, packet_id: int | None) -> bytes:
    """Return PUBLISH: of QoS 1 with a packet id, of QoS 0 without."""
    head = _text(topic)
    if packet_id is not None:
        head += struct.pack(">H", packet_id)
    flags = 0 if packet_id is None else 0x02
    return _packet(Kind.PUBLISH, flags, head + _no_properties(version) + payload)


def puback(packet_id: int) -> bytes:
    """Return PUBACK with success, which both versions write alike."""
    return _packet(Kind.PUBACK, 0, struct.pack(">H", packet_id))


def ping() -> bytes:
    """Return PINGREQ."""
    return _packet(Kind.PINGREQ, 0, b"")


def disconnect() -> bytes:
    """Return DISCONNECT with success, which both versions write alike."""
    return _packet(Kind.DISCONNECT, 0, b"")


def connack_code(body: bytes) -> int:
    """Return the reason code of CONNACK: 0 lets us in."""
    return _byte(body, 1)


def acknowledged(body: bytes) -> tuple[int, int]:
    """Return packet id and reason code of PUBACK; without a code it is success."""
    packet_id = _u16(body, 0)
    return packet_id, body[2] if len(body) > 2 else 0  # noqa: PLR2004 -- after the packet id


def granted(version: Version, body: bytes) -> tuple[int, list[int]]:
    """Return packet id and the reason codes of SUBACK."""
    packet_id, rest = _u16(body, 0), body[2:]
    codes = _after_properties(rest) if version == MQTT_5 else rest
    return packet_id, list(codes)


def publication(version: Version, packet: Packet) -> Publication:
    """Return the message in PUBLISH.

    Raises:
        MalformedPacket: it is none, or of QoS 2, which we never ask for.
    """
    qos = packet.flags >> 1 & 0x03
    if qos > 1:
        raise MalformedPacket(f"a message of quality {qos}")
    length = _u16(packet.body, 0)
    topic, rest = packet.body[2 : 2 + length], packet.body[2 + length :]
    if len(topic) != length:
        raise MalformedPacket("a topic longer than its packet")
    packet_id = None
    if qos:
        packet_id, rest = _u16(rest, 0), rest[2:]
    if version == MQTT_5:
        rest = _after_properties(rest)
    try:
        return Publication(topic.decode(), rest, packet_id)
    except UnicodeDecodeError as error:
        raise MalformedPacket("a topic that is not UTF-8") from error


def disconnect_code(body: bytes) -> int:
    """Return the reason code of the broker's DISCONNECT."""
    return body[0] if body else 0


def varint(number: int) -> bytes:
    """Return a variable byte integer.

    Raises:
        ValueError: it is too large for one.
    """
    if not 0 <= number <= _LARGEST_REMAINING_BYTES:
        raise ValueError(f"{number} is no length of a packet")
    encoded = bytearray()
    while True:
        number, low = divmod(number, 0x80)
        encoded.append(low | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def read_varint(data: bytes) -> tuple[int, int] | None:
    """Return a variable byte integer and its length, None while it is not complete.

    Raises:
        MalformedPacket: it is longer than four bytes.
    """
    number = 0
    for place, byte in enumerate(data[:_LONGEST_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 -- the bit that says: more follows
            return number, place + 1
    if len(data) >= _LONGEST_VARINT_BYTES:
        raise MalformedPacket("a length of more than four bytes")
    return None


def _packet(kind: Kind, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def _no_properties(version: Version) -> bytes:
    return b"\0" if version == MQTT_5 else b""


def _after_properties(body: bytes) -> bytes:
    found = read_varint(body)
    if found is None or found[0] + found[1] > len(body):
        raise MalformedPacket("properties longer than their packet")
    return body[found[0] + found[1] :]


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    if len(data) > _MAX_TEXT_BYTES:
        raise ValueError(f"{len(data)} bytes, where MQTT takes {_MAX_TEXT_BYTES}")
    return struct.pack(">H", len(data)) + data


def _u16(body: bytes, at: int) -> int:
    if len(body) < at + 2:
        raise MalformedPacket("a packet that breaks off")
    return int.from_bytes(body[at : at + 2], "big")


def _byte(body: bytes, at: int) -> int:
    if len(body) <= at:
        raise MalformedPacket("a packet that breaks off")
    return body[at]
