"""What can be asked of the database about a node: latest value, quarter-hours, gaps, states."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from central.scd.checking import readings_of
from central.scd.gaps import SlotGap, gaps_between, outages
from central.scd.live import LiveBoard
from central.scd.ports import Evidence
from central.scd.quarters import SLOT_S, MeteredQuarter, Tolerance, metered, quarters_in, unmetered
from central.scd.stored import QUARTER_SLOTS, LastValue, SegmentEntry, State
from ledger.codec import Row, decode_segment, read_rows
from ledger.facts.clock import Clock
from ledger.facts.interval import SLOT_MS, Interval, slot_of

_SLOT, _IMPORT, _EXPORT = 3, 11, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedQuarter:
    """A quarter-hour's energy, how far it has come, and the seconds missing by cause."""

    energy: MeteredQuarter
    state: State
    gaps_s: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredGap:
    """A gap, and what the registers counted over the whole outage that it is part of.

    The energies go from the last reading before the outage to the first one after it; None
    while one of the two is not there.
    """

    interval: Interval
    cause: str
    state: State | None
    outage: Interval
    outage_import_wh: int | None
    outage_export_wh: int | None


class Inquiry:
    """Answers out of evidence; every answer says how far its values have come."""

    def __init__(
        self, evidence: Evidence, board: LiveBoard, clock: Clock, tolerance: Tolerance
    ) -> None:
        self._evidence = evidence
        self._board = board
        self._clock = clock
        self._tolerance = tolerance

    def anchored_count(self) -> int:
        """Return the number of windows that the ledger vouches for."""
        anchor = self._evidence.latest_anchor()
        return anchor.size if anchor else 0

    def latest(self, node_index: int) -> tuple[LastValue, State] | None:
        """Return the newest reading of a node, live or stored."""
        stored, live = self._evidence.last_value(node_index), self._board.latest(node_index)
        if live and (stored is None or live.sequence > stored.sequence):
            return live, State.LIVE
        if stored is None:
            return None
        held = self._evidence.segment_at(node_index, stored.sequence)
        return stored, _state([held.entry] if held else [], self.anchored_count())

    def quarters(self, node_index: int, interval: Interval) -> list[StatedQuarter]:
        """Return the quarter-hours that begin in an interval, as far as the node's records go.

        A quarter-hour without any reading is there too: nothing over 0 covered seconds.
        """
        wanted = quarters_in(interval)
        span = (wanted.start * QUARTER_SLOTS, wanted.stop * QUARTER_SLOTS)
        sums = self._evidence.quarters(node_index, wanted.start, wanted.stop + 1)
        by_quarter = {each.quarter: each for each in sums}
        entries = self._evidence.segment_entries(node_index, *span)
        gaps = self._gaps(node_index, *span)
        anchored_count = self.anchored_count()
        stated = []
        for quarter in wanted:
            known, gaps_s = by_quarter.get(quarter), _seconds_by_cause(gaps, quarter)
            if known is None and not gaps_s:
                continue
            following = by_quarter.get(quarter + 1)
            energy = (
                metered(known, following, self._tolerance)
                if known
                else unmetered(node_index, quarter)
            )
            state = _state(_of_quarter(entries, quarter), anchored_count)
            stated.append(StatedQuarter(energy=energy, state=state, gaps_s=gaps_s))
        return stated

    def gaps(self, node_index: int, interval: Interval) -> list[MeasuredGap]:
        """Return the slots of an interval without a reading, up to now."""
        gaps = self._gaps(node_index, interval.start_ms // SLOT_MS, -(-interval.end_ms // SLOT_MS))
        anchored_count = self.anchored_count()
        return [
            measured
            for run in outages(gaps)
            for measured in self._measured(node_index, run, anchored_count)
        ]

    def _gaps(self, node_index: int, from_slot: int, end_slot: int) -> list[SlotGap]:
        first = self._evidence.segment_at(node_index, 0)
        if first is not None:
            from_slot = max(from_slot, first.entry.first_slot)
        until = min(end_slot, slot_of(self._clock.now_ms()))
        if self._evidence.watermark(node_index) is None or from_slot >= until:
            return []
        entries = self._evidence.segment_entries(node_index, from_slot, until)
        named = self._evidence.gaps(node_index, from_slot, until)
        return gaps_between(from_slot, until, entries, named)

    def _measured(
        self, node_index: int, run: Sequence[SlotGap], anchored_count: int
    ) -> list[MeasuredGap]:
        start, end = run[0].from_slot, run[-1].to_slot
        before, after = self._reading(node_index, start - 1), self._reading(node_index, end)
        import_wh = after[_IMPORT] - before[_IMPORT] if before and after else None
        export_wh = after[_EXPORT] - before[_EXPORT] if before and after else None
        return [
            MeasuredGap(
                interval=Interval(gap.from_slot * SLOT_MS, gap.to_slot * SLOT_MS),
                cause=gap.cause,
                state=self._state_of(node_index, gap, anchored_count),
                outage=Interval(start * SLOT_MS, end * SLOT_MS),
                outage_import_wh=import_wh,
                outage_export_wh=export_wh,
            )
            for gap in run
        ]

    def _reading(self, node_index: int, slot: int) -> Row | None:
        for stored in self._evidence.segment_bodies(node_index, slot, slot + 1):
            for row in readings_of(read_rows(decode_segment(stored.body).records)):
                if row[_SLOT] == slot:
                    return row
        return None

    def _state_of(self, node_index: int, gap: SlotGap, anchored_count: int) -> State | None:
        entries = self._evidence.segment_entries(node_index, gap.from_slot, gap.to_slot)
        return _state(entries, anchored_count) if entries else None


def _state(entries: Sequence[SegmentEntry], anchored_count: int) -> State:
    anchored = all(e.window is not None and e.window < anchored_count for e in entries)
    return State.ANCHORED if entries and anchored else State.RECEIVED


def _of_quarter(entries: Sequence[SegmentEntry], quarter: int) -> list[SegmentEntry]:
    start = quarter * QUARTER_SLOTS
    return [e for e in entries if e.end_slot > start and e.first_slot < start + QUARTER_SLOTS]


def _seconds_by_cause(gaps: Sequence[SlotGap], quarter: int) -> dict[str, int]:
    start = quarter * QUARTER_SLOTS
    seconds: Counter[str] = Counter()
    for gap in gaps:
        slots = min(gap.to_slot, start + QUARTER_SLOTS) - max(gap.from_slot, start)
        if slots > 0:
            seconds[gap.cause] += slots * SLOT_S
    return dict(seconds)
