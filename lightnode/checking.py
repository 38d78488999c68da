"""`lightnode check`: is everything there that a node needs; each answer with what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ledger.errors import CertiflexError, Rejected, Unavailable
from lightnode.agent import clock_watch_of, meter_of
from lightnode.config import Settings
from lightnode.enrolment import load_credentials
from lightnode.errors import MeterFault
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import load_profile
from lightnode.mqtt import MqttBroker
from lightnode.outbox import SqliteOutbox
from lightnode.ports import Measurement


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `detail` says what was found, or what is wrong and what to do."""

    what: str
    is_ok: bool
    detail: str


async def check(settings: Settings, timeout_s: float) -> list[Finding]:
    """Return what was found, each with at most `timeout_s` of waiting."""
    looks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("keys and grant", lambda: _keys(settings)),
        ("outbox", lambda: _outbox(settings)),
        ("meter", lambda: _meter(settings, timeout_s)),
        ("broker", lambda: _broker(settings, timeout_s)),
        ("clock", lambda: _clock(settings)),
    ]
    return [await _finding(what, look) for what, look in looks]


async def read_meter(settings: Settings, timeout_s: float) -> tuple[ModbusMeter, Measurement]:
    """Return a reading of the meter, and the meter.

    Raises:
        MeterFault: it gives none.
        Rejected: it speaks, but with another kind of frames than configured.
    """
    profile = load_profile(settings.meter.profile)
    meter = meter_of(settings.meter, profile)
    try:
        return meter, await meter.read(timeout_s)
    except MeterFault:
        await _try_other_framing(settings, meter, timeout_s)
        raise
    finally:
        await meter.close()


async def serial_number(settings: Settings, timeout_s: float) -> int | None:
    """Return the serial number that the meter gives, None if it gives none."""
    meter = meter_of(settings.meter, load_profile(settings.meter.profile))
    try:
        return await meter.identify(timeout_s)
    except MeterFault:
        return None
    finally:
        await meter.close()


async def _try_other_framing(settings: Settings, meter: ModbusMeter, timeout_s: float) -> None:
    """Ask once more with the other kind of frames, and say so if that is the one.

    Raises:
        Rejected: it is.
    """
    other = meter.address.other_framing()
    if other is None:
        return
    profile = load_profile(settings.meter.profile)
    second = ModbusMeter(profile, other, unit=settings.meter.unit)
    try:
        await second.read(timeout_s)
    except MeterFault:
        return
    finally:
        await second.close()
    names = {"tcp": "Modbus TCP", "rtu+tcp": "RTU over TCP"}
    raise Rejected(
        f"speaks {names[other.scheme]}, not {names[meter.address.scheme]}",
        where=str(meter.address),
        remedy=f'write address = "{other}" in [meter]',
        reason="wrong_framing",
    )


async def _finding(what: str, look: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, is_ok=True, detail=await look())
    except CertiflexError as error:
        return Finding(what, is_ok=False, detail=str(error))


async def _keys(settings: Settings) -> str:
    grant = load_credentials(settings.node.folder).grant
    return f"node {grant.node_index} of {grant.origin}, windows of {grant.window_s} s"


async def _outbox(settings: Settings) -> str:
    if not (settings.node.folder / "outbox.db").exists():
        return "none yet; the first run makes it"
    outbox = SqliteOutbox(settings.node.folder, capacity=settings.node.capacity)
    try:
        kept, waiting = await outbox.load(), await outbox.waiting()
    finally:
        await outbox.close()
    return f"{waiting} segments wait, next sequence {kept.tail.next_sequence}"


async def _meter(settings: Settings, timeout_s: float) -> str:
    meter, measured = await read_meter(settings, timeout_s)
    serial = await serial_number(settings, timeout_s)
    told = f"serial number {serial}" if serial is not None else "no serial number"
    return f"{meter.address} answers: {measured.power_w} W, {told}"


async def _broker(settings: Settings, timeout_s: float) -> str:
    node_index = load_credentials(settings.node.folder).grant.node_index
    broker = MqttBroker(settings.broker, node_index)
    try:
        async with asyncio.timeout(timeout_s), broker.session():
            return f"{settings.broker} lets node {node_index} in"
    except TimeoutError as error:
        raise Unavailable(
            f"does not answer within {timeout_s:g} s",
            where=str(settings.broker),
            remedy="check host and port in [broker], and that the broker runs",
        ) from error


async def _clock(settings: Settings) -> str:
    state = clock_watch_of(settings.clock).state()
    if state.synchronised:
        return f"right within {state.error_ms} ms"
    raise Unavailable(
        "is not synchronised; readings will be flagged",
        where="the machine's clock",
        remedy="start chrony or systemd-timesyncd; or give your word with trusted_error_ms",
    )
