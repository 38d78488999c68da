"""Laws of the serial framing: no request is lost, none is made up."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from hil.framing import Request, RtuRequests, crc16, mbap_header, rtu_frame, tcp_frame

reads = st.builds(
    lambda function, address, count: struct.pack(">BHH", function, address, count),
    st.sampled_from([3, 4]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
)
units = st.integers(1, 247)


@given(st.lists(st.tuples(units, reads), max_size=6), st.data())
def test_requests_arrive_whole_however_they_are_cut(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(rtu_frame(unit, pdu) for unit, pdu in sent)
    line, found = RtuRequests(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += line.feed(stream[:cut])
        stream = stream[cut:]
    assert found == [Request(unit, pdu) for unit, pdu in sent]
    assert line.dropped_bytes == 0


@given(units, reads, st.integers(0, 7), st.integers(0, 7))
def test_a_flipped_bit_makes_no_request(unit: int, pdu: bytes, byte: int, bit: int) -> None:
    frame = bytearray(rtu_frame(unit, pdu))
    frame[byte] ^= 1 << bit
    line = RtuRequests()
    assert line.feed(bytes(frame)) == []
    line.silence()
    assert line.feed(rtu_frame(unit, pdu)) == [Request(unit, pdu)]


@given(st.binary(min_size=1, max_size=300))
def test_noise_leaves_the_line_usable_after_a_silence(noise: bytes) -> None:
    line = RtuRequests()
    line.feed(noise)
    line.silence()
    assert line.feed(rtu_frame(7, b"\x04\x00\x00\x00\x02"))[-1].unit == 7


@given(st.binary(max_size=260))
def test_a_frame_followed_by_its_crc_checks_to_zero(body: bytes) -> None:
    assert crc16(body + struct.pack("<H", crc16(body))) == 0


@given(st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253))
def test_tcp_headers_round_trip(transaction: int, unit: int, pdu: bytes) -> None:
    frame = tcp_frame(transaction, unit, pdu)
    header = mbap_header(frame[:7])
    assert header is not None
    assert (header.transaction, header.unit, header.pdu_length) == (transaction, unit, len(pdu))
    assert frame[7:] == pdu
