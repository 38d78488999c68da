"""One connection to a broker: packets in and out, kept alive, closed at the first fault."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from lightnode.mqtt import packets
from lightnode.mqtt.packets import Kind, MalformedPacket, Packet, Publication, Version

_MESSAGES_HELD = 64
_LARGEST_PACKET_BYTES = 1 << 20
_LARGEST_ID = 0xFFFF
_PATIENCE_KEEPALIVES = 1.5
_HUNG_UP = (ConnectionResetError, BrokenPipeError, EOFError, ssl.SSLEOFError)


class ConnectionDeclined(Exception):
    """The broker answered, and does not let us in."""

    def __init__(self, code: int) -> None:
        super().__init__(f"reason {code}")
        self.code = code


class ConnectionGone(Exception):
    """The connection ended, or never came about."""


class ConnectionCut(ConnectionGone):
    """The other side was there, and hung up before it had answered anything."""


class Connection:
    """A connection that `opened` gives; every method raises ConnectionGone once it is gone.

    Messages are acknowledged when the next one is asked for: what was taken and not dealt with
    when the program dies is the broker's to deliver again.
    """

    def __init__(
        self,
        version: Version,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        timeout_s: float,
    ) -> None:
        self._version = version
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._messages: asyncio.Queue[Publication | None] = asyncio.Queue(_MESSAGES_HELD)
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._last_id = 0
        self._heard_s = asyncio.get_running_loop().time()
        self._why = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def log_in(
        self,
        client_id: str,
        *,
        keepalive_s: int,
        username: str | None,
        password: bytes | None,
    ) -> None:
        """Say who we are, and begin to listen.

        Raises:
            ConnectionDeclined: the broker says no.
        """
        self._write(
            packets.connect(
                self._version,
                client_id,
                keepalive_s=keepalive_s,
                username=username,
                password=password,
            )
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._read_packet()
            code = packets.connack_code(answer.body)
        except (OSError, EOFError, MalformedPacket) as error:
            raise _unanswered(error) from error
        if answer.kind != Kind.CONNACK:
            raise ConnectionGone("what answers is no MQTT broker")
        if code:
            raise ConnectionDeclined(code)
        self._tasks = [
            asyncio.create_task(self._listen(), name="mqtt listen"),
            asyncio.create_task(self._keep_alive(keepalive_s), name="mqtt keep alive"),
        ]

    async def subscribe(self, topic_filter: str, *, qos: int) -> bool:
        """Ask for messages; return whether the broker will send them."""
        packet_id = self._next_id()
        packet = packets.subscribe(self._version, packet_id, topic_filter, qos=qos)
        return await self._answer(packet_id, packet) < packets.FAILED_FROM

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> int:
        """Send a message; return the broker's reason code, 0 at once where it sends none."""
        if qos == 0:
            self._write(packets.publish(self._version, topic, payload, packet_id=None))
            await self._drained()
            return 0
        packet_id = self._next_id()
        packet = packets.publish(self._version, topic, payload, packet_id=packet_id)
        return await self._answer(packet_id, packet)

    async def messages(self) -> AsyncIterator[Publication]:
        """Return the messages as they come."""
        while not (self._why and self._messages.empty()):
            message = await self._messages.get()
            if message is None:
                break
            yield message
            if message.packet_id is not None:
                self._write(packets.puback(message.packet_id))
        raise ConnectionGone(self._why)

    async def close(self) -> None:
        """Say goodbye if anybody listens, and close."""
        if not self._why:
            with contextlib.suppress(ConnectionGone):
                self._write(packets.disconnect())
        self._end("closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._writer.wait_closed()

    async def _answer(self, packet_id: int, packet: bytes) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[packet_id] = answer
        try:
            self._write(packet)
            await self._drained()
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError as error:
            self._end(f"no answer within {self._timeout_s:g} s")
            raise ConnectionGone(self._why) from error
        finally:
            self._waiting.pop(packet_id, None)

    def _write(self, packet: bytes) -> None:
        if self._why:
            raise ConnectionGone(self._why)
        self._writer.write(packet)

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._writer.drain()
        except OSError as error:
            self._end(_told(error))
            raise ConnectionGone(self._why) from error

    async def _listen(self) -> None:
        try:
            while True:
                await self._take(await self._read_packet())
        except (OSError, EOFError, MalformedPacket) as error:
            self._end(_told(error))

    async def _take(self, packet: Packet) -> None:
        match packet.kind:
            case Kind.PUBLISH:
                # A slow consumer stops the reading, and so the broker, not the memory.
                await self._messages.put(packets.publication(self._version, packet))
            case Kind.PUBACK:
                self._resolve(*packets.acknowledged(packet.body))
            case Kind.SUBACK:
                packet_id, codes = packets.granted(self._version, packet.body)
                self._resolve(packet_id, max(codes, default=packets.FAILED_FROM))
            case Kind.PINGRESP:
                return
            case Kind.DISCONNECT:
                code = packets.disconnect_code(packet.body)
                raise MalformedPacket(f"the broker hung up, reason {code}")
            case kind:
                raise MalformedPacket(f"a packet of kind {kind}")

    async def _read_packet(self) -> Packet:
        first = (await self._reader.readexactly(1))[0]
        length = b""
        while (found := packets.read_varint(length)) is None:
            length += await self._reader.readexactly(1)
        if found[0] > _LARGEST_PACKET_BYTES:
            raise MalformedPacket(f"a packet of {found[0]} bytes")
        body = await self._reader.readexactly(found[0])
        self._heard_s = asyncio.get_running_loop().time()
        return Packet(first >> 4, first & 0x0F, body)

    async def _keep_alive(self, keepalive_s: int) -> None:
        """Ask for a sign of life at every half of the time; give up on one and a half of it."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._why:
            due_s += keepalive_s / 2
            await asyncio.sleep(due_s - loop.time())
            if loop.time() - self._heard_s > _PATIENCE_KEEPALIVES * keepalive_s:
                self._end("the broker fell silent")
            else:
                with contextlib.suppress(ConnectionGone):
                    self._write(packets.ping())

    def _resolve(self, packet_id: int, code: int) -> None:
        answer = self._waiting.get(packet_id)
        if answer and not answer.done():
            answer.set_result(code)

    def _next_id(self) -> int:
        self._last_id = self._last_id % _LARGEST_ID + 1
        return self._last_id

    def _end(self, why: str) -> None:
        """Let everybody who waits know that it is over."""
        if self._why:
            return
        self._why = why
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionGone(why))
        with contextlib.suppress(asyncio.QueueFull):
            self._messages.put_nowait(None)


async def opened(
    host: str, port: int, *, version: Version, tls: ssl.SSLContext | None, timeout_s: float
) -> Connection:
    """Return a connection on which nothing has been said yet.

    Raises:
        ConnectionGone: there is nobody, or not the one the certificate names.
        ConnectionCut: somebody is there, and hangs up.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except OSError as error:
        raise _unanswered(error) from error
    return Connection(version, reader, writer, timeout_s)


def _unanswered(error: Exception) -> ConnectionGone:
    is_cut = isinstance(error, _HUNG_UP)
    return ConnectionCut("it hung up") if is_cut else ConnectionGone(_told(error))


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, EOFError):
        return "it hung up"
    return " ".join(str(error).split()) or type(error).__name__
