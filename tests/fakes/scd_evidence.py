"""Evidence in memory, honest about its guarantee; told to fail, it does so in both ways."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from central.errors import Contradicted, NotTheNext, StoreAway
from central.scd.checking import check
from central.scd.folding import Extent, NodeFold
from central.scd.ports import Members
from central.scd.quarters import total
from central.scd.stored import (
    LATEST,
    Arrival,
    ArrivalKind,
    CheckedSegment,
    Equivocation,
    LastValue,
    NamedGap,
    Outcome,
    QuarterSums,
    SegmentEntry,
    StoredAnchor,
    StoredRegistration,
    StoredSegmentBody,
    StoredWindow,
    Tally,
    Watermark,
)
from tests.segments import header_of


class Failure(Enum):
    """How the next call fails: nothing was kept, or all was kept and nobody was told."""

    LOST = "lost"
    KEPT = "kept though reported failed"


@dataclass
class _Held:
    segment: CheckedSegment
    arrival: int
    window: int | None = None
    disputed: bool = False

    @property
    def entry(self) -> SegmentEntry:
        s = self.segment
        return SegmentEntry(
            node_index=s.node_index, first_sequence=s.first_sequence, arrival=self.arrival,
            record_count=s.record_count, first_slot=s.first_slot, end_slot=s.end_slot,
            reading_count=s.reading_count, header_hash=s.header_hash, window=self.window,
            previous_hash=s.previous_hash, disputed=self.disputed,
        )  # fmt: skip


@dataclass
class FakeEvidence:
    """What `central.scd.ports.Evidence` promises, computed from scratch at every question."""

    failures: list[Failure] = field(default_factory=list)
    _arrivals: list[tuple[Arrival, bytes]] = field(default_factory=list)
    _segments: list[_Held] = field(default_factory=list)
    _contradictions: list[_Held] = field(default_factory=list)
    _registrations: list[StoredRegistration] = field(default_factory=list)
    _windows: list[StoredWindow] = field(default_factory=list)
    _anchors: dict[int, StoredAnchor] = field(default_factory=dict)

    def fail_next(self, failure: Failure) -> None:
        """Fail the next commit."""
        self.failures.append(failure)

    def commit_segments(self, segments: Sequence[CheckedSegment], arrived_ms: int) -> list[Outcome]:
        failure = self._failing()
        outcomes = [self._fold(segment, arrived_ms) for segment in segments]
        self._report(failure)
        return outcomes

    def segment_entries(self, node_index: int, from_slot: int, end_slot: int) -> list[SegmentEntry]:
        return [held.entry for held in self._covering(node_index, from_slot, end_slot)]

    def segment_bodies(
        self,
        node_index: int,
        from_slot: int,
        end_slot: int,
        *,
        after_arrival: int = 0,
        until_arrival: int = LATEST,
    ) -> list[StoredSegmentBody]:
        return [
            StoredSegmentBody(entry=held.entry, body=held.segment.body)
            for held in self._covering(node_index, from_slot, end_slot)
            if after_arrival < held.arrival <= until_arrival and not held.disputed
        ]

    def segment_at(self, node_index: int, sequence: int) -> StoredSegmentBody | None:
        for held in self._of(node_index):
            if held.segment.first_sequence <= sequence < held.segment.next_sequence:
                return StoredSegmentBody(entry=held.entry, body=held.segment.body)
        return None

    def bodies_since(self, nodes: Sequence[int], after_arrival: int) -> list[StoredSegmentBody]:
        found = [
            StoredSegmentBody(entry=held.entry, body=held.segment.body)
            for held in self._segments
            if held.segment.node_index in nodes and held.arrival > after_arrival
        ]
        return sorted(
            (each for each in found if not each.entry.disputed), key=lambda one: one.entry.arrival
        )

    def disputed_entries(self, node_index: int | None = None) -> list[SegmentEntry]:
        found = [held.entry for held in self._segments if held.disputed]
        found.sort(key=lambda entry: (entry.node_index, entry.first_sequence))
        return [entry for entry in found if node_index in {None, entry.node_index}]

    def equivocations(self, node_index: int) -> list[Equivocation]:
        return [
            Equivocation(
                arrival=held.arrival, node_index=node_index, window=held.window,
                first_sequence=held.segment.first_sequence,
                record_count=held.segment.record_count, header_hash=held.segment.header_hash,
            )
            for held in self._contradictions
            if held.segment.node_index == node_index
        ]  # fmt: skip

    def quarters(self, node_index: int, from_quarter: int, to_quarter: int) -> list[QuarterSums]:
        sums = total(sums for s in self._counting(node_index) for sums in s.quarters)
        found = sorted(sums.values(), key=lambda each: each.quarter)
        return [each for each in found if from_quarter <= each.quarter < to_quarter]

    def gaps(self, node_index: int, from_slot: int, end_slot: int) -> list[NamedGap]:
        named = [gap for s in self._counting(node_index) for gap in s.gaps]
        touching = [g for g in named if g.to_slot > from_slot and g.from_slot < end_slot]
        return sorted(touching, key=lambda gap: gap.from_slot)

    def last_value(self, node_index: int) -> LastValue | None:
        values = [s.last for s in self._counting(node_index) if s.last]
        return max(values, key=lambda value: value.sequence, default=None)

    def watermark(self, node_index: int) -> Watermark | None:
        held = self._of(node_index)
        if not held:
            return None
        following = 0
        for each in held:
            if each.segment.first_sequence != following:
                break
            following = each.segment.next_sequence
        latest = max(held, key=lambda each: each.arrival)
        return Watermark(
            node_index=node_index, next_sequence=following,
            end_sequence=max(each.segment.next_sequence for each in held),
            end_slot=max(each.segment.end_slot for each in held),
            arrived_ms=self._arrivals[latest.arrival - 1][0].arrived_ms,
        )  # fmt: skip

    def commit_registrations(
        self, registrations: Sequence[tuple[int, str, bytes]], arrived_ms: int
    ) -> None:
        failure = self._failing()
        for node_index, pod, body in registrations:
            if {each.node_index: each.body for each in self._registrations}.get(node_index) == body:
                continue
            arrival = self._arrive(
                ArrivalKind.REGISTRATION, node_index, node_index, arrived_ms, body
            )
            self._registrations.append(
                StoredRegistration(arrival=arrival, node_index=node_index, pod=pod, body=body)
            )
        self._report(failure)

    def registrations(self, *, until_arrival: int | None = None) -> list[StoredRegistration]:
        latest = {
            each.node_index: each
            for each in self._registrations
            if until_arrival is None or each.arrival <= until_arrival
        }
        return [latest[node_index] for node_index in sorted(latest)]

    def registration_history(self, after_arrival: int) -> list[StoredRegistration]:
        return [each for each in self._registrations if each.arrival > after_arrival]

    def commit_window(
        self,
        window: int,
        *,
        registry_arrival: int,
        closed_ms: int,
        entry: bytes,
        members: Members,
        body: bytes,
        arrived_ms: int,
    ) -> None:
        if window != len(self._windows):
            raise NotTheNext(expected=len(self._windows), found=window)
        everything = [*self._segments, *self._contradictions]
        by_hash = {(h.segment.node_index, h.segment.header_hash): h for h in everything}
        wanted = [(node, digest) for node, hashes in members for digest in hashes]
        if any(pair not in by_hash for pair in wanted):
            raise Contradicted("a segment is not stored", reason="segment_not_stored")
        failure = self._failing()
        for pair in wanted:
            held = by_hash[pair]
            held.window = window if held.window is None else held.window
        arrival = self._arrive(ArrivalKind.WINDOW, None, window, arrived_ms, body)
        self._windows.append(
            StoredWindow(
                window=window, arrival=arrival, registry_arrival=registry_arrival,
                closed_ms=closed_ms, entry=entry,
            )
        )  # fmt: skip
        self._report(failure)

    def window_count(self) -> int:
        return len(self._windows)

    def windows(self, first: int, limit: int) -> list[StoredWindow]:
        return [window for window in self._windows if window.window >= first][:limit]

    def window_body(self, window: int) -> bytes | None:
        if not 0 <= window < len(self._windows):
            return None
        return self._arrivals[self._windows[window].arrival - 1][1]

    def commit_anchor(self, size: int, body: bytes, arrived_ms: int) -> None:
        failure = self._failing()
        arrival = self._arrive(ArrivalKind.ANCHOR, None, size, arrived_ms, body)
        self._anchors[size] = StoredAnchor(size=size, arrival=arrival, body=body)
        self._report(failure)

    def latest_anchor(self) -> StoredAnchor | None:
        return self._anchors[max(self._anchors)] if self._anchors else None

    def changes(self, since: int, limit: int, nodes: frozenset[int] | None = None) -> list[Arrival]:
        found = [arrival for arrival, _ in self._arrivals[since:]]
        if nodes is not None:
            found = [each for each in found if each.node_index is None or each.node_index in nodes]
        return found[:limit]

    def last_arrival(self) -> int:
        return len(self._arrivals)

    def arrival_bodies(self, since: int, limit: int) -> Iterator[tuple[Arrival, bytes]]:
        yield from self._arrivals[since : since + limit]

    def tally(self) -> Tally:
        gaps: dict[int, int] = {}
        for held in self._segments:
            for gap in () if held.disputed else held.segment.gaps:
                gaps[gap.cause] = gaps.get(gap.cause, 0) + gap.to_slot - gap.from_slot
        return Tally(
            node_count=len(self.registrations()), segment_count=len(self._segments),
            conflict_count=len(self._contradictions), window_count=len(self._windows),
            reading_count=sum(held.segment.reading_count for held in self._segments),
            gap_slots_by_cause=gaps, anchored_count=max(self._anchors, default=0),
        )  # fmt: skip

    def close(self) -> None:
        """Keep everything: a test may look at it again."""

    def _failing(self) -> Failure | None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is Failure.LOST:
            raise StoreAway("told to lose this call")
        return failure

    def _report(self, failure: Failure | None) -> None:
        if failure is Failure.KEPT:
            raise StoreAway("told to keep this call and say that it failed")

    def _fold(self, segment: CheckedSegment, arrived_ms: int) -> Outcome:
        assert check(segment.body, _origin(segment)) == segment, "not what was checked"
        fold = NodeFold(
            stored=[_extent(held) for held in self._of(segment.node_index)],
            contradictions=[
                _extent(held)
                for held in self._contradictions
                if held.segment.node_index == segment.node_index
            ],
        )
        outcome, is_new = fold.fold(segment)
        if not is_new:
            return outcome
        kind = ArrivalKind.SEGMENT if outcome is Outcome.STORED else ArrivalKind.CONFLICT
        arrival = self._arrive_segment(kind, segment, arrived_ms)
        held = _Held(segment, arrival)
        (self._segments if outcome is Outcome.STORED else self._contradictions).append(held)
        for other in self._of(segment.node_index):
            other.disputed |= other.segment.first_sequence in fold.disputed
        return outcome

    def _arrive(
        self,
        kind: ArrivalKind,
        node_index: int | None,
        reference: int,
        arrived_ms: int,
        body: bytes,
    ) -> int:
        arrival = Arrival(
            arrival=len(self._arrivals) + 1, kind=kind, node_index=node_index,
            reference=reference, arrived_ms=arrived_ms,
        )  # fmt: skip
        self._arrivals.append((arrival, body))
        return arrival.arrival

    def _arrive_segment(self, kind: ArrivalKind, segment: CheckedSegment, arrived_ms: int) -> int:
        place = (segment.node_index, segment.first_sequence)
        number = self._arrive(kind, *place, arrived_ms, segment.body)
        arrival = replace(self._arrivals[-1][0], header_hash=segment.header_hash)
        if kind is ArrivalKind.SEGMENT:
            arrival = replace(arrival, first_slot=segment.first_slot, end_slot=segment.end_slot)
        self._arrivals[-1] = (arrival, segment.body)
        return number

    def _of(self, node_index: int) -> list[_Held]:
        found = [held for held in self._segments if held.segment.node_index == node_index]
        return sorted(found, key=lambda held: held.segment.first_sequence)

    def _covering(self, node_index: int, from_slot: int, end_slot: int) -> list[_Held]:
        return [
            held
            for held in self._of(node_index)
            if held.segment.end_slot > from_slot and held.segment.first_slot < end_slot
        ]

    def _counting(self, node_index: int) -> list[CheckedSegment]:
        return [held.segment for held in self._of(node_index) if not held.disputed]


def _extent(held: _Held) -> Extent:
    s = held.segment
    return Extent(s.first_sequence, s.next_sequence, s.header_hash)


def _origin(segment: CheckedSegment) -> str:
    return header_of(segment.body).origin
