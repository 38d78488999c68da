"""A line to the meter: bytes out, bytes in, over TCP or a serial port."""

import asyncio
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from serial import Serial, SerialException

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
_CHUNK_BYTES = 1_024


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


class Line(ABC):
    """One connection; what arrives waits in order until it is taken."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS_KEPT)
        self.lost = False

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a line that is lost."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

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

    def arrived(self, data: bytes) -> None:
        """Keep what came; of a babbling line only the newest."""
        if self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(data)

    def end(self) -> None:
        """Take note that the line is lost; whoever waits is woken with no bytes."""
        if not self.lost:
            self.lost = True
            self.arrived(b"")


class TcpLine(Line, asyncio.Protocol):
    """A line over TCP."""

    def __init__(self) -> None:
        super().__init__()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _exc: Exception | None) -> None:
        """Take note that it is gone."""
        self.end()

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self.arrived(data)

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a line that is lost."""
        if self._transport and not self.lost:
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.close()
        self.end()


class SerialLine(Line):
    """A line over a serial port, which this process has for itself."""

    def __init__(self, device: str, settings: SerialSettings) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._port = Serial(
            device,
            baudrate=settings.baud,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
        self._loop.add_reader(self._port.fileno(), self._readable)

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens on a line that is lost."""
        if not self.lost:
            try:
                self._port.write(data)
            except OSError:
                self.close()

    def close(self) -> None:
        """Close the port."""
        if not self.lost:
            self._loop.remove_reader(self._port.fileno())
            self._port.close()
            self.end()

    def _readable(self) -> None:
        try:
            data = self._port.read(_CHUNK_BYTES)
        except OSError:
            self.close()
        else:
            self.arrived(data) if data else None


async def open_line(address: LineAddress, settings: SerialSettings, until_s: float) -> Line:
    """Return a connected line.

    Raises:
        MeterFault: METER_TIMEOUT: there is nobody at the address, or the port cannot be used.
    """
    try:
        if address.scheme == "rtu":
            return SerialLine(address.device, settings)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until_s):
            return (await loop.create_connection(TcpLine, address.host, address.port))[1]
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


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
