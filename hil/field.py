"""The plant in time: its power flows, its events, its sensors and its SCADA, run together."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from hil.config import address_of
from hil.delivery import Collector, Delivery, HttpCollector, signed_measurements
from hil.feeder.description import CIGRE, read_description
from hil.feeder.network import Position
from hil.http_server import HttpServer
from hil.plant import Plant
from hil.plant_file import (
    DEFAULT_SIZE_PCT,
    Action,
    PlantSettings,
    SensorFaultKind,
    SensorFaultSettings,
    SensorSettings,
)
from hil.scada import Scada
from hil.sensors import FieldSensor, Sample, SensorFault
from ledger.errors import Rejected
from ledger.facts.clock import Clock
from ledger.signing import SigningKey

_log = logging.getLogger("hil")


class Field:
    """The plant of a bench with all that is around it.

    Args:
        settings: what the bench file says of it.
        clock: the time it lives in.
        origin_ms: the instant that events and faults count from.
        weather_seed: the sky over the district.
        collector: who takes the measurements; by default whom the settings name, or nobody.
        key: signs them; by default the key that the settings name.

    Raises:
        Rejected: an event or a fault names a device that is not there.
        Misconfigured: the network file is wrong.
    """

    def __init__(
        self,
        settings: PlantSettings,
        clock: Clock,
        *,
        origin_ms: int,
        weather_seed: int = 0,
        collector: Collector | None = None,
        key: SigningKey | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._origin_ms = origin_ms
        self.plant = Plant(
            read_description(settings.network or CIGRE),
            seed=settings.seed,
            weather_seed=weather_seed,
            source_wander_pct=settings.source_wander_pct,
            growth=settings.growth,
        )
        self.sensors = {
            place.name: FieldSensor(place, seed=settings.seed, class_pct=settings.sensors.class_pct)
            for place in self.plant.network.sensors
        }
        for fault in settings.sensors.fault:
            self._sensor(fault.sensor).add(_fault_of(fault, origin_ms))
        self._events = sorted(settings.event, key=lambda one: one.at_s)
        self._rehearse()
        self.scada = Scada(
            self.plant,
            clock,
            tap_ms=round(settings.tap_s * 1000),
            switch_ms=round(settings.switch_s * 1000),
        )
        self._key = key or (SigningKey.load(settings.sensors.key) if settings.sensors.key else None)
        found = collector or _collector(settings.sensors)
        self.delivery = Delivery(found) if found is not None else None
        self._undelivered = asyncio.Event()
        self._server = (
            HttpServer(address_of(settings.scada), self.scada.respond, setting="plant.scada")
            if settings.scada is not None
            else None
        )

    def _rehearse(self) -> None:
        """Find out now whether an event names what is not there."""
        state = self.plant.state
        for event in self._events:
            state = self.plant.after(state, event.action, event.device, event.position)

    @property
    def scada_port(self) -> int | None:
        """Return the port of the SCADA, if it has one."""
        return self._server.port if self._server is not None else None

    async def open(self) -> None:
        """Solve the network for the first time, and let the SCADA be reached.

        Raises:
            Unsolvable: the network cannot carry its loads as it stands.
            Unavailable: the port is taken.
        """
        self.plant.solve(self._clock.now_ms())
        if self._server is not None:
            await self._server.open()
        known = {"nodes": len(self.plant.network.nodes), "customers": len(self.plant.customers)}
        _log.info("hil.plant_ready", extra={**known, "scada": self.scada_port})

    async def close(self) -> None:
        """Shut the SCADA and let go of the collector."""
        if self._server is not None:
            await self._server.close()
        if self.delivery is not None:
            await self.delivery.close()

    async def run(self) -> None:
        """Live, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._each(self._settings.every_s, self.plant.solve))
            group.create_task(self._each(self._settings.sensors.every_s, self.measure))
            group.create_task(self._happen())
            group.create_task(self.scada.run())
            if self.delivery is not None:
                group.create_task(self._deliver(self.delivery))

    async def _each(self, every_s: float, act: Callable[[int], object]) -> None:
        """Act on every beat of the clock; beats that were missed are not made up for."""
        every_ms = round(every_s * 1000)
        while True:
            beat_ms = (self._clock.now_ms() // every_ms + 1) * every_ms
            await self._clock.sleep_until(beat_ms)
            act(beat_ms)

    async def _happen(self) -> None:
        for event in self._events:
            at_ms = self._origin_ms + round(event.at_s * 1000)
            await self._clock.sleep_until(at_ms)
            self.plant.act(event.action, event.device, event.position, at_ms)

    def measure(self, unix_ms: int) -> list[Sample]:
        """Return what all sensors say at an instant, and let it wait for delivery."""
        state = self.plant.state
        positions = {
            breaker: state.position(breaker, branch)
            for breaker, branch in self.plant.network.breakers.items()
        }
        closed = {name: at is Position.CLOSED for name, at in positions.items()}
        taken = (one.sample(self.plant.flow, closed, unix_ms) for one in self.sensors.values())
        samples = [sample for sample in taken if sample is not None]
        if self.delivery is not None and self._key is not None and samples:
            document = signed_measurements(
                samples,
                {name: at for name, at in positions.items() if name not in self.sensors},
                unix_ms=unix_ms,
                sender=self._settings.sensors.sender,
                receiver=self._settings.sensors.receiver,
                key=self._key,
            )
            self.delivery.put(document)
            self._undelivered.set()
        return samples

    async def _deliver(self, delivery: Delivery) -> None:
        """Deliver what is measured, again and again while nobody takes it."""
        while True:
            await self._undelivered.wait()
            self._undelivered.clear()
            await delivery.drain()
            while delivery.patience.is_away:
                await delivery.patience.pause()
                await delivery.drain()

    def command(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to a control request about the plant.

        Raises:
            Rejected: there is no such action or device.
        """
        match request:
            case {"action": "state"}:
                return self._told()
            case {"action": "fault", "sensor": str(name), "kind": str(kind), **rest}:
                return self._inject(name, kind, rest)
            case {"action": "clear", **rest}:
                return self._clear(rest.get("sensor"))
            case {"action": str(action), "device": str(device), **rest} if action in set(Action):
                position = rest.get("position")
                now_ms = self._clock.now_ms()
                self.plant.act(Action(action), device, position, now_ms)
                return self._told()
            case _:
                known = ", ".join(["state", "fault", "clear", *Action])
                raise Rejected(f"expected a plant action of {known}", where="control")

    def _told(self) -> Mapping[str, Any]:
        """Return state and figures of the plant."""
        flow, now_ms = self.plant.flow, self._clock.now_ms()
        told = {key: value for key, value in self.scada.told().items() if key != "schema"}
        parts = {
            node: [abs(volts) * 3**0.5 / nominal_v for volts in flow.voltage_v(node).tolist()]
            for node, nominal_v in self.plant.network.nominal_v.items()
            if flow.wiring.is_supplied(node)
        }
        lowest, highest = (
            min(parts, key=lambda n: min(parts[n])),
            max(parts, key=lambda n: max(parts[n])),
        )
        supplied_va = flow.supplied_va()
        return {
            **told,
            "solved_ms": self.plant.at_ms,
            "failure": self.plant.failure,
            "lowest": {"node": lowest, "voltage_pu": round(min(parts[lowest]), 5)},
            "highest": {"node": highest, "voltage_pu": round(max(parts[highest]), 5)},
            "busbars_pu": {
                node: round(sum(parts[node]) / len(parts[node]), 5)
                for node in self.plant.network.busbars
                if node in parts
            },
            "supplied_w": round(supplied_va.real),
            "supplied_var": round(supplied_va.imag),
            "losses_w": round(flow.losses_w()),
            "sensor_faults": {
                name: [str(kind) for kind in sensor.faults(now_ms)]
                for name, sensor in self.sensors.items()
                if sensor.faults(now_ms)
            },
            "delivery": self._delivery_told(),
        }

    def _delivery_told(self) -> Mapping[str, int] | None:
        if self.delivery is None:
            return None
        return {
            "sent": self.delivery.sent,
            "waiting": len(self.delivery),
            "refused": self.delivery.refused,
            "given_up": self.delivery.given_up,
        }

    def _inject(self, name: str, kind: str, rest: Mapping[str, Any]) -> Mapping[str, Any]:
        now_ms, for_ms = self._clock.now_ms(), rest.get("for_ms")
        size_pct = rest.get("size_pct", DEFAULT_SIZE_PCT)
        try:
            until_ms = None if for_ms is None else now_ms + int(for_ms)
            fault = SensorFault(SensorFaultKind(kind), now_ms, until_ms, float(size_pct))
        except (TypeError, ValueError) as error:
            raise Rejected(str(error), where="control") from error
        self._sensor(name).add(fault)
        told = {"sensor": name, "kind": str(fault.kind), "from_ms": now_ms, "until_ms": until_ms}
        _log.info("hil.sensor_fault_injected", extra=told)
        return told

    def _clear(self, name: str | None) -> Mapping[str, Any]:
        cleared = list(self.sensors) if name is None else [self._sensor(name).place.name]
        for each in cleared:
            self.sensors[each].clear()
        return {"cleared": cleared}

    def _sensor(self, name: str) -> FieldSensor:
        if name not in self.sensors:
            raise Rejected(
                f"no sensor is called {name!r}",
                where="plant.sensors",
                remedy=f"there are {', '.join(self.sensors)}",
            )
        return self.sensors[name]


def _fault_of(settings: SensorFaultSettings, origin_ms: int) -> SensorFault:
    until_s = settings.until_s
    return SensorFault(
        settings.kind,
        origin_ms + round(settings.from_s * 1000),
        None if until_s is None else origin_ms + round(until_s * 1000),
        settings.size_pct,
    )


def _collector(settings: SensorSettings) -> Collector | None:
    if settings.url is None or settings.token is None:
        return None
    try:
        token = settings.token.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Rejected(
            f"the token cannot be read ({error.strerror})", where=str(settings.token)
        ) from error
    return HttpCollector(settings.url, token)
