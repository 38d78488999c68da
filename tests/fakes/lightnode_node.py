"""A light node without wires: real sampler, recorder and seal on a wound clock and a fake store."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.facts.record import GapCause, Record
from ledger.signing import SigningKey
from lightnode.energy import EnergyWatch
from lightnode.recording import Recorder
from lightnode.sampling import Sampler, Start
from lightnode.sealing import Identity, Seal
from lightnode.ticking import Timeline, ticks
from tests.fakes.lightnode_clock import ToldClock, WoundClock
from tests.fakes.lightnode_gateway import ORIGIN, Judge
from tests.fakes.lightnode_meter import ScriptedMeter
from tests.fakes.lightnode_outbox import MemoryOutbox

WINDOW_SLOTS = 15
SECRET = bytes(range(32))
KEY = SigningKey.generate()
BOOT_ID = b"same one"


def seal_of(key: SigningKey = KEY, node_index: int = 0) -> Seal:
    identity = Identity(origin=ORIGIN, node_index=node_index, window_slots=WINDOW_SLOTS)
    return Seal(identity, key, SECRET)


@dataclass
class WirelessNode:
    """`boot` starts the program, `beat` lets it sample; `boot` again is a kill and a restart."""

    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    clock: WoundClock = field(default_factory=WoundClock)
    meter: ScriptedMeter = field(default_factory=ScriptedMeter)
    told: ToldClock = field(default_factory=ToldClock)
    seal: Seal = field(default_factory=seal_of)
    announce: Callable[[], None] = lambda: None
    shown: list[bytes] = field(default_factory=list)
    sampler: Sampler | None = None
    recorder: Recorder | None = None

    async def boot(self, down_cause: GapCause = GapCause.PROCESS_DOWN) -> None:
        self.meter.clock = self.clock
        self.recorder = Recorder(
            self.outbox, self.seal, show=self.shown.append, announce=self.announce
        )
        fault, self.outbox.fault = self.outbox.fault, lambda _number, _name: ""
        tail = await self.recorder.tail()
        self.outbox.fault = fault
        covered = tail.last_slot if tail.next_slot is None else tail.next_slot - 1
        self.timeline = Timeline(self.clock, not_before_ms=covered * 4_000)
        self.sampler = Sampler(
            meter=self.meter,
            recorder=self.recorder,
            timeline=self.timeline,
            clock_watch=self.told,
            energy=EnergyWatch(greatest_power_w=10_000, step_wh=25),
            budget_ms=3_200,
            rate=1.0,
            start=Start(boot_id=BOOT_ID, software="test", profile="fake@1", down_cause=down_cause),
        )
        self.source = ticks(self.timeline, from_slot=tail.next_slot or 0)

    async def beat(self, count: int = 1, work_ms: Callable[[int], int] = lambda _: 0) -> None:
        assert self.sampler
        for number in range(count):
            await self.sampler.sample(await anext(self.source))
            self.clock.work(work_ms(number))

    async def judged(self) -> Judge:
        """Seal what is open, and return what a gateway would make of all that is kept."""
        assert self.recorder
        self.outbox.fault = lambda _number, _name: ""
        await self.recorder.seal_open()
        return judged(self.outbox)


def judged(outbox: MemoryOutbox) -> Judge:
    judge = Judge(KEY.public)
    for segment in outbox.segments.values():
        judge.admit(segment.encoded)
    judge.records()
    return judge


def kinds(records: list[Record]) -> list[str]:
    return [type(record).__name__ for record in records]
