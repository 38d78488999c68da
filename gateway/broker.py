"""The embedded MQTT broker: for demos on a machine without any server, in a process of its own.

It speaks MQTT 3.1.1, carries about 1,000 messages a second, knows no access rules, and forgets
everything when it ends. Nothing is lost by that: light nodes keep what has no signed receipt.
For anything else use mosquitto.
"""

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from amqtt.broker import Broker

LIMITS = "about 1,000 messages/s, MQTT 3.1.1, no access rules, keeps nothing"
_LONGEST_FAREWELL_S = 2.0

log = logging.getLogger("gateway")


async def serve(host: str, port: int, *, only_try: bool = False) -> None:
    """Serve MQTT on an address until SIGTERM or SIGINT, or only try whether that is possible.

    Raises:
        Unavailable: the address is taken or not this machine's.
    """
    # Imported here: only this process needs it.
    from amqtt.broker import Broker  # noqa: PLC0415
    from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType  # noqa: PLC0415
    from amqtt.errors import BrokerError  # noqa: PLC0415

    # It reports every client that leaves without a word as an error of its own.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    listener = ListenerConfig(type=ListenerType.TCP, bind=f"{host}:{port}")
    broker = Broker(
        BrokerConfig(
            listeners={"default": listener},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise Unavailable(
            f"the broker cannot listen ({error})",
            where=f"{host}:{port}",
            remedy="choose another --port",
        ) from error
    if only_try:
        await _shut_down(broker)
        return
    log.warning("gateway.demo_broker", extra={"host": host, "port": port, "limits": LIMITS})
    await _told_to_stop()
    await _shut_down(broker)


async def _shut_down(broker: "Broker") -> None:
    """End without waiting long for clients that do not let go: nothing is kept anyway."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST_FAREWELL_S):
            await broker.shutdown()


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
