"""Frames: our requests, and what of all bytes counts as the reply."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightnode.meters.framing import (
    Declined,
    Foreign,
    Garbage,
    Registers,
    Request,
    RtuFraming,
    TcpFraming,
    next_transaction,
)
from tests.fakes.modbus_device import crc16

RTU, TCP = RtuFraming(), TcpFraming()
REQUEST = Request(unit=1, space="input", address=0, count=2, transaction=7)
PAYLOAD = bytes.fromhex("43663334")


def rtu(body: bytes) -> bytes:
    return body + struct.pack("<H", crc16(body))


def tcp(unit: int, pdu: bytes, transaction: int = 7) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


GOOD_PDU = b"\x04\x04" + PAYLOAD
GOOD_RTU, GOOD_TCP = rtu(b"\x01" + GOOD_PDU), tcp(1, GOOD_PDU)


def test_requests_as_the_vendor_writes_them() -> None:
    """Eastron's manual: 01 04 00 00 00 02 71 CB reads volts 1."""
    assert RTU.encode(REQUEST).hex() == "01040000000271cb"
    assert TCP.encode(REQUEST).hex() == "000700000006010400000002"
    holding = Request(unit=9, space="holding", address=42, count=4, transaction=1)
    assert RTU.encode(holding)[:6].hex() == "0903002a0004"


def test_the_very_reply_counts() -> None:
    assert RTU.find(GOOD_RTU, REQUEST) == Registers(PAYLOAD)
    assert TCP.find(GOOD_TCP, REQUEST) == Registers(PAYLOAD)
    assert RTU.find(GOOD_RTU + b"more", REQUEST) == Registers(PAYLOAD)


@pytest.mark.parametrize("size", range(len(GOOD_RTU)))
def test_a_part_of_a_frame_is_waited_for(size: int) -> None:
    assert RTU.find(GOOD_RTU[:size], REQUEST) is None
    assert TCP.find(GOOD_TCP[:size], REQUEST) is None


def test_refusals_have_their_code() -> None:
    assert RTU.find(rtu(b"\x01\x84\x02"), REQUEST) == Declined(2)
    assert TCP.find(tcp(1, b"\x84\x0b"), REQUEST) == Declined(11)


@pytest.mark.parametrize(
    "body",
    [b"\x02" + GOOD_PDU, b"\x01\x04\x06" + PAYLOAD + b"\0\0", b"\x01\x04\x02\0\0", b"\x01\x83\x02"],
    ids=["unit", "longer", "shorter", "refusal of another function"],
)
def test_whole_frames_that_answer_something_else_are_dropped(body: bytes) -> None:
    assert RTU.find(rtu(body), REQUEST) == Foreign(len(body) + 2)
    wrapped = tcp(body[0], body[1:])
    assert TCP.find(wrapped, REQUEST) == Foreign(len(wrapped))


def test_transactions() -> None:
    assert TCP.find(tcp(1, GOOD_PDU, 6), REQUEST) == Foreign(len(GOOD_TCP))
    assert TCP.find(tcp(1, GOOD_PDU, 0), REQUEST) == Registers(PAYLOAD)
    assert [next_transaction(n) for n in (0, 1, 65_534, 65_535)] == [1, 2, 65_535, 1]


@given(place=st.integers(0, len(GOOD_RTU) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_passes_for_the_reply(place: int, bit: int) -> None:
    flipped = bytearray(GOOD_RTU)
    flipped[place] ^= 1 << bit
    assert not isinstance(RTU.find(bytes(flipped) + bytes(300), REQUEST), Registers)


@given(received=st.binary(max_size=300))
def test_garbage_never_passes_for_the_reply(received: bytes) -> None:
    for framing in (RTU, TCP):
        found = framing.find(received, REQUEST)
        assert found is None or isinstance(found, Garbage | Foreign | Declined | Registers)
        if isinstance(found, Foreign):
            assert 0 < found.consumed <= len(received)


def test_http_is_no_modbus() -> None:
    assert TCP.find(b"HTTP/1.1 400 Bad Request", REQUEST) == Garbage("no Modbus TCP header")
    assert isinstance(RTU.find(b"HTTP/1.1 400 Bad Request", REQUEST), Garbage)
