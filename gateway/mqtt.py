"""The uplink over MQTT: paho behind the port, acknowledged by hand, in the gateway's own loop."""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config import BrokerConfig
from gateway.errors import BrokerAway
from gateway.ports import Message
from ledger.errors import Rejected
from ledger.facts import topics
from ledger.patience import Patience
from ledger.signing import read_secret
from ledger.tls import Failure, Tls, cut, meaning

_CONNECT_TIMEOUT_S = 5.0
_MISC_PERIOD_S = 1.0
_READ_AHEAD_BYTES = 1 << 16
_QUEUED_PUBLICATIONS = 100_000
_HUNG_UP = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class _Token:
    """A delivery: acknowledged on the connection it came by, or not at all."""

    client: Client
    mid: int
    qos: int


class _ReadAhead:
    """A socket that is read in large pieces, however small those are that paho asks for.

    Paho reads byte by byte where a message begins, and one message for each turn of the event
    loop: four system calls for each, and a fifth to wait for the next.
    """

    def __init__(self, socket: Any) -> None:  # noqa: ANN401 -- paho's, plain or TLS
        self._socket = socket
        self._ahead: bytes = b""
        self._at = 0
        self.send = socket.send
        self.close = socket.close
        self.fileno = socket.fileno
        self.setblocking = socket.setblocking

    def recv(self, most: int) -> bytes:
        """Return up to `most` bytes; none at the end of the stream.

        Raises:
            OSError: what the socket raises, also when it would block.
        """
        if self._at == len(self._ahead):
            self._ahead, self._at = self._socket.recv(_READ_AHEAD_BYTES), 0
        start, self._at = self._at, min(self._at + most, len(self._ahead))
        return self._ahead[start : self._at]

    def pending(self) -> int:
        """Return how many bytes are here already, so that no selector would tell of them."""
        # Asked for more than a TLS record holds, TLS keeps nothing decrypted behind.
        return len(self._ahead) - self._at


class _Client(Client):
    """Paho's client on a socket that reads ahead; it puts in its own web sockets in this place."""

    def _create_socket(self) -> _ReadAhead:
        return _ReadAhead(super()._create_socket())


