"""Modbus frames: our requests, and of all bytes that come back only the reply to them.

A reply counts when unit, function and length are those of the request, and its checksum (RTU) or
transaction (TCP) too. Whatever else arrives is told apart: a late reply to an older request is
dropped and the wait goes on, bytes that make no frame end it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from lightnode.meters.profile import Space
from lightnode.meters.registers import REGISTER_BYTES

FramingName = Literal["rtu", "tcp"]

_REQUESTS = {"input": ReadInputRegistersRequest, "holding": ReadHoldingRegistersRequest}
_EXCEPTION_BIT = 0x80
_EXCEPTION_PDU_BYTES = 2
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

    def pdu(self) -> ModbusPDU:
        """Return it as pymodbus has it."""
        return _REQUESTS[self.space](
            address=self.address,
            count=self.count,
            dev_id=self.unit,
            transaction_id=self.transaction,
        )

    @property
    def function(self) -> int:
        """Return the function code."""
        return int(_REQUESTS[self.space].function_code)


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

    def __init__(self) -> None:
        self._framer = FramerRTU(DecodePDU(is_server=False))

    def encode(self, request: Request) -> bytes:
        """Return the request as bytes on the wire."""
        return bytes(self._framer.buildFrame(request.pdu()))

    def find(self, received: bytes, request: Request) -> Found | None:
        """Return what the bytes begin with; None while a frame is not complete."""
        if len(received) < 3:  # noqa: PLR2004 -- unit, function, and length or exception code
            return None
        function, length = received[1], received[2]
        if function & _EXCEPTION_BIT:
            size = 1 + _EXCEPTION_PDU_BYTES + 2
        elif function == request.function:
            size = 3 + length + 2
        else:
            return Garbage(f"function {function}, where {request.function} was asked for")
        if len(received) < size:
            return None
        _, unit, _, pdu = self._framer.decode(received[:size])
        if not pdu:
            return Garbage("the checksum does not match")
        if unit != request.unit:
            return Foreign(size)
        return _answer(bytes(pdu), request) or Foreign(size)


class TcpFraming:
    """MBAP header with transaction, then the PDU."""

    name: FramingName = "tcp"

    def __init__(self) -> None:
        self._framer = FramerSocket(DecodePDU(is_server=False))

    def encode(self, request: Request) -> bytes:
        """Return the request as bytes on the wire."""
        return bytes(self._framer.buildFrame(request.pdu()))

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
