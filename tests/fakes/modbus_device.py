"""A Modbus device made of nothing but bytes: its frames are written out here by hand.

It misbehaves on command, one trick a request, and counts what it was asked.
"""

import asyncio
import contextlib
import os
import struct
import termios
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Trick = Literal[
    "answer", "silent", "late", "garbage", "bad_crc", "cut", "exception", "nan", "twice", "foreign",
    "hang_up", "zero_transaction",
]  # fmt: skip
Framing = Literal["tcp", "rtu"]


@dataclass
class Device:
    """An Eastron-like meter; `voltage_v` tells which poll a reply was made for.

    `overtaken` counts the replies that went out after a newer request had come.
    """

    unit: int = 1
    framing: Framing = "tcp"
    late_s: float = 0.05
    tricks: Callable[[int], Trick] = lambda _: "answer"
    voltage_v: Callable[[int], float] = lambda _: 230.0
    refuses_from: int = 0x400
    serial_number: int = 20_240_117
    in_order: bool = True
    knows_transactions: bool = True
    asked: int = 0
    overtaken: int = 0
    requests: list[tuple[int, int, int]] = field(default_factory=list)
    _free_s: float = 0.0

    def floats(self) -> dict[int, float]:
        """Return the input registers by address."""
        volts = self.voltage_v(self.asked)
        return {
            0x00: volts, 0x02: volts, 0x04: volts, 0x06: 4.0, 0x08: 4.0, 0x0A: 4.0,
            0x0C: 920.0, 0x18: 12.0, 0x34: 2760.0, 0x3C: 36.0, 0x46: 50.0,
            0x48: 1234.5, 0x4A: 6.25,
        }  # fmt: skip

    def image(self, function: int, address: int, count: int) -> bytes:
        """Return the bytes of registers."""
        if function == 3:
            high, low = divmod(self.serial_number, 1 << 16)
            words = {0x2A: high, 0x2C: low, 0xFC00: high, 0xFC01: low}
            return b"".join(struct.pack(">H", words.get(address + n, 0)) for n in range(count))
        image = bytearray(2 * 0x200)
        for place, value in self.floats().items():
            struct.pack_into(">f", image, 2 * place, value)
        return bytes(image[2 * address : 2 * (address + count)])

    async def serve(self, read: Callable[[], "asyncio.Future[bytes]"], write: "Writer") -> None:
        """Answer requests until the line ends."""
        received = b""
        while chunk := await read():
            received += chunk
            while (request := self._first(received)) is not None:
                frame, received = request
                if not await self._answer(frame, write):
                    return

    def _first(self, received: bytes) -> tuple[bytes, bytes] | None:
        size = 12 if self.framing == "tcp" else 8
        return (received[:size], received[size:]) if len(received) >= size else None

    async def _answer(self, frame: bytes, write: "Writer") -> bool:
        pdu = frame[7:12] if self.framing == "tcp" else frame[1:6]
        unit = frame[6] if self.framing == "tcp" else frame[0]
        function, address, count = struct.unpack(">BHH", pdu)
        if unit != self.unit:
            return True
        self.asked += 1
        self.requests.append((function, address, count))
        trick = self.tricks(self.asked)
        if trick == "hang_up":
            return False
        reply = self._reply(frame, unit, (function, address, count), trick)
        if trick != "silent":
            self._send(reply, write, self.late_s if trick == "late" else 0.0)
        return True

    def _send(self, reply: bytes, write: "Writer", after_s: float) -> None:
        """Send now or later; a device in order holds back whatever comes after a late reply."""
        loop, number = asyncio.get_running_loop(), self.asked

        def late() -> None:
            self.overtaken += self.asked > number
            write(reply)

        due_s = loop.time() + after_s
        if self.in_order:
            due_s = self._free_s = max(due_s, self._free_s)
        if due_s > loop.time():
            loop.call_at(due_s, late)
        else:
            write(reply)

    def _reply(self, frame: bytes, unit: int, asked: tuple[int, int, int], trick: Trick) -> bytes:
        function, address, count = asked
        payload = self.image(function, address, count)
        if trick == "nan":
            payload = struct.pack(">f", float("nan")) + payload[4:]
        pdu = bytes([function, len(payload)]) + payload
        if trick == "exception" or (address + count > self.refuses_from and function == 4):
            pdu = bytes([function | 0x80, 2])
        if trick == "foreign":
            unit += 1
        is_numbered = self.knows_transactions and trick != "zero_transaction"
        transaction = frame[:2] if is_numbered else b"\0\0"
        reply = self._framed(transaction, unit, pdu)
        match trick:
            case "garbage":
                return bytes((byte * 7 + 13) % 256 for byte in reply)
            case "bad_crc":
                return reply[:-1] + bytes([reply[-1] ^ 0x55])
            case "cut":
                return reply[: len(reply) // 2]
            case "twice":
                return reply + reply
            case _:
                return reply

    def _framed(self, transaction: bytes, unit: int, pdu: bytes) -> bytes:
        if self.framing == "tcp":
            return transaction + b"\0\0" + struct.pack(">HB", len(pdu) + 1, unit) + pdu
        body = bytes([unit]) + pdu
        return body + struct.pack("<H", crc16(body))


Writer = Callable[[bytes], None]


def crc16(data: bytes) -> int:
    """Return the Modbus CRC, bit by bit as the specification has it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


@asynccontextmanager
async def listening(device: Device) -> AsyncIterator[int]:
    """Serve a device on a TCP port; yield the port."""
    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def write(data: bytes) -> None:
            if not writer.is_closing():
                writer.write(data)

        task = asyncio.current_task()
        assert task
        serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await device.serve(lambda: asyncio.ensure_future(reader.read(1024)), write)
        finally:
            serving.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def on_a_serial_port(device: Device) -> AsyncIterator[str]:
    """Serve a device on a pseudo-terminal; yield the name of the port."""
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave, termios.TCSANOW)
    os.set_blocking(master, False)
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def readable() -> None:
        with contextlib.suppress(OSError):
            chunks.put_nowait(os.read(master, 1024))

    loop.add_reader(master, readable)
    serving = asyncio.create_task(
        device.serve(lambda: asyncio.ensure_future(chunks.get()), lambda data: _write(master, data))
    )
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        os.close(master)
        os.close(slave)


def _write(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(descriptor, data)