class _Lane:
    """Messages that wait for their task, up to a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()

    def put(self, message: Message) -> bool:
        """Keep a message; False if there is no room."""
        if len(self._messages) >= self._most:
            return False
        self._messages.append(message)
        self._arrived.set()
        return True

    async def take(self, most: int) -> list[Message]:
        """Return at least one message and at most `most`, oldest first."""
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]


class MqttUplink:
    """The port `Uplink` over MQTT 5 or 3.1.1; `run` keeps it connected."""

    def __init__(self, config: BrokerConfig, *, client_id: str | None = None) -> None:
        self._config = config
        self._client_id = client_id or config.client_id
        self._segments = _Lane(config.held_messages)
        self._live = _Lane(config.held_messages)
        self._client: Client | None = None
        self._patience = Patience("broker", log, longest_s=config.longest_pause_s)
        self.let_go = 0

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker answers and has accepted the subscriptions."""
        return self._client is not None

    async def segments(self, most: int) -> list[Message]:
        """Return the next messages of both segment lanes: at least one, at most `most`."""
        return await self._segments.take(most)

    async def live(self, most: int) -> list[Message]:
        """Return the next unsigned live records: at least one, at most `most`."""
        return await self._live.take(most)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget messages; harmless when the connection has changed since."""
        for message in messages:
            token = message.token
            if isinstance(token, _Token) and token.client is self._client:
                token.client.ack(token.mid, token.qos)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a message with QoS 1."""
        if self._client is None:
            raise BrokerAway("the broker is away", where=self._address())
        sent = self._client.publish(topic, payload, qos=1)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerAway(f"the message was not taken ({sent.rc.name})", where=self._address())

    async def run(self) -> None:
        """Stay connected until cancelled: away is said once, back once, pauses have jitter.

        Files that are spoilt while it runs, as halfway through a renewal, are waited for.

        Raises:
            Rejected: a password, key or certificate cannot be used from the start.
        """
        self._new_client()
        while True:
            try:
                async with self.connected() as closed:
                    self._patience.back()
                    log.info("gateway.connected", extra={"broker": self._address()})
                    await closed
            except (BrokerAway, Rejected) as error:
                await self._patience.wait_out(error)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.Future[None]]:
        """Connect and subscribe; the future that is given ends with `BrokerAway`.

        Raises:
            BrokerAway: no connection within five seconds, or the broker said no.
            Rejected: a password, key or certificate cannot be used.
        """
        connection = _Connection(self._new_client(), self._address(), self._config.tls)
        connection.client.on_message = self._on_message
        try:
            await connection.open(self._config, self._connect_properties())
            self._client = connection.client
            yield connection.closed
        finally:
            self._client = None
            connection.close()

    def _on_message(self, client: Client, _: Any, received: MQTTMessage) -> None:  # noqa: ANN401 -- paho's
        try:
            topic = received.topic
        except UnicodeDecodeError:
            topic = ""
        is_live = topic.endswith("/live")
        message = Message(
            topic, bytes(received.payload), _Token(client, received.mid, received.qos)
        )
        if not (self._live if is_live else self._segments).put(message):
            # Held, it would block the broker's window for good; whoever sent it sends it again.
            self.let_go += 1
            client.ack(received.mid, received.qos)

    def _new_client(self) -> Client:
        config = self._config
        is_v5 = config.protocol == "5"
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if is_v5 else config.session_expiry_s == 0,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(config.inflight)
        client.max_queued_messages_set(_QUEUED_PUBLICATIONS)
        if config.username is not None:
            client.username_pw_set(config.username, self._password())
        if config.tls is not None:
            context = config.tls.context()
            context.sslsocket_class = _Socket
            client.tls_set_context(context)
        return client

    def _password(self) -> str | None:
        file = self._config.password_file
        return None if file is None else read_secret(file, what="password").decode().strip()

    def _connect_properties(self) -> Properties | None:
        if self._config.protocol != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._config.inflight
        if self._config.session_expiry_s:
            properties.SessionExpiryInterval = self._config.session_expiry_s
        return properties

    def _address(self) -> str:
        scheme = "mqtt" if self._config.tls is None else "mqtts"
        return f"{scheme}://{self._config.host}:{self._config.port}"


