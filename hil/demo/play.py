"""The play: what happens on the stage, when, and what is seen of it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.control import ask
from hil.demo.central import Central, gateway_status, instant_ms
from hil.demo.programs import Program
from hil.demo.screen import Screen
from hil.demo.stage import WINDOW_S, House, Stage
from hil.demo.witness import Witness
from ledger.errors import CertiflexError, InvariantBroken, Unavailable
from ledger.facts.clock import ScaledClock
from ledger.facts.interval import SLOT_MS, Interval
from ledger.signing import VerifyingKey

_LOOK_EVERY_S = 0.5
_LONGEST_WAIT_S = 60.0
_ASK_TIMEOUT_S = 5.0
_SILENT, _KILLED = 3, 4


@dataclass
class Cast:
    """The programs on the stage, by what they are."""

    chain: Program
    broker: Program
    central: Program
    gateway: Program
    bench: Program
    nodes: Mapping[int, Program]

    @property
    def servers(self) -> Sequence[Program]:
        """Return all but the light nodes, in the order in which they start."""
        return [self.chain, self.broker, self.central, self.gateway, self.bench]

    def running(self) -> Mapping[str, bool]:
        """Return which servers run."""
        return {program.name: program.running for program in self.servers}


@dataclass
class Acts:
    """How long each act takes, by the wall clock."""

    taken_s: dict[str, float] = field(default_factory=dict)
    _start_s: float = field(default_factory=time.monotonic)

    def so_far_s(self) -> float:
        """Return how long it is since the first."""
        return round(time.monotonic() - self._start_s, 1)

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Take the time of what is done inside."""
        begun_s = self.so_far_s()
        yield
        self.taken_s[name] = round(self.so_far_s() - begun_s, 1)


