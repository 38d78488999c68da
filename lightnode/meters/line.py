"""A line to the meter: bytes out, bytes in, over TCP or a serial port."""

import asyncio
import os
import re
from dataclasses import dataclass
from typing import Literal

from pymodbus.transport.serialtransport import create_serial_connection
from serial import SerialException

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.framing import FramingName
from lightnode.meters.profile import Parity

Scheme = Literal["tcp", "rtu+tcp", "rtu"]

_DEFAULT_PORT = 502
_FORMS = "tcp://HOST:PORT (Modbus TCP), rtu+tcp://HOST:PORT (RTU over TCP) or rtu:///dev/ttyUSB0"
_LAST_PORT = 65_535
_ADDRESS = re.compile(
    r"rtu://(/.+)|(tcp|rtu\+tcp)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?"
)
_CHUNKS_KEPT = 64


@dataclass(frozen=True, slots=True)
class LineAddress:
    """Where a meter is: ``tcp://host:port``, ``rtu+tcp://host:port`` or ``rtu:///dev/tty…``."""

    scheme: Scheme
    host: str = ""
    port: int = _DEFAULT_PORT
    device: str = ""

    @classmethod
    def parse(cls, text: str) -> "LineAddress":
        """Return the address that a text names.

        Raises:
            ValueError: it has none of the three forms.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no address of a meter; expected {_FORMS}")
        device, scheme, host, port = match.groups()
        if device:
            return cls("rtu", device=device)
        number = int(port or _DEFAULT_PORT)
        if not 0 < number <= _LAST_PORT:
            raise ValueError(f"{text!r}: port must be 1 … {_LAST_PORT}")
        return cls("tcp" if scheme == "tcp" else "rtu+tcp", host=host.strip("[]"), port=number)

    def __str__(self) -> str:
        if self.scheme == "rtu":
            return f"rtu://{self.device}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def framing(self) -> FramingName:
        """Return how frames look on this line."""
        return "tcp" if self.scheme == "tcp" else "rtu"

    def other_framing(self) -> "LineAddress | None":
        """Return the address with the other kind of frames, where there is one."""
        match self.scheme:
            case "tcp":
                return LineAddress("rtu+tcp", host=self.host, port=self.port)
            case "rtu+tcp":
                return LineAddress("tcp", host=self.host, port=self.port)
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """How a serial port is set."""

    baud: int
    parity: Parity
    stop_bits: int


class Line(asyncio.Protocol):
    """One connection; what arrives waits in order until it is taken."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS_KEPT)
        self._transport: asyncio.Transport | None = None
        self._made = asyncio.Event()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        self._transport = transport  # type: ignore[assignment]
        self._made.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Take note that it is gone; whoever waits is woken with no bytes."""
        self.lost = True
        self._put(b"")

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._put(data)

    async def made(self) -> None:
        """Wait until the connection stands."""
        await self._made.wait()

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a line that is lost."""
        if self._transport and not self.lost:
            self._transport.write(data)

    async def receive(self, until_s: float) -> bytes:
        """Return what came next, b"" when the line is lost.

        Raises:
            TimeoutError: nothing came until `until_s` of the loop's time.
        """
        if self.lost and self._chunks.empty():
            return b""
        async with asyncio.timeout_at(until_s):
            return await self._chunks.get()

    def discard(self) -> int:
        """Drop what has arrived so far; return how many bytes that was."""
        dropped = 0
        while not self._chunks.empty():
            dropped += len(self._chunks.get_nowait())
        return dropped

    def close(self) -> None:
        """Close the connection."""
        if self._transport and not self.lost:
            self.lost = True
            self._transport.close()

    def _put(self, data: bytes) -> None:
        if self._chunks.full():
            # A babbling line: what it said long ago answers nothing we still ask.
            self._chunks.get_nowait()
        self._chunks.put_nowait(data)


async def open_line(address: LineAddress, settings: SerialSettings, until_s: float) -> Line:
    """Return a connected line.

    Raises:
        MeterFault: METER_TIMEOUT: there is nobody at the address, or the port cannot be used.
    """
    loop = asyncio.get_running_loop()
    line = Line()
    try:
        async with asyncio.timeout_at(until_s):
            if address.scheme == "rtu":
                await create_serial_connection(
                    loop,
                    lambda: line,
                    address.device,
                    baudrate=settings.baud,
                    bytesize=8,
                    parity=settings.parity,
                    stopbits=settings.stop_bits,
                    timeout=0,
                )
            else:
                await loop.create_connection(lambda: line, address.host, address.port)
            await line.made()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error
    return line


def _unreachable(address: LineAddress, error: Exception) -> MeterFault:
    if isinstance(error, TimeoutError):
        why = "does not answer"
    elif isinstance(error, SerialException):
        why = f"the serial port cannot be used ({error})"
    else:
        number = getattr(error, "errno", None)
        why = f"cannot be reached ({os.strerror(number) if number and number > 0 else error})"
    remedy = (
        "check the cable, the device name and that no other program holds the port"
        if address.scheme == "rtu"
        else "check host, port and that the meter or converter is on"
    )
    return MeterFault(why, cause=GapCause.METER_TIMEOUT, where=str(address), remedy=remedy)
