"""Addresses of meters, and the line to one."""

import asyncio

import pytest

from lightnode.meters.line import Line, LineAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://10.0.0.7:5020", LineAddress("tcp", host="10.0.0.7", port=5020)),
        ("tcp://meter.example", LineAddress("tcp", host="meter.example", port=502)),
        ("rtu+tcp://usr-w610:26", LineAddress("rtu+tcp", host="usr-w610", port=26)),
        ("tcp://[fe80::1]:502", LineAddress("tcp", host="fe80::1", port=502)),
        ("rtu:///dev/ttyUSB0", LineAddress("rtu", device="/dev/ttyUSB0")),
    ],
)
def test_the_three_forms(text: str, expected: LineAddress) -> None:
    address = LineAddress.parse(text)
    assert address == expected
    assert LineAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.7", "tcp://", "tcp://host:0", "tcp://host:70000", "tcp://host/x", "rtu://ttyUSB0",
     "http://host:502", "tcp://a b:5", "rtu+tcp:///dev/ttyUSB0"],
)  # fmt: skip
def test_anything_else_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected tcp://HOST:PORT|port must be"):
        LineAddress.parse(text)


def test_the_other_framing() -> None:
    tcp = LineAddress.parse("tcp://h:5")
    other = tcp.other_framing()
    assert other == LineAddress.parse("rtu+tcp://h:5")
    assert other is not None
    assert other.other_framing() == tcp
    assert LineAddress.parse("rtu:///dev/ttyS0").other_framing() is None


async def test_what_arrives_waits_in_order_and_the_end_wakes() -> None:
    line, soon_s = Line(), asyncio.get_running_loop().time() + 1
    line.data_received(b"a")
    line.data_received(b"b")
    assert await line.receive(soon_s) == b"a"
    assert line.discard() == 1
    line.connection_lost(None)
    assert await line.receive(soon_s) == b""
    assert await line.receive(soon_s) == b""
    line.write(b"into the void")
    line.close()


async def test_a_babbling_line_keeps_only_the_newest() -> None:
    line = Line()
    for number in range(1_000):
        line.data_received(b"%04d" % number)
    assert line.discard() == 64 * 4


async def test_silence_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        await Line().receive(asyncio.get_running_loop().time() + 0.01)
