"""The bench: meters are built, their lines opened, kept to the script, and closed again."""

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

from hil.config import BenchFile, MeterSettings, address_of
from hil.control import ControlPort
from hil.faults import SERIAL_ONLY, TCP_ONLY, Fault, FaultKind, FaultScript
from hil.household import Household
from hil.meter import Meter
from hil.registers import MODELS, Nameplate
from hil.serial_line import SerialLine
from hil.sky import MS_PER_DAY
from hil.tcp_server import TcpServer
from ledger.errors import Rejected
from ledger.facts.clock import Clock, SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from hil.field import Field

_PLAN_AHEAD_MS = 1_800_000
_log = logging.getLogger("hil")


class Endpoint(Protocol):
    """A port or a line with meters on it.

    Once `open` has returned, clients reach the meters at `address`; once `close` has returned,
    nobody does, and clients that held a connection have lost it. Both may be repeated in turn.
    """

    meters: Mapping[int, Meter]

    @property
    def address(self) -> str:
        """Return where clients reach it, transport first."""
        ...

    async def open(self) -> None:
        """Let clients in; raises Unavailable or Rejected with the way out."""
        ...

    async def close(self) -> None:
        """Shut clients out."""
        ...


def clock_of(file: BenchFile) -> Clock:
    """Return the clock that a bench file asks for."""
    return file.clock or SystemClock()


