"""One meter: requests in, replies out."""

import math
import struct

import pytest

from hil.faults import Fault, FaultKind
from hil.framing import Request, crc16, rtu_frame, tcp_frame
from tests.hil.benches import NOON_MS, HandClock, meter

READ = struct.pack(">BHH", 4, 0, 4)


def faulty(kind: FaultKind, **settings: int) -> Fault:
    return Fault(kind, NOON_MS, **settings)


def test_a_reply_shows_the_household_at_the_clocks_instant() -> None:
    clock = HandClock()
    one = meter(clock)
    for _ in range(3):
        reply = one.reply_rtu(Request(1, READ))
        assert reply is not None
        shown = struct.unpack(">2f", reply.frame[3:-2])
        phases = one.household.at(clock.now_ms()).phases
        assert shown == pytest.approx([phase.voltage_v for phase in phases[:2]])
        clock.wind(4000)
    assert one.requests == 3


def test_tcp_and_rtu_carry_the_same_words() -> None:
    one = meter(HandClock())
    serial, network = one.reply_rtu(Request(1, READ)), one.reply_tcp(Request(1, READ, 77))
    assert serial is not None
    assert network is not None
    pdu = serial.frame[1:-2]
    assert serial.frame == rtu_frame(1, pdu)
    assert network.frame == tcp_frame(77, 1, pdu)


@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        (struct.pack(">BHH", 6, 0, 1), "8601"),
        (b"\x2b\x0e\x01\x00", "ab01"),
        (b"\x04\x00", "8403"),
        (struct.pack(">BHH", 4, 1, 2), "8402"),
        (struct.pack(">BHH", 4, 0, 0), "8403"),
        (struct.pack(">BHH", 3, 0xFC00, 2), "030401406f41"),
    ],
)
def test_requests_of_every_sort(pdu: bytes, expected: str) -> None:
    reply = meter(HandClock()).reply_rtu(Request(1, pdu))
    assert reply is not None
    assert reply.frame[1:-2].hex() == expected


def test_before_its_first_day_it_fails_as_a_device() -> None:
    clock = HandClock()
    clock.wind(-NOON_MS)
    reply = meter(clock).reply_rtu(Request(1, READ))
    assert reply is not None
    assert reply.frame[1:-2].hex() == "8404"


def test_silence() -> None:
    one = meter(HandClock(), faulty(FaultKind.SILENCE))
    assert one.reply_rtu(Request(1, READ)) is None
    assert one.reply_tcp(Request(1, READ)) is None
    assert one.faults_served == {FaultKind.SILENCE: 2}


def test_a_late_reply_is_good_and_held_back() -> None:
    one, good = meter(HandClock(), faulty(FaultKind.LATE, delay_ms=700)), meter(HandClock())
    late, prompt = one.reply_rtu(Request(1, READ)), good.reply_rtu(Request(1, READ))
    assert late is not None
    assert prompt is not None
    assert late.frame == prompt.frame
    assert (late.delay_ms, prompt.delay_ms) == (700, 0)


def test_not_a_number() -> None:
    reply = meter(HandClock(), faulty(FaultKind.NAN)).reply_rtu(Request(1, READ))
    assert reply is not None
    assert crc16(reply.frame) == 0
    assert all(math.isnan(value) for value in struct.unpack(">2f", reply.frame[3:-2]))


def test_a_refusal() -> None:
    one = meter(HandClock(), faulty(FaultKind.EXCEPTION, code=6))
    reply = one.reply_tcp(Request(1, READ, 5))
    assert reply is not None
    assert reply.frame == tcp_frame(5, 1, b"\x84\x06")


def test_another_units_address() -> None:
    for unit, shown in [(1, 2), (247, 1)]:
        one = meter(HandClock(), faulty(FaultKind.WRONG_UNIT), unit=unit)
        reply = one.reply_rtu(Request(unit, READ))
        assert reply is not None
        assert reply.frame[0] == shown
        assert crc16(reply.frame) == 0


def test_a_transaction_of_nobody() -> None:
    one = meter(HandClock(), faulty(FaultKind.WRONG_TRANSACTION))
    reply = one.reply_tcp(Request(1, READ, 77))
    assert reply is not None
    assert reply.frame[:2] == b"\x00\x00"


@pytest.mark.parametrize("kind", [FaultKind.BAD_CRC, FaultKind.GARBAGE, FaultKind.TRUNCATED])
def test_spoilt_frames_do_not_check(kind: FaultKind) -> None:
    reply = meter(HandClock(), faulty(kind)).reply_rtu(Request(1, READ))
    assert reply is not None
    assert crc16(reply.frame) != 0


def test_a_meter_without_supply_is_silent_and_comes_back() -> None:
    one = meter(HandClock())
    one.household.cut_off(NOON_MS)
    assert one.reply_rtu(Request(1, READ)) is None
    assert one.reply_tcp(Request(1, READ)) is None
    one.household.supply_again(NOON_MS)
    assert one.reply_tcp(Request(1, READ)) is not None
    assert one.requests == 3