@dataclass
class Play:
    """A performance: programs start, things go wrong, all is found again.

    Args:
        stage: set up, with the chain running.
        cast: all programs.
        screen: where it is shown.

    Whoever asks the servers waits until they are `up`; who needs what the light nodes have just
    measured, until all is `delivered` again, and nobody takes it away.
    """

    stage: Stage
    cast: Cast
    screen: Screen
    clock: ScaledClock = field(init=False)
    witness: Witness = field(init=False)
    span: Interval = field(init=False)
    up: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    delivered: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    status: dict[str, Any] = field(default_factory=dict, init=False)
    _central: Central = field(init=False)

    def __post_init__(self) -> None:
        self.clock = self.stage.clock
        key = VerifyingKey.decode(bytes.fromhex(self.stage.log_key))
        self.witness = Witness(self.stage.ports.broker, key)
        self._central = Central(self.stage, "auditor")
        self.screen.figures.nodes = len(self.cast.nodes)

    async def play(self) -> None:
        """Play everything up to the curtain; afterwards nodes and gateway have stopped.

        Raises:
            CertiflexError: something did not come up, or did not come back.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.watch()), group.create_task(self.witness.listen())]
            await self._begin()
            await self._things_go_wrong()
            await self._curtain()
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Let go of the database."""
        await self._central.close()

    # ── acts ────────────────────────────────────────────────────────────────────────────────

    async def _begin(self) -> None:
        cast = self.cast
        servers = (cast.broker, cast.central, cast.gateway, cast.bench)
        await asyncio.gather(*(server.start() for server in servers))
        self.tell("step", "broker, database, gateway and meters are up")
        self.up.set()
        await asyncio.gather(*(node.start() for node in self.cast.nodes.values()))
        self.tell("step", f"{len(self.cast.nodes)} light nodes started, half over TCP, half RTU")
        await self._until(self._all_report, "every light node has delivered")
        first_ms = self.clock.now_ms()
        self.span = Interval(-(-first_ms // SLOT_MS) * SLOT_MS, -(-first_ms // SLOT_MS) * SLOT_MS)
        await self._until(lambda: self._anchored(first_ms), "the first windows are on the ledger")

    async def _things_go_wrong(self) -> None:
        house = self.stage.houses[_SILENT]
        self.tell("fault", f"the meter of {house.name} falls silent for 40 s")
        await self._silence(house, 40_000)
        await self._sleep_s(44)

        killed = self.cast.nodes[_KILLED]
        self.tell("fault", f"the light node of {killed.name} is killed (kill -9)")
        await killed.kill()
        await self._sleep_s(30)
        await killed.start()
        self.tell("back", f"{killed.name} is back and goes on where it was")

        self.tell("fault", "the broker is killed (kill -9); it keeps nothing")
        await self.cast.broker.kill()
        await self._sleep_s(75)
        await self.cast.broker.start()
        self.tell("back", "the broker is back; what waited is delivered, newest first")
        last_border_ms = self.clock.now_ms() - WINDOW_S * 1000
        await self._until(lambda: self._covered(last_border_ms), "nothing waits at the light nodes")
        self.delivered.set()

        self.tell("fault", "the chain is taken away (kill -9); windows wait")
        await self.cast.chain.kill()
        await self._sleep_s(90)
        await self._take_unanchored()
        await self._sleep_s(60)
        await self.cast.chain.start()
        self.tell("back", "the chain is back; every window is anchored, once, in order")

    async def _curtain(self) -> None:
        end_ms = self.clock.now_ms() // SLOT_MS * SLOT_MS
        self.span = Interval(self.span.start_ms, end_ms)
        await self._until(lambda: self._anchored(end_ms), "every window up to now is on the ledger")

    async def stop_writers(self) -> None:
        """Let nodes and gateway end, so that the head of the log stands still."""
        await asyncio.gather(*(node.stop() for node in self.cast.nodes.values()))
        await self.cast.gateway.stop()
        self.tell("step", "light nodes and gateway have stopped; proofs need neither")

    async def _take_unanchored(self) -> None:
        """Fetch the proof of the newest stored reading, which the ledger does not know yet."""
        house, now_ms = self.stage.houses[0], self.clock.now_ms()
        operator = Central(self.stage, "dso")
        try:
            minutes = Interval(now_ms - 300_000, now_ms)
            segments = await operator.rows(house.pod, "segments", minutes)
            newest_ms = instant_ms(segments[-1]["end"]) - SLOT_MS
            bundle = await operator.proof(house.pod, newest_ms)
        finally:
            await operator.close()
        self.unanchored.parent.mkdir(exist_ok=True)
        self.unanchored.write_bytes(bundle)

    @property
    def unanchored(self) -> Path:
        """Return the bundle that was taken while the chain was away."""
        return self.stage.path("proof", "unanchored.bundle")

    # ── what is seen ────────────────────────────────────────────────────────────────────────

    async def _all_report(self) -> bool:
        nodes = await self._central.nodes()
        return len(nodes) == len(self.cast.nodes) and all(row["next_sequence"] for row in nodes)

    async def _anchored(self, until_ms: int) -> bool:
        """Tell whether every node's evidence up to an instant is in an anchored window."""
        if not await self._covered(until_ms):
            return False
        counters, _ = await self._central.figures()
        closed = counters.get("windows", 0)
        if closed and counters.get("anchored", 0) == closed and not self.status["backlog_segments"]:
            rows = await asyncio.gather(*map(self._last_state, self.stage.houses))
            return all(rows)
        return False

    async def _last_state(self, house: House) -> bool:
        segments = await self._central.rows(
            house.pod,
            "segments",
            Interval(self.span.start_ms - SLOT_MS, self.span.end_ms + SLOT_MS),
        )
        return bool(segments) and all(row["state"] == "anchored" for row in segments)

    async def _covered(self, until_ms: int) -> bool:
        nodes = await self._central.nodes()
        return len(nodes) == len(self.cast.nodes) and all(
            row["next_sequence"] == row["end_sequence"]
            and row["covered_until"]
            and instant_ms(row["covered_until"]) >= until_ms
            for row in nodes
        )

    async def watch(self) -> None:
        """Show how everything stands, until cancelled."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._look_once()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look_once(self) -> None:
        figures = self.screen.figures
        figures.nodes_up = sum(node.running for node in self.cast.nodes.values())
        self.screen.show(self.clock.now_ms(), self.cast.running())
        counters, figures.gap_slots = await self._central.figures()
        figures.readings_stored = counters.get("readings", 0)
        figures.segments = counters.get("segments", 0)
        figures.windows_anchored = counters.get("anchored", 0)
        self.status = dict(await gateway_status(self.stage))
        figures.windows_closed = self.status["windows_closed"]
        figures.backlog = self.status["backlog_segments"]
        figures.gas_per_window = self.gas_per_window()

    def gas_per_window(self) -> int:
        """Return the gas spent on anchors, divided by the windows anchored."""
        gas, windows = (int(self.status.get(key, 0)) for key in ("gas_total", "windows_anchored"))
        return gas // max(1, windows)

    # ── means ───────────────────────────────────────────────────────────────────────────────

    async def _silence(self, house: House, duration_ms: int) -> None:
        request = {
            "command": "fault",
            "meter": house.name,
            "kind": "silence",
            "for_ms": duration_ms,
        }
        await asyncio.to_thread(ask, self.stage.bench_address, request, timeout_s=_ASK_TIMEOUT_S)

    async def _until(self, holds: Callable[[], Awaitable[bool]], told: str) -> None:
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                while not await self._holds(holds):
                    self._need_alive()
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise InvariantBroken(
                f"still not so after {_LONGEST_WAIT_S:.0f} s: {told}",
                where=str(self.stage.path("log")),
                remedy="read the logs there",
            ) from error
        self.tell("seen", told)

    async def _holds(self, holds: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await holds()
        except (CertiflexError, KeyError):
            return False

    def _need_alive(self) -> None:
        for program in (*self.cast.servers, *self.cast.nodes.values()):
            if not program.running and program is not self.cast.chain:
                raise Unavailable(f"{program.name} ended by itself", where=str(program.log))

    async def _sleep_s(self, simulated_s: int) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + simulated_s * 1000)

    def tell(self, kind: str, told: str) -> None:
        """Add a line to the story, at this instant."""
        self.screen.tell(self.clock.now_ms(), kind, told)
