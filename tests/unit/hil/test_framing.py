"""Modbus frames, against those printed in the documents."""

import pytest

from hil.framing import (
    MbapHeader,
    Request,
    RtuRequests,
    crc16,
    exception_pdu,
    mbap_header,
    rtu_frame,
    tcp_frame,
)

# Eastron's own example: unit 1, read input registers 0x0156, two of them; its CRC is 90 27.
PRINTED = bytes.fromhex("0104015600029027")


def test_the_printed_frame_is_met() -> None:
    assert crc16(PRINTED[:-2]) == 0x2790
    assert rtu_frame(1, PRINTED[1:-2]) == PRINTED
    assert RtuRequests().feed(PRINTED) == [Request(1, PRINTED[1:-2])]


def test_a_request_may_come_in_pieces_and_after_noise() -> None:
    line = RtuRequests()
    assert line.feed(b"\x00\xff" + PRINTED[:3]) == []
    assert line.feed(PRINTED[3:]) == [Request(1, PRINTED[1:-2])]
    assert line.dropped_bytes == 2


def test_a_silence_ends_a_broken_request() -> None:
    line = RtuRequests()
    line.feed(PRINTED[:5])
    line.silence()
    assert line.feed(PRINTED) == [Request(1, PRINTED[1:-2])]
    assert line.dropped_bytes == 5


def test_a_write_is_found_by_its_byte_count() -> None:
    write = rtu_frame(1, bytes.fromhex("10000200020442700000"))
    assert RtuRequests().feed(write + PRINTED) == [
        Request(1, bytes.fromhex("10000200020442700000")),
        Request(1, PRINTED[1:-2]),
    ]


def test_tcp_frames() -> None:
    assert tcp_frame(0x0102, 7, b"\x04\x00").hex() == "010200000003070400"
    assert mbap_header(bytes.fromhex("01020000000607")) == MbapHeader(0x0102, 7, 5)


@pytest.mark.parametrize("head", ["01020001000607", "01020000000107", "010200000fff07"])
def test_other_protocols_are_not_taken_for_modbus(head: str) -> None:
    assert mbap_header(bytes.fromhex(head)) is None


def test_an_exception_sets_the_high_bit() -> None:
    assert exception_pdu(4, 2) == b"\x84\x02"
