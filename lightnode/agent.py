"""The light node as a whole: its parts are introduced to each other here, and only here."""

import asyncio
import contextlib
import hashlib
import logging
import signal
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from ledger.command import release
from ledger.facts.interval import slot_start_ms
from ledger.facts.record import GapCause
from ledger.patience import Patience
from lightnode.clockwatch import KernelClockWatch, TrustedClock
from lightnode.config import MeterSettings, NodeClockSettings, Settings
from lightnode.energy import EnergyWatch
from lightnode.enrolment import Credentials, load_credentials
from lightnode.errors import StoreFailed
from lightnode.health import Health
from lightnode.meters.line import LineAddress
from lightnode.meters.modbus import ModbusMeter
from lightnode.meters.profile import Profile, load_profile
from lightnode.mqtt import MqttBroker
from lightnode.outbox import SqliteOutbox
from lightnode.ports import ClockWatch, Kept, Outbox, Tail
from lightnode.recording import Recorder
from lightnode.sampling import Sampler, Start
from lightnode.sealing import Seal
from lightnode.ticking import Timeline
from lightnode.uplink import Pace, Uplink

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_ID_BYTES = 8
_LONGEST_STORE_PAUSE_S = 10.0

log = logging.getLogger("lightnode")


async def run(settings: Settings, *, boot_id_file: Path = _BOOT_ID) -> None:
    """Run the light node until SIGTERM or SIGINT; then seal what is open, and leave.

    Raises:
        Rejected: configuration, keys or outbox cannot be used.
    """
    credentials = load_credentials(settings.node.folder)
    profile = load_profile(settings.meter.profile)
    boot_id = boot_id_of(boot_id_file)
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        outbox = SqliteOutbox(settings.node.folder, capacity=settings.node.capacity)
        stack.push_async_callback(outbox.close)
        meter = meter_of(settings.meter, profile)
        stack.push_async_callback(meter.close)
        uplink = _uplink(settings, credentials, outbox)
        seal = Seal(credentials.identity, credentials.key, credentials.secret)
        recorder = Recorder(outbox, seal, show=uplink.show, announce=uplink.announce)
        found = await _found(outbox, recorder, stop)
        if found is None:
            return
        kept, tail = found
        uplink.follow(recorder, kept.checkpoint)
        sampler = Sampler(
            meter=meter,
            recorder=recorder,
            timeline=_timeline(settings, tail),
            clock_watch=clock_watch_of(settings.clock),
            energy=_energy_watch(profile),
            budget_ms=settings.meter.budget_ms,
            rate=settings.clock.rate,
            start=_start(kept, boot_id, profile),
        )
        health = Health(
            settings.node.folder,
            clock=settings.clock.clock(),
            tally=sampler.tally,
            uplink=uplink,
            outbox=outbox,
        )
        log.info(
            "lightnode.started",
            extra={
                "node": credentials.grant.node_index,
                "meter": str(meter.address),
                "next_sequence": tail.next_sequence,
            },
        )
        await _work_until(stop, sampler.run(tail.next_slot or 0), uplink.run(), health.run())
        with contextlib.suppress(StoreFailed):
            await recorder.seal_open()
        log.info("lightnode.stopped", extra={"readings": sampler.tally.readings})


def meter_of(settings: MeterSettings, profile: Profile) -> ModbusMeter:
    """Return the meter that the configuration names."""
    return ModbusMeter(
        profile,
        LineAddress.parse(settings.address),
        unit=settings.unit,
        settings=settings.serial(profile.bus),
        serial_number=settings.serial_number,
    )


def clock_watch_of(settings: NodeClockSettings) -> ClockWatch:
    """Return who is asked about the clock: the kernel, unless an operator gave their word."""
    if settings.trusted_error_ms is not None:
        return TrustedClock(settings.trusted_error_ms)
    return KernelClockWatch()


def boot_id_of(file: Path) -> bytes:
    """Return what names this start of the operating system; zeros where nothing does."""
    try:
        return hashlib.sha256(file.read_bytes().strip()).digest()[:_BOOT_ID_BYTES]
    except OSError:
        return bytes(_BOOT_ID_BYTES)


def down_cause(kept: Kept, boot_id: bytes) -> GapCause:
    """Return why there was no program before this one."""
    same_start = kept.boot_id == boot_id != bytes(_BOOT_ID_BYTES)
    return GapCause.PROCESS_DOWN if same_start else GapCause.POWER_OFF


async def _work_until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _found(
    outbox: Outbox, recorder: Recorder, stop: asyncio.Event
) -> tuple[Kept, Tail] | None:
    """Return what the outbox holds; waits for a disk that does not answer, until told to stop."""
    patience = Patience("store", log, longest_s=_LONGEST_STORE_PAUSE_S)
    while not stop.is_set():
        try:
            found = await outbox.load(), await recorder.tail()
        except StoreFailed as error:
            patience.away(error)
            await patience.pause()
        else:
            patience.back()
            return found
    return None


def _timeline(settings: Settings, tail: Tail) -> Timeline:
    """Return the node's time, which is not before the last slot that has a record."""
    covered = tail.last_slot if tail.next_slot is None else max(tail.last_slot, tail.next_slot - 1)
    return Timeline(settings.clock.clock(), not_before_ms=slot_start_ms(covered))


def _energy_watch(profile: Profile) -> EnergyWatch:
    sanity = profile.sanity
    greatest_power_w = round(max(abs(limit_w) for limit_w in sanity.power_w))
    return EnergyWatch(greatest_power_w=greatest_power_w, step_wh=sanity.energy_step_wh)


def _start(kept: Kept, boot_id: bytes, profile: Profile) -> Start:
    return Start(
        boot_id=boot_id,
        software=f"certiflex {release()}",
        profile=profile.name,
        down_cause=down_cause(kept, boot_id),
    )


def _uplink(settings: Settings, credentials: Credentials, outbox: Outbox) -> Uplink:
    grant, uplink = credentials.grant, settings.uplink
    return Uplink(
        node_index=grant.node_index,
        origin=grant.origin,
        gateway_key=credentials.gateway_key,
        outbox=outbox,
        broker=MqttBroker(settings.broker, grant.node_index),
        pace=Pace(
            resend_s=uplink.resend_s,
            in_flight=uplink.in_flight,
            longest_pause_s=uplink.longest_pause_s,
        ),
    )


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Turn SIGTERM and SIGINT into an event, as long as the block lasts."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
