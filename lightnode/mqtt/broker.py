"""The broker over MQTT 5 or 3.1.1, behind the port; what goes wrong is translated here."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.errors import Refused, Unavailable
from ledger.facts import topics
from ledger.signing import read_secret
from ledger.tls import Tls, cut, meaning
from lightnode.mqtt.connection import (
    Connection,
    ConnectionCut,
    ConnectionDeclined,
    ConnectionGone,
    opened,
)
from lightnode.mqtt.packets import FAILED_FROM, MQTT_3_1_1, MQTT_5, Version

Protocol = Literal["5", "3.1.1"]
Translation = Callable[[], contextlib.AbstractContextManager[None]]

_VERSIONS: dict[Protocol, Version] = {"5": MQTT_5, "3.1.1": MQTT_3_1_1}
_QOS = 1
_NOT_AUTHORISED = frozenset({4, 5, 134, 135})
_MAX_KEEPALIVE_S = 65_535


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The MQTT broker between this node and the gateway; with `tls` nothing else is spoken."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Protocol = "5"
    username: str | None = None
    password_file: Path | None = None
    tls: Tls | None = None
    keepalive_s: int = 30
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.port <= 65_535:  # noqa: PLR2004 -- the ports there are
            raise ValueError(f"port must be 1 … 65535, not {self.port}")
        if not 1 <= self.keepalive_s <= _MAX_KEEPALIVE_S:
            raise ValueError(f"keepalive_s must be 1 … {_MAX_KEEPALIVE_S}, not {self.keepalive_s}")

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


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
        settings = self._settings
        password, tls = self._password(), settings.tls.context() if settings.tls else None
        with self._translated():
            connection = await opened(
                settings.host,
                settings.port,
                version=_VERSIONS[settings.protocol],
                tls=tls,
                timeout_s=settings.timeout_s,
            )
        try:
            with self._translated():
                await connection.log_in(
                    f"cf-{self._node_index}",
                    keepalive_s=settings.keepalive_s,
                    username=settings.username,
                    password=password,
                )
                await self._subscribe(connection)
            yield MqttSession(connection, self._translated)
        finally:
            await connection.close()

    async def _subscribe(self, connection: Connection) -> None:
        if not await connection.subscribe(topics.receipt_topic(self._node_index), qos=_QOS):
            raise Refused(
                "the broker refuses the subscription to the receipts",
                where=str(self._settings),
                remedy="check the broker's access rules for this node",
            )

    def _password(self) -> bytes | None:
        file = self._settings.password_file
        return read_secret(file, what="password").strip() if file else None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ConnectionDeclined as error:
            raise self._declined(error) from error
        except ConnectionGone as error:
            raise self._gone(error) from error

    def _gone(self, error: ConnectionGone) -> Refused | Unavailable:
        where, tls = str(self._settings), self._settings.tls
        failure = cut(tls) if isinstance(error, ConnectionCut) else meaning(str(error))
        if failure is None:
            return Unavailable(
                f"the broker is away ({error})",
                where=where,
                remedy="check host and port in [broker], and that the broker runs",
            )
        kind = Refused if failure.is_refusal else Unavailable
        return kind(failure.what, where=where, remedy=failure.remedy)

    def _declined(self, error: ConnectionDeclined) -> Refused | Unavailable:
        if error.code in _NOT_AUTHORISED:
            return Refused(
                "the broker does not let this node in",
                where=str(self._settings),
                remedy="check username and password_file, or the certificate, in [broker]",
            )
        return Unavailable(
            f"the broker declines the connection (reason {error.code})",
            where=str(self._settings),
            remedy=f"check that it speaks MQTT {self._settings.protocol}: protocol in [broker]",
        )


class MqttSession:
    """One connection (`Session` in lightnode.ports)."""

    def __init__(self, connection: Connection, translated: Translation) -> None:
        self._connection = connection
        self._translated = translated

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Hand a message to the broker; with QoS 1 it has said that it has it.

        Raises:
            Unavailable: the broker went away.
            Refused: it does not take the message.
        """
        with self._translated():
            code = await self._connection.publish(topic, payload, qos=qos)
        if code >= FAILED_FROM:
            raise Refused(
                f"the broker does not take a message on {topic} (reason {code})",
                remedy="check the broker's access rules for this node",
            )

    async def messages(self) -> AsyncIterator[bytes]:
        """Return the receipts as they come; each is acknowledged when the next is asked for.

        Raises:
            Unavailable: the broker went away.
        """
        with self._translated():
            async for message in self._connection.messages():
                yield message.payload
