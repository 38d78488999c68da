"""Meters on a pseudo-terminal, spoken to byte by byte."""

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hil.faults import Fault, FaultKind
from hil.framing import crc16, rtu_frame
from hil.meter import Meter
from hil.serial_line import SerialLine
from ledger.errors import Rejected, Unavailable
from tests.hil.benches import NOON_MS, HandClock, eventually, meter

READ = struct.pack(">BHH", 4, 0, 2)


@asynccontextmanager
async def line_at(path: Path, *meters: Meter, baud: int = 0) -> AsyncIterator[SerialLine]:
    line = SerialLine(path, {one.nameplate.unit: one for one in meters}, baud=baud)
    await line.open()
    try:
        yield line
    finally:
        await line.close()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    end = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield end
    finally:
        os.close(end)


async def received(end: int, count: int, *, within_s: float = 5.0) -> bytes:
    """Return what arrives until *count* bytes are there or time is up."""
    loop, arrived, found = asyncio.get_running_loop(), asyncio.Event(), bytearray()
    loop.add_reader(end, arrived.set)
    try:
        async with asyncio.timeout(within_s):
            while len(found) < count:
                await arrived.wait()
                arrived.clear()
                found += os.read(end, 4096)
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(end)
    return bytes(found)


async def test_a_request_is_answered(tmp_path: Path) -> None:
    async with line_at(tmp_path / "tty0", meter(HandClock())) as line:
        assert line.address == f"rtu {tmp_path / 'tty0'}"
        with opened(tmp_path / "tty0") as end:
            os.write(end, rtu_frame(1, READ))
            reply = await received(end, 9)
            assert reply[:3] == b"\x01\x04\x04"
            assert crc16(reply) == 0


async def test_every_byte_value_passes(tmp_path: Path) -> None:
    # A terminal that is not raw would swallow or translate some of them.
    async with line_at(tmp_path / "tty0", meter(HandClock())), asyncio.timeout(20):
        with opened(tmp_path / "tty0") as end:
            for address in range(0, 256, 2):
                os.write(end, rtu_frame(1, struct.pack(">BHH", 4, address, 2)))
                assert crc16(await received(end, 9)) == 0


async def test_units_share_a_line_and_nobody_answers_for_a_stranger(tmp_path: Path) -> None:
    clock = HandClock()
    two = meter(clock, unit=2, name="two", model="sdm120")
    async with line_at(tmp_path / "tty0", meter(clock), two):
        with opened(tmp_path / "tty0") as end:
            os.write(end, rtu_frame(2, READ) + rtu_frame(1, READ))
            replies = await received(end, 18)
            assert (replies[0], replies[9]) == (2, 1)
            os.write(end, rtu_frame(3, READ))
            assert await received(end, 1, within_s=0.3) == b""


async def test_a_request_may_come_in_pieces_but_not_with_a_pause(tmp_path: Path) -> None:
    async with line_at(tmp_path / "tty0", meter(HandClock())):
        with opened(tmp_path / "tty0") as end:
            frame = rtu_frame(1, READ)
            os.write(end, frame[:4])
            await asyncio.sleep(0.01)
            os.write(end, frame[4:])
            assert len(await received(end, 9)) == 9
            os.write(end, frame[:4])
            await asyncio.sleep(0.3)
            os.write(end, frame[4:])
            assert await received(end, 1, within_s=0.3) == b""
            os.write(end, frame)
            assert len(await received(end, 9)) == 9


async def test_a_pace_makes_the_bytes_take_their_time(tmp_path: Path) -> None:
    async with line_at(tmp_path / "tty0", meter(HandClock()), baud=1200):
        with opened(tmp_path / "tty0") as end:
            sent_s = time.monotonic()
            os.write(end, rtu_frame(1, READ))
            assert len(await received(end, 9)) == 9
            # 8 bytes asked and 9 answered, 11 bits each.
            assert time.monotonic() - sent_s >= 17 * 11 / 1200


async def test_a_line_goes_away_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tty0"
    async with line_at(path, meter(HandClock())) as line:
        with opened(path) as end:
            await line.close()
            assert not path.is_symlink()
            with pytest.raises(OSError, match="Input/output error"):
                os.write(end, b"\x01")
        await line.open()
        with opened(path) as end:
            os.write(end, rtu_frame(1, READ))
            assert len(await received(end, 9)) == 9
    assert not path.is_symlink()


async def test_a_late_reply_does_not_cross_a_restart(tmp_path: Path) -> None:
    late = Fault(FaultKind.LATE, NOON_MS, delay_ms=200)
    async with line_at(tmp_path / "tty0", meter(HandClock(), late)) as line:
        with opened(tmp_path / "tty0") as end:
            os.write(end, rtu_frame(1, READ))
            await asyncio.sleep(0.05)
        await line.close()
        await line.open()
        with opened(tmp_path / "tty0") as end:
            assert await received(end, 1, within_s=0.5) == b""


async def test_a_link_left_by_a_killed_bench_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tty0").symlink_to("/dev/pts/4096")
    async with line_at(tmp_path / "tty0", meter(HandClock())):
        with opened(tmp_path / "tty0") as end:
            os.write(end, rtu_frame(1, READ))
            assert len(await received(end, 9)) == 9


async def test_a_file_in_the_way_is_left_alone_and_told(tmp_path: Path) -> None:
    (tmp_path / "tty0").write_text("precious")
    with pytest.raises(Rejected, match="a file stands where the link"):
        await SerialLine(tmp_path / "tty0", {}).open()
    assert (tmp_path / "tty0").read_text() == "precious"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot make the line: File exists"):
        await SerialLine(tmp_path / "file" / "tty0", {}).open()


async def test_a_client_that_never_reads_does_not_stop_the_bench(tmp_path: Path) -> None:
    async with line_at(tmp_path / "tty0", meter(HandClock())) as line:
        with opened(tmp_path / "tty0") as end:
            for _ in range(60):
                os.write(end, rtu_frame(1, struct.pack(">BHH", 4, 0, 80)))
                await asyncio.sleep(0)
        one = next(iter(line.meters.values()))
        await eventually(lambda: one.requests == 60)
