"""The SCADA of the bench, served on a port of this process, with a plant that counts its steps."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hil.config import Address
from hil.feeder.description import read_description
from hil.http_server import HttpServer
from hil.plant import Plant
from hil.plant_file import Action
from hil.scada import Scada
from ledger.facts.clock import SystemClock

_START_TIMEOUT_S = 20.0


class CountedPlant(Plant):
    """A plant that counts what is really moved."""

    acts: int = 0

    def act(self, action: Action, device: str, position: int | None, unix_ms: int) -> None:
        super().act(action, device, position, unix_ms)
        self.acts += 1


@dataclass(frozen=True, slots=True)
class ServedScada:
    """Where a SCADA is, and the plant that it moves."""

    url: str
    plant: CountedPlant


class ShiftedClock(SystemClock):
    """The machine's clock, set to an instant at its start."""

    def __init__(self, now_ms: int) -> None:
        self._ahead_ms = now_ms - super().now_ms()

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead_ms


@contextmanager
def served_scada(*, now_ms: int | None = None, tap_ms: int = 1) -> Iterator[ServedScada]:
    """Serve the SCADA of the bench while the block runs; a changer's step takes `tap_ms`."""
    clock = SystemClock() if now_ms is None else ShiftedClock(now_ms)
    plant = CountedPlant(read_description(), seed=1, weather_seed=7)
    plant.solve(clock.now_ms())
    scada = Scada(plant, clock, tap_ms=tap_ms, switch_ms=tap_ms)
    server = HttpServer(Address("127.0.0.1", 0), scada.respond, setting="plant.scada")
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def serve() -> None:
        await server.open()
        ready.set()
        moving = asyncio.create_task(scada.run())
        await stopped.wait()
        moving.cancel()
        await server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(_START_TIMEOUT_S)
    try:
        yield ServedScada(f"http://127.0.0.1:{server.port}", plant)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(_START_TIMEOUT_S)
        loop.close()
