"""Modbus frames: our requests, and of all bytes that come back only the reply to them.

A reply counts when unit, function and length are those of the request, and its checksum (RTU) or
transaction (TCP) too. Whatever else arrives is told apart: a late reply to an older request is
dropped and the wait goes on, bytes that make no frame end it.

Source: MODBUS over serial line V1.02, §2.5.1; MODBUS messaging on TCP/IP V1.0b, §3.1; MODBUS
application protocol V1.1b3, §6.3 and §6.4.
"""

import struct
from dataclasses import dataclass
from typing import Literal, Protocol

from lightnode.meters.profile import Space
from lightnode.meters.registers import REGISTER_BYTES

FramingName = Literal["rtu", "tcp"]

_FUNCTIONS: dict[Space, int] = {"holding": 3, "input": 4}
_EXCEPTION_BIT = 0x80
_EXCEPTION_PDU_BYTES = 2
_CRC_BYTES = 2
_CRC_POLYNOMIAL = 0xA001
_MBAP_BYTES = 7
_MAX_PDU_BYTES = 253
_MAX_TRANSACTION = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One read of `count` registers."""

    unit: int
    space: Space
    address: int
    count: int
    transaction: int

    @property
    def function(self) -> int:
        """Return the function code."""
        return _FUNCTIONS[self.space]

    def pdu(self) -> bytes:
        """Return function, address and count."""
        return struct.pack(">BHH", self.function, self.address, self.count)


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers that were asked for, as bytes."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Declined:
    """The meter's own refusal, with its exception code."""

    code: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """A whole frame that answers something else: `consumed` bytes to drop."""

    consumed: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no frame."""

    what: str


Found = Registers | Declined | Foreign | Garbage
"""What stands at the beginning of the bytes received."""


class Framing(Protocol):
    """Guarantee: `find` returns Registers only for the very reply to the request."""

    name: FramingName

    def encode(self, request: Request) -> bytes:
        """Return the request as bytes on the wire."""
        ...

    def find(self, received: bytes, request: Request) -> Found | None:
        """Return what the bytes begin with; None while a frame is not complete."""
        ...


class RtuFraming:
    """Unit, PDU, CRC-16: on serial lines, and unchanged inside TCP by some converters."""

    name: FramingName = "rtu"

    def encode(self, request: Request) -> bytes:
        """Return the request as bytes on the wire."""
        frame = bytes([request.unit]) + request.pdu()
        return frame + struct.pack("<H", crc16(frame))

    def find(self, received: bytes, request: Request) -> Found | None:
        """Return what the bytes begin with; None while a frame is not complete."""
        if len(received) < 3:  # noqa: PLR2004 -- unit, function, and length or exception code
            return None
        function, length = received[1], received[2]
        if function & _EXCEPTION_BIT:
            size = 1 + _EXCEPTION_PDU_BYTES + _CRC_BYTES
        elif function == request.function:
            size = 3 + length + _CRC_BYTES
        else:
            return Garbage(f"function {function}, where {request.function} was asked for")
        if len(received) < size:
            return None
        if crc16(received[:size]):
            return Garbage("the checksum does not match")
        if received[0] != request.unit:
            return Foreign(size)
        return _answer(received[1 : size - _CRC_BYTES], request) or Foreign(size)


class TcpFraming:
    """MBAP header with transaction, then the PDU."""

    name: FramingName = "tcp"

    def encode(self, request: Request) -> bytes:
        """Return the request as bytes on the wire."""
        pdu = request.pdu()
        return struct.pack(">HHHB", request.transaction, 0, 1 + len(pdu), request.unit) + pdu

    def find(self, received: bytes, request: Request) -> Found | None:
        """Return what the bytes begin with; None while a frame is not complete.

        A converter that answers with transaction 0 is accepted: unit, function and length must
        match all the same.
        """
        if len(received) < _MBAP_BYTES:
            return None
        protocol, length = _u16(received, 2), _u16(received, 4)
        if protocol or not _EXCEPTION_PDU_BYTES < length <= 1 + _MAX_PDU_BYTES:
            return Garbage("no Modbus TCP header")
        size = _MBAP_BYTES - 1 + length
        if len(received) < size:
            return None
        transaction, unit = _u16(received, 0), received[_MBAP_BYTES - 1]
        if unit != request.unit or transaction not in {0, request.transaction}:
            return Foreign(size)
        return _answer(received[_MBAP_BYTES:size], request) or Foreign(size)


def crc16(data: bytes) -> int:
    """Return the checksum of bytes; of a frame that ends with its own checksum it is 0."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def next_transaction(transaction: int) -> int:
    """Return the transaction number after this one; never 0, which some converters make up."""
    return transaction % _MAX_TRANSACTION + 1


def _answer(pdu: bytes, request: Request) -> Registers | Declined | None:
    function, body = pdu[0], pdu[1:]
    if function == request.function | _EXCEPTION_BIT and len(pdu) == _EXCEPTION_PDU_BYTES:
        return Declined(body[0])
    expected_bytes = request.count * REGISTER_BYTES
    if function == request.function and body[0] == expected_bytes == len(body) - 1:
        return Registers(body[1:])
    return None


def _u16(received: bytes, at: int) -> int:
    return int.from_bytes(received[at : at + 2], "big")


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_CRC_POLYNOMIAL if byte & 1 else 0)
    return byte


_CRC_TABLE = [_crc_of_byte(byte) for byte in range(256)]
