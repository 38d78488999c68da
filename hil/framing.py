"""Modbus on the wire: RTU frames with their CRC, TCP frames with their header.

Written for the bench, so that a reply can be spoilt byte by byte.

Source: Modbus.org, "MODBUS over Serial Line V1.02", 2.5.1 and 6.2.2 (CRC), and "MODBUS
Messaging on TCP/IP V1.0b", 3.1.3 (MBAP header).
"""

import struct
from dataclasses import dataclass

READ_HOLDINGS = 3
READ_INPUTS = 4
ILLEGAL_FUNCTION = 1
EXCEPTION_BIT = 0x80
LONGEST_PDU = 253

_SHORTEST_RTU = 4
_FIXED_RTU = 8
_COUNTED = frozenset({15, 16})
_COUNTED_HEAD = 7
_MBAP = struct.Struct(">HHHB")
MBAP_LENGTH = _MBAP.size


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(frame: bytes) -> int:
    """Return the Modbus CRC of a frame; it travels low byte first."""
    crc = 0xFFFF
    for byte in frame:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Return a serial frame: unit, PDU, CRC."""
    body = bytes((unit,)) + pdu
    return body + struct.pack("<H", crc16(body))


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return a TCP frame: MBAP header, PDU."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def exception_pdu(function: int, code: int) -> bytes:
    """Return the PDU that refuses a request."""
    return bytes((function | EXCEPTION_BIT, code))


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: for which unit, under which transaction (0 on a serial line)."""

    unit: int
    pdu: bytes
    transaction: int = 0


@dataclass(frozen=True, slots=True)
class MbapHeader:
    """The header of a TCP frame.

    Args:
        transaction: the number the reply must carry.
        unit: the meter behind the connection.
        pdu_length: how many bytes follow the header.
    """

    transaction: int
    unit: int
    pdu_length: int


def mbap_header(head: bytes) -> MbapHeader | None:
    """Return the header read from 7 bytes, or nothing if they are not Modbus/TCP."""
    transaction, protocol, length, unit = _MBAP.unpack(head)
    if protocol or not 1 <= length - 1 <= LONGEST_PDU:
        return None
    return MbapHeader(transaction, unit, length - 1)


class RtuRequests:
    """Finds requests in the bytes of a serial line.

    The end of a request follows from its function; bytes that start no valid request are
    dropped one by one, so that a burst of noise costs no more than itself.
    """

    __slots__ = ("_pending", "dropped_bytes")

    def __init__(self) -> None:
        self._pending = bytearray()
        self.dropped_bytes = 0

    def feed(self, received: bytes) -> list[Request]:
        """Return the requests completed by *received*."""
        self._pending += received
        found: list[Request] = []
        while (length := self._length()) and len(self._pending) >= length:
            frame = bytes(self._pending[:length])
            if struct.unpack("<H", frame[-2:])[0] == crc16(frame[:-2]):
                found.append(Request(frame[0], frame[1:-2]))
                del self._pending[:length]
            else:
                self._drop(1)
        return found

    def silence(self) -> None:
        """Forget what is pending: the line was quiet for longer than a frame allows."""
        self._drop(len(self._pending))

    def _drop(self, count: int) -> None:
        self.dropped_bytes += count
        del self._pending[:count]

    def _length(self) -> int:
        """Return the length of the request that begins here, 0 while it cannot be told."""
        if len(self._pending) < _SHORTEST_RTU:
            return 0
        if self._pending[1] not in _COUNTED:
            return _FIXED_RTU
        if len(self._pending) < _COUNTED_HEAD:
            return 0
        return _COUNTED_HEAD + self._pending[_COUNTED_HEAD - 1] + 2
