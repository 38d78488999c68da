"""A meter that can do everything wrong that a meter does, but never against its guarantee."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.ports import Measurement
from tests.fakes.lightnode_clock import WoundClock

Script = Callable[[int], GapCause | int]


def measured(
    power_w: int = 1_800, import_wh: int = 1_000, export_wh: int = 0, *, phases: int = 1
) -> Measurement:
    return Measurement(
        power_w=power_w,
        reactive_power_var=20,
        voltages_mv=(230_000,) * phases,
        currents_ma=(7_800,) * phases,
        frequency_mhz=50_000,
        import_wh=import_wh,
        export_wh=export_wh,
    )


@dataclass
class ScriptedMeter:
    """`script` says for each read, by number, how long it takes [ms] or how it fails."""

    clock: WoundClock | None = None
    script: Script = lambda _: 40
    reads: int = 0
    closed: int = 0
    given: list[Measurement] = field(default_factory=list)

    async def read(self, budget_s: float) -> Measurement:
        assert budget_s > 0, "a meter needs some time"
        self.reads += 1
        outcome = self.script(self.reads)
        if isinstance(outcome, GapCause):
            self._spend(min(1_000, int(budget_s * 1000)))
            raise MeterFault("scripted", cause=outcome, where="fake")
        self._spend(outcome)
        self.given.append(measured(import_wh=1_000 + 2 * self.reads))
        return self.given[-1]

    async def close(self) -> None:
        self.closed += 1

    def _spend(self, spent_ms: int) -> None:
        if self.clock:
            self.clock.work(spent_ms)
