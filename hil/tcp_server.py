"""Meters behind a TCP port: each connection is read frame by frame, without a task of its own."""

import asyncio
import logging
from collections.abc import Mapping

from hil.framing import MBAP_LENGTH, Request, exception_pdu, mbap_header, tcp_frame
from hil.meter import Meter, Reply
from ledger.errors import Unavailable

_TARGET_FAILED_TO_RESPOND = 0x0B
_log = logging.getLogger("hil")


class TcpServer:
    """The meters of one TCP port, told apart by their unit, as behind a gateway.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        meters: the meters by unit.
    """

    def __init__(self, host: str, port: int, meters: Mapping[int, Meter]) -> None:
        self.meters = meters
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def address(self) -> str:
        """Return where to reach it, as ``tcp HOST:PORT``."""
        return f"tcp {self._host}:{self._port}"

    async def open(self) -> None:
        """Start to listen.

        Raises:
            Unavailable: the port is taken or may not be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self.meters, self._connections), self._host, self._port
            )
        except OSError as error:
            raise Unavailable(
                f"cannot listen: {error.strerror}",
                where=self.address,
                remedy="stop the program that holds the port, or change `tcp` of the meter",
            ) from error
        # A port taken by chance is kept over a restart.
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection at once."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        self._server = None


class _Connection(asyncio.Protocol):
    def __init__(self, meters: Mapping[int, Meter], register: "set[_Connection]") -> None:
        self._meters = meters
        self._register = register
        self._pending = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._register.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._register.discard(self)

    def pause_writing(self) -> None:
        # A client that asks and never reads is dropped before its replies fill the memory.
        self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= MBAP_LENGTH:
            header = mbap_header(bytes(self._pending[:MBAP_LENGTH]))
            if header is None:
                _log.warning(
                    "hil.not_modbus_tcp", extra={"head": self._pending[:MBAP_LENGTH].hex()}
                )
                self.abort()
                return
            end = MBAP_LENGTH + header.pdu_length
            if len(self._pending) < end:
                return
            pdu = bytes(self._pending[MBAP_LENGTH:end])
            del self._pending[:end]
            self._answer(Request(header.unit, pdu, header.transaction))

    def _answer(self, request: Request) -> None:
        meter = self._meters.get(request.unit)
        reply = _unknown_unit(request) if meter is None else meter.reply_tcp(request)
        if reply is None:
            return
        if reply.delay_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(reply.delay_ms / 1000, self._send, reply.frame)
        else:
            self._send(reply.frame)

    def _send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)


def _unknown_unit(request: Request) -> Reply:
    pdu = exception_pdu(request.pdu[0], _TARGET_FAILED_TO_RESPOND)
    return Reply(tcp_frame(request.transaction, request.unit, pdu))