class _Socket(ssl.SSLSocket):
    """A socket that closes when the handshake fails; paho would leave that to the collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- ssl's own
        """Shake hands."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class _Connection:
    """One connection of one paho client, driven by the event loop."""

    def __init__(self, client: Client, address: str, tls: Tls | None) -> None:
        self.client = client
        self._address = address
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._file = -1
        self._misc: asyncio.TimerHandle | None = None
        self._fault = ""
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log

    async def open(self, config: BrokerConfig, properties: Properties | None) -> None:
        """Connect, be accepted, subscribe."""
        is_v5 = config.protocol == "5"
        started: dict[str, Any] = {"keepalive": config.keepalive_s}
        if is_v5:
            started |= {"clean_start": config.session_expiry_s == 0, "properties": properties}
        try:
            await asyncio.to_thread(self.client.connect, config.host, config.port, **started)
        except _HUNG_UP as error:
            raise self._away(cut(self._tls)) from error
        except (OSError, ValueError) as error:
            raise self._away(f"no connection ({error})") from error
        self._attach()
        await self._within(self._accepted, "the broker does not answer the connection")
        lanes = [(topics.SEGMENT_FILTER, 1), (topics.BACKFILL_FILTER, 1), (topics.LIVE_FILTER, 0)]
        self.client.subscribe(lanes)
        await self._within(self._subscribed, "the broker does not answer the subscription")
        # From here on paho would put every message into words for it.
        self.client.on_log = None

    def close(self) -> None:
        """Let go of the socket; what was not acknowledged comes again."""
        self._detach()
        for future in (self._accepted, self._subscribed, self.closed):
            if not future.cancel() and not future.cancelled():
                future.exception()
        self.client.on_disconnect = None
        if (socket := self.client.socket()) is not None:
            self.client.disconnect()
            # Without its loop paho would leave the socket open until it is collected.
            socket.close()

    def _attach(self) -> None:
        socket = self.client.socket()
        if socket is None:
            self._end(cut(self._tls))
            return
        self._file = socket.fileno()
        self._loop.add_reader(self._file, self._readable)
        self.client.on_socket_register_write = self._on_register_write
        self.client.on_socket_unregister_write = self._on_unregister_write
        if self.client.want_write():
            self._loop.add_writer(self._file, self._writable)
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._look_after)

    def _detach(self) -> None:
        if self._misc is not None:
            self._misc.cancel()
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            self._loop.remove_writer(self._file)
            self._file = -1

    def _readable(self) -> None:
        with self._ended_by_errors():
            self.client.loop_read()
            # What was read ahead makes no socket readable.
            while isinstance(ahead := self.client.socket(), _ReadAhead) and ahead.pending():
                self.client.loop_read()

    def _writable(self) -> None:
        with self._ended_by_errors():
            self.client.loop_write()

    def _look_after(self) -> None:
        with self._ended_by_errors():
            self.client.loop_misc()
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._look_after)

    @contextlib.contextmanager
    def _ended_by_errors(self) -> Any:  # noqa: ANN401 -- a generator of nothing
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- whatever a broken packet makes of paho
            self._end(f"the broker cannot be understood ({type(error).__name__}: {error})")

    def _on_register_write(self, *_: object) -> None:
        if self._file >= 0:
            self._loop.add_writer(self._file, self._writable)

    def _on_unregister_write(self, *_: object) -> None:
        if self._file >= 0:
            self._loop.remove_writer(self._file)

    def _on_connect(
        self,
        _client: Client,
        _: object,
        _flags: ConnectFlags,
        code: ReasonCode,
        *_rest: object,
    ) -> None:
        if code.is_failure:
            self._end(f"the broker refuses the connection ({code})")
        elif not self._accepted.done():
            self._accepted.set_result(None)

    def _on_subscribe(
        self,
        _client: Client,
        _: object,
        _mid: int,
        codes: list[ReasonCode],
        *_rest: object,
    ) -> None:
        if any(code.is_failure for code in codes):
            self._end("the broker refuses the subscription: its access rules must let the gateway")
        elif not self._subscribed.done():
            self._subscribed.set_result(None)

    def _on_disconnect(
        self,
        _client: Client,
        _: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        *_rest: object,
    ) -> None:
        self._end(self._ended(code))

    def _on_log(self, _client: Client, _: object, level: int, told: str) -> None:
        """Remember the fault, which paho tells nowhere else."""
        if level == LogLevel.MQTT_LOG_ERR:
            self._fault = told

    def _ended(self, code: object) -> Failure | str:
        """Return why the connection ended; before the broker's first answer it was cut."""
        if known := meaning(self._fault):
            return known
        if not self._accepted.done():
            return cut(self._tls)
        return f"the connection ended ({self._fault or code})"

    def _end(self, what: Failure | str) -> None:
        self._detach()
        for future in (self._accepted, self._subscribed, self.closed):
            if not future.done():
                future.set_exception(self._away(what))

    async def _within(self, future: asyncio.Future[None], otherwise: str) -> None:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await future
        except TimeoutError as error:
            raise self._away(otherwise) from error

    def _away(self, why: Failure | str) -> BrokerAway:
        failure = meaning(why) if isinstance(why, str) else why
        if failure is None:
            failure = Failure(str(why), "check broker.host, broker.port and the broker itself")
        return BrokerAway(failure.what, where=self._address, remedy=failure.remedy)