class Bench:
    """All meters of a bench file.

    Args:
        file: what to build.
        clock: the time that the meters live in.

    Raises:
        Rejected: the meters are installed in the clock's future.
    """

    def __init__(self, file: BenchFile, clock: Clock) -> None:
        self._clock = clock
        now_ms = clock.now_ms()
        if file.installed_day * MS_PER_DAY > now_ms:
            raise Rejected(
                "the meters are installed in the future",
                where="bench.installed_on",
                remedy="name a day that has begun in UTC",
            )
        origin_ms = now_ms if file.clock is None else file.clock.origin_ms
        self.field = _field(file, clock, origin_ms)
        self.meters = {
            settings.name: _meter(settings, file, clock, origin_ms, self.field)
            for settings in file.meter
        }
        self.endpoints = _endpoints(file.meter, self.meters)
        self._addresses = {
            meter.name: endpoint
            for endpoint in self.endpoints
            for meter in endpoint.meters.values()
        }
        self._script_changed = asyncio.Event()
        self._control = (
            ControlPort(address_of(file.bench.control), self.command)
            if file.bench.control
            else None
        )

    def address_of(self, meter: Meter) -> str:
        """Return where clients reach a meter."""
        return self._addresses[meter.name].address

    async def serve(self, announce: Callable[[], None], stop: asyncio.Event) -> None:
        """Open every line, announce that they are open, and serve until *stop* is set.

        Raises:
            Unavailable: a port or line cannot be opened, now or when it should come back.
            Rejected: something stands in the way of a line.
        """
        for meter in self.meters.values():
            meter.household.prepare(self._clock.now_ms())
        async with AsyncExitStack() as opened:
            if self.field is not None:
                opened.push_async_callback(self.field.close)
                await self.field.open()
            for endpoint in self.endpoints:
                opened.push_async_callback(endpoint.close)
                await endpoint.open()
            if self._control is not None:
                opened.push_async_callback(self._control.close)
                await self._control.open()
            announce()
            _log.info("hil.ready", extra={"meters": len(self.meters)})
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._follow(endpoint)) for endpoint in self.endpoints]
                tasks.append(group.create_task(self._plan_ahead()))
                if self.field is not None:
                    tasks.append(group.create_task(self.field.run()))
                await stop.wait()
                for task in tasks:
                    task.cancel()
        _log.info("hil.stopped")

    async def _follow(self, endpoint: Endpoint) -> None:
        """Take a line away and bring it back as the scripts of its meters say."""
        is_open = True
        while True:
            changed = self._script_changed
            now_ms = self._clock.now_ms()
            scripts = [meter.script for meter in endpoint.meters.values()]
            away = any(script.is_away(now_ms) for script in scripts)
            if away and is_open:
                await endpoint.close()
                _log.info("hil.line_away", extra={"address": endpoint.address})
            elif not away and not is_open:
                await endpoint.open()
                _log.info("hil.line_back", extra={"address": endpoint.address})
            is_open = not away
            edges = [script.next_change_ms(now_ms) for script in scripts]
            await self._edge_or_change(
                min((e for e in edges if e is not None), default=None), changed
            )

    async def _edge_or_change(self, edge_ms: int | None, changed: asyncio.Event) -> None:
        if edge_ms is None:
            await changed.wait()
            return
        waits = [
            asyncio.ensure_future(changed.wait()),
            asyncio.ensure_future(self._clock.sleep_until(edge_ms)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _plan_ahead(self) -> None:
        """Lay out each next day before midnight, so that no client waits for it."""
        while True:
            midnight_ms = (
                self._clock.now_ms() + _PLAN_AHEAD_MS
            ) // MS_PER_DAY * MS_PER_DAY + MS_PER_DAY
            await self._clock.sleep_until(midnight_ms - _PLAN_AHEAD_MS)
            for meter in self.meters.values():
                meter.household.prepare(midnight_ms)
                await asyncio.sleep(0)

    def command(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to a control request: ``status``, ``fault``, ``clear`` or ``plant``.

        Raises:
            Rejected: the request is none of these, or names no meter or device.
        """
        match request:
            case {"command": "status"}:
                return {"meters": [self._status(meter) for meter in self.meters.values()]}
            case {"command": "clear", **rest}:
                return self._clear(rest.get("meter"))
            case {"command": "fault", "meter": str(name), **settings}:
                return self._inject(name, settings)
            case {"command": "plant", **settings} if self.field is not None:
                return self.field.command(settings)
            case {"command": "plant"}:
                raise Rejected(
                    "the bench has no plant", where="control", remedy="add a [plant] to its file"
                )
            case _:
                raise Rejected("expected command status, fault, clear or plant", where="control")

    def _status(self, meter: Meter) -> Mapping[str, Any]:
        now_ms = self._clock.now_ms()
        return {
            "name": meter.name,
            "model": meter.model.name,
            "unit": meter.nameplate.unit,
            "serial_number": meter.nameplate.serial_number,
            "address": self.address_of(meter),
            "requests": meter.requests,
            "faults": [fault.kind for fault in meter.script.covering(now_ms)],
            "faults_served": dict(meter.faults_served),
        }

    def _clear(self, name: object) -> Mapping[str, Any]:
        cleared = list(self.meters.values()) if name is None else [self._named(name)]
        for meter in cleared:
            meter.script.clear()
        self._notify()
        _log.info("hil.faults_cleared", extra={"meters": [meter.name for meter in cleared]})
        return {"cleared": [meter.name for meter in cleared]}

    def _inject(self, name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        meter = self._named(name)
        fault = _fault_asked_for(settings, self._clock.now_ms())
        _check_transport(fault.kind, self.address_of(meter))
        meter.script.add(fault)
        self._notify()
        told = {
            "meter": name,
            "kind": fault.kind,
            "from_ms": fault.from_ms,
            "until_ms": fault.until_ms,
        }
        _log.info("hil.fault_injected", extra=told)
        return told

    def _named(self, name: object) -> Meter:
        if isinstance(name, str) and name in self.meters:
            return self.meters[name]
        raise Rejected(
            f"no meter is called {name!r}",
            where="control",
            remedy=f"there are {', '.join(self.meters)}",
        )

    def _notify(self) -> None:
        changed, self._script_changed = self._script_changed, asyncio.Event()
        changed.set()


def _field(file: BenchFile, clock: Clock, origin_ms: int) -> "Field | None":
    if file.plant is None:
        return None
    # A few hundred nodes: threads would only wait for one another, and hold up the meters.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Meters alone stay small: numerics are loaded by who asks for a plant.
    from hil.field import Field  # noqa: PLC0415

    return Field(file.plant, clock, origin_ms=origin_ms, weather_seed=file.bench.weather_seed)


def _meter(
    settings: MeterSettings, file: BenchFile, clock: Clock, origin_ms: int, field: "Field | None"
) -> Meter:
    model = MODELS[settings.model]
    plant = field.plant if field is not None and settings.pod is not None else None
    pod = settings.pod or ""
    household = Household(
        settings.seed,
        phases=model.phases,
        equipment=settings.equipment(),
        installed_day=file.installed_day,
        weather_seed=file.bench.weather_seed,
        supply=plant.supply_of(pod, model.phases) if plant is not None else None,
    )
    if plant is not None:
        plant.connect(pod, household, model.phases)
    return Meter(
        settings.name,
        model=model,
        nameplate=Nameplate(settings.unit, settings.serial_number, settings.baud or 9600),
        household=household,
        clock=clock,
        script=FaultScript(fault.at(origin_ms) for fault in settings.fault),
    )


def _endpoints(
    settings: Iterable[MeterSettings], meters: Mapping[str, Meter]
) -> tuple[Endpoint, ...]:
    ports: dict[tuple[str, object], dict[int, Meter]] = defaultdict(dict)
    lines: dict[tuple[Path, int], dict[int, Meter]] = defaultdict(dict)
    for each in settings:
        meter = meters[each.name]
        if each.line is not None:
            lines[each.line, each.baud][each.unit] = meter
        elif each.tcp is not None:
            alone = each.name if each.tcp.endswith(":0") else None
            ports[each.tcp, alone][each.unit] = meter
    return (
        *(_tcp_server(tcp, units) for (tcp, _), units in ports.items()),
        *(SerialLine(line, units, baud=baud) for (line, baud), units in lines.items()),
    )


def _tcp_server(tcp: str, meters: Mapping[int, Meter]) -> TcpServer:
    address = address_of(tcp)
    return TcpServer(address.host, address.port, meters)


def _fault_asked_for(settings: Mapping[str, Any], now_ms: int) -> Fault:
    known = {"kind", "for_ms", "every", "delay_ms", "code"}
    numbers = {key: value for key, value in settings.items() if key not in {"kind", "for_ms"}}
    for_ms = settings.get("for_ms")
    whole = all(type(value) is int for value in (*numbers.values(), for_ms) if value is not None)
    if not settings.keys() <= known or not whole:
        raise Rejected(f"expected {', '.join(sorted(known))}, in whole numbers", where="control")
    try:
        kind = FaultKind(settings.get("kind", ""))
        until_ms = None if for_ms is None else now_ms + for_ms
        given = {key: value for key, value in numbers.items() if value is not None}
        return Fault(kind, from_ms=now_ms, until_ms=until_ms, **given)
    except ValueError as error:
        raise Rejected(str(error), where="control") from error


def _check_transport(kind: FaultKind, address: str) -> None:
    if kind in (SERIAL_ONLY if address.startswith("tcp") else TCP_ONLY):
        raise Rejected(f"fault {kind} cannot happen on {address}", where="control")
