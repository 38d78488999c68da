"""One slot after the other: ask the meter, and make a record of what it said or why it did not."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field

from ledger.errors import Rejected
from ledger.facts.interval import SLOT_MS
from ledger.facts.record import Boot, ClockStep, GapCause, Quality, Reading
from ledger.patience import Patience
from lightnode.energy import EnergyWatch
from lightnode.errors import MeterFault, StoreFailed
from lightnode.ports import ClockWatch, Measurement, Meter
from lightnode.recording import Draft, Holes, Recorder
from lightnode.ticking import Tick, Timeline, ticks

_FLAGGED_FROM_MS = 500
_LEAST_SHARE = 0.1
_GUARD_S = 0.5
_GREATEST_STEP_MS = (1 << 48) - 1

log = logging.getLogger("lightnode")


@dataclass(slots=True)
class Tally:
    """What has happened since the program started, for `health`."""

    readings: int = 0
    gap_slots: Counter[str] = field(default_factory=Counter)
    last_slot: int | None = None
    clock_error_ms: int | None = None
    clock_synchronised: bool = False

    def count_gap(self, cause: GapCause) -> None:
        """Count one slot without a reading."""
        self.gap_slots[cause.name] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start of the program, and why there was none before it."""

    boot_id: bytes
    software: str
    profile: str
    down_cause: GapCause

    def record(self) -> Draft:
        """Return the record that tells of it."""
        return Draft(
            Boot,
            {"boot_id": self.boot_id, "software": self.software, "profile": self.profile},
        )


