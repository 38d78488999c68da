"""The broker over MQTT 5 or 3.1.1, behind the port: aiomqtt, its errors translated."""

import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiomqtt import Client, MqttError, ProtocolVersion
from aiomqtt.exceptions import MqttConnectError

from ledger.errors import Refused, Rejected, Unavailable
from ledger.facts import topics
from ledger.signing import read_secret

Protocol = Literal["5", "3.1.1"]
Translation = Callable[[], contextlib.AbstractContextManager[None]]

_QOS = 1
_RECEIPTS_QUEUED = 256
_NOT_AUTHORISED = frozenset({4, 5, 134, 135})
_SUBSCRIPTION_FAILED = 0x80

# aiomqtt and paho repeat in their own words what we tell once.
_QUIET = logging.getLogger("lightnode.mqtt.library")
_QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The MQTT broker between this node and the gateway."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Protocol = "5"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.port <= 65_535:  # noqa: PLR2004 -- the ports there are
            raise ValueError(f"port must be 1 … 65535, not {self.port}")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        if self.certificate_file and not self.ca_file:
            raise ValueError("certificate_file needs ca_file, or the broker is not verified")

    def __str__(self) -> str:
        return f"mqtt{'s' if self.ca_file else ''}://{self.host}:{self.port}"


class MqttBroker:
    """The broker (`Broker` in lightnode.ports), for one node.

    Args:
        settings: where it is and how to get in.
        node_index: names the client and its receipts.
    """

    def __init__(self, settings: BrokerSettings, node_index: int) -> None:
        self._settings = settings
        self._node_index = node_index

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator["MqttSession"]:
        """Connect, subscribe to the receipts, and hang up at the end.

        Raises:
            Unavailable: the broker cannot be reached, or went away.
            Refused: it does not let us in.
            Rejected: a file of the configuration cannot be used.
        """
        client = self._client()
        with self._translated():
            await client.__aenter__()
        try:
            await self._subscribe(client)
            yield MqttSession(client, self._translated)
        finally:
            with contextlib.suppress(Unavailable), self._translated():
                await client.__aexit__(None, None, None)

    async def _subscribe(self, client: Client) -> None:
        with self._translated():
            granted = await client.subscribe(topics.receipt_topic(self._node_index), qos=_QOS)
        if any(_code(each) >= _SUBSCRIPTION_FAILED for each in granted):
            raise Refused(
                "the broker refuses the subscription to the receipts",
                where=str(self._settings),
                remedy="check the broker's access rules for this node",
            )

    def _client(self) -> Client:
        settings = self._settings
        secret = settings.password_file and read_secret(settings.password_file, what="password")
        is_v5 = settings.protocol == "5"
        return Client(
            settings.host,
            settings.port,
            identifier=f"cf-{self._node_index}",
            username=settings.username,
            password=secret.decode().strip() if secret else None,
            protocol=ProtocolVersion.V5 if is_v5 else ProtocolVersion.V311,
            clean_session=None if is_v5 else True,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            tls_context=self._tls_context(),
            max_queued_incoming_messages=_RECEIPTS_QUEUED,
            logger=_QUIET,
        )

    def _tls_context(self) -> ssl.SSLContext | None:
        settings = self._settings
        if not settings.ca_file:
            return None
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
            if settings.certificate_file and settings.key_file:
                context.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise Rejected(
                f"the certificates of the broker's connection cannot be used ({error})",
                where=str(settings.ca_file),
                remedy="check ca_file, certificate_file and key_file in [broker]",
            ) from error
        return context

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except MqttConnectError as error:
            raise self._refused(error) from error
        except (MqttError, OSError, ValueError, TimeoutError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise Unavailable(
                f"the broker is away ({why})",
                where=str(self._settings),
                remedy="check host and port in [broker], and that the broker runs",
            ) from error

    def _refused(self, error: MqttConnectError) -> Refused | Unavailable:
        if _code(error.rc) in _NOT_AUTHORISED:
            return Refused(
                "the broker does not let this node in",
                where=str(self._settings),
                remedy="check username and password_file, or the certificate, in [broker]",
            )
        return Unavailable(
            f"the broker declines the connection ({error.rc})",
            where=str(self._settings),
            remedy=f"check that it speaks MQTT {self._settings.protocol}: protocol in [broker]",
        )


class MqttSession:
    """One connection (`Session` in lightnode.ports)."""

    def __init__(self, client: Client, translated: Translation) -> None:
        self._client = client
        self._translated = translated

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Hand a message to the broker; with QoS 1 it has said that it has it.

        Raises:
            Unavailable: the broker went away.
        """
        with self._translated():
            await self._client.publish(topic, payload, qos=qos)

    async def messages(self) -> AsyncIterator[bytes]:
        """Return the receipts as they come.

        Raises:
            Unavailable: the broker went away.
        """
        with self._translated():
            async for message in self._client.messages:
                if isinstance(message.payload, bytes):
                    yield message.payload


def _code(code: object) -> int:
    """Return the number of a reason code, which is an object in MQTT 5."""
    value = getattr(code, "value", code)
    return value if isinstance(value, int) else 0