class Sampler:
    """Keeps the law of slots: each ends as a reading, or as a gap with its cause.

    Args:
        meter: what is asked.
        recorder: keeps the records.
        timeline: the node's time.
        clock_watch: what the operating system says about its clock.
        energy: judges the energy registers.
        budget_ms: how much of a slot a reading may take [ms of the node's time].
        rate: how fast the node's time runs beside the machine's.
        start: this start of the program.
    """

    def __init__(
        self,
        *,
        meter: Meter,
        recorder: Recorder,
        timeline: Timeline,
        clock_watch: ClockWatch,
        energy: EnergyWatch,
        budget_ms: int,
        rate: float,
        start: Start,
    ) -> None:
        self.tally = Tally()
        self._meter = meter
        self._recorder = recorder
        self._timeline = timeline
        self._clock_watch = clock_watch
        self._energy = energy
        self._budget_ms = budget_ms
        self._rate = rate
        self._start: Start | None = start
        self._down_cause: GapCause | None = start.down_cause
        self._drafts = [start.record()]
        self._holes = Holes()
        self._meter_patience = Patience("meter", log, longest_s=0)
        self._store_patience = Patience("store", log, longest_s=0)

    async def run(self, from_slot: int) -> None:
        """Sample until cancelled; no fault of meter, disk or clock ends it.

        Args:
            from_slot: the first slot that no record covers yet.
        """
        async for tick in ticks(self._timeline, from_slot=from_slot):
            await self.sample(tick)

    async def sample(self, tick: Tick) -> None:
        """Bring one slot to its end."""
        self.tally.last_slot = tick.slot
        self._note_missed(tick)
        try:
            await self._catch_up(tick)
            await self._record_slot(tick)
        except StoreFailed as error:
            # Whatever was read is lost with it: only what is kept exists.
            self._lose(tick, GapCause.DISK_FULL)
            self._store_patience.away(error)
        else:
            self._store_patience.back()

    def _note_missed(self, tick: Tick) -> None:
        """Give every slot since the last tick its cause."""
        step_ms = self._timeline.take_step_ms()
        if step_ms:
            bounded_ms = max(-_GREATEST_STEP_MS, min(step_ms, _GREATEST_STEP_MS))
            self._drafts.append(Draft(ClockStep, {"step_ms": bounded_ms}))
            log.warning("lightnode.clock_set", extra={"step_ms": step_ms})
        missed_cause = GapCause.CLOCK_UNSYNC if step_ms > 0 else GapCause.OVERLOAD
        self._holes.note(tick.slot, self._down_cause or missed_cause)
        self._down_cause = None

    async def _catch_up(self, tick: Tick) -> None:
        """Write what could not be written before, in order.

        Raises:
            StoreFailed: it still cannot.
        """
        while self._drafts:
            await self._recorder.add(self._moment(), self._drafts[0])
            self._drafts.pop(0)
        next_slot = (await self._recorder.tail()).next_slot
        for gap in self._holes.gaps(tick.slot if next_slot is None else next_slot):
            await self._recorder.add(self._moment(), gap)
        self._holes.forget(tick.slot + 1)
        if self._start:
            await self._recorder.note_boot(self._start.boot_id)
            self._start = None

    async def _record_slot(self, tick: Tick) -> None:
        try:
            moment, reading = await self._read(tick)
        except MeterFault as fault:
            self._lose(tick, fault.cause)
            if fault.cause != GapCause.OVERLOAD:
                self._meter_patience.away(fault)
            await self._catch_up(tick)
            return
        try:
            await self._recorder.add(moment, reading)
        except Rejected as error:
            # A profile that lets through what no record can carry.
            self._lose(tick, GapCause.METER_RANGE)
            self._meter_patience.away(error)
            await self._catch_up(tick)
            return
        self.tally.readings += 1
        self._meter_patience.back()

    def _lose(self, tick: Tick, cause: GapCause) -> None:
        self._holes.note(tick.slot + 1, cause)
        self.tally.count_gap(cause)

    async def _read(self, tick: Tick) -> tuple[tuple[int, int], Draft]:
        """Return the reading of this slot, and when it was asked for.

        Raises:
            MeterFault: there is none; OVERLOAD when there was no time for it.
        """
        asked_ms, asked_monotonic_ms = self._timeline.now_ms(), self._timeline.monotonic_ms()
        left_ms = tick.due_ms + self._budget_ms - asked_ms
        if left_ms < self._budget_ms * _LEAST_SHARE:
            raise MeterFault("the slot is nearly over", cause=GapCause.OVERLOAD)
        measured = await self._measured(left_ms / 1000 / self._rate)
        answered_monotonic_ms = self._timeline.monotonic_ms()
        latency_ms = answered_monotonic_ms - asked_monotonic_ms
        if latency_ms > left_ms:
            raise MeterFault("the reading came after its slot", cause=GapCause.OVERLOAD)
        self._energy.check(measured, answered_monotonic_ms)
        return divmod(asked_ms, SLOT_MS), self._draft(measured, max(latency_ms, 0))

    async def _measured(self, budget_s: float) -> Measurement:
        try:
            async with asyncio.timeout(budget_s + _GUARD_S):
                return await self._meter.read(budget_s)
        except TimeoutError as error:
            raise MeterFault("no answer in time", cause=GapCause.METER_TIMEOUT) from error

    def _draft(self, measured: Measurement, latency_ms: int) -> Draft:
        state, ahead_ms = self._clock_watch.state(), self._timeline.ahead_ms
        is_right = state.synchronised and ahead_ms < _FLAGGED_FROM_MS
        error_ms = None if state.error_ms is None else state.error_ms + ahead_ms
        if error_ms is None and ahead_ms >= _FLAGGED_FROM_MS:
            error_ms = ahead_ms
        self.tally.clock_error_ms, self.tally.clock_synchronised = error_ms, is_right
        return Draft(
            Reading,
            {
                "latency_ms": latency_ms,
                "power_w": measured.power_w,
                "reactive_power_var": measured.reactive_power_var,
                "voltages_mv": measured.voltages_mv,
                "currents_ma": measured.currents_ma,
                "frequency_mhz": measured.frequency_mhz,
                "import_wh": measured.import_wh,
                "export_wh": measured.export_wh,
                "quality": Quality.GOOD if is_right else Quality.CLOCK_UNSYNCHRONISED,
                "clock_error_ms": error_ms,
            },
        )

    def _moment(self) -> tuple[int, int]:
        return divmod(self._timeline.now_ms(), SLOT_MS)
