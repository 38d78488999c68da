"""The order in which evidence arrives changes nothing that is derived from it."""

import functools
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from central.scd.checking import check, readings_of
from central.scd.columns import READINGS, readings_table
from central.scd.database import Database
from central.scd.evidence import SqliteEvidence
from central.scd.manifest import HOUR_MS
from central.scd.ports import Evidence
from central.scd.quarters import add, sums_of, total
from central.scd.sealing import Sealer
from central.scd.series import Series
from central.scd.stored import CheckedSegment
from ledger.codec import Row, decode_segment, read_rows
from ledger.facts.interval import Interval
from ledger.facts.record import GapCause
from tests.fakes.scd_evidence import FakeEvidence
from tests.segments import FIRST_MS, ORIGIN, TestNode, lively

DAY = Interval(FIRST_MS, FIRST_MS + 24 * HOUR_MS)


@functools.cache
def history() -> tuple[CheckedSegment, ...]:
    """Return 40 minutes of a node with gaps, an outage and two contradictions."""
    node = TestNode(0, power=lively(5))
    bodies = node.segments(4)
    twin = TestNode(
        0, power=lively(6), key=node.key, slot=node.slot, sequence=node.sequence,
        previous_hash=node.previous_hash,
    )  # fmt: skip
    long_twin = TestNode(0, power=lively(7), key=node.key, window_slots=30)
    bodies += [twin.segment(), long_twin.segment()]
    bodies += [node.segment(gaps={0: GapCause.METER_CRC, 7: GapCause.OVERLOAD}), node.outage(20)]
    bodies += node.segments(12)
    return tuple(check(body, ORIGIN) for body in bodies)


def derived(evidence: Evidence) -> tuple[object, ...]:
    """Return what settlement rests on, without what tells who came first."""
    mark = evidence.watermark(0)
    counting = evidence.segment_bodies(0, 0, 1 << 40)
    return (
        evidence.quarters(0, 0, 1 << 40),
        evidence.gaps(0, 0, 1 << 40),
        evidence.last_value(0),
        mark and mark.end_slot,
        [stored.body for stored in counting],
    )


def stored(evidence: Evidence, calls: Sequence[Sequence[CheckedSegment]]) -> Evidence:
    for arrived_ms, call in enumerate(calls):
        evidence.commit_segments(call, arrived_ms)
    return evidence


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[CheckedSegment]]:
    """Return the history shuffled, some of it twice, cut into calls."""
    again = draw(st.lists(st.sampled_from(history()), max_size=6))
    order = draw(st.permutations([*history(), *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    edges = [0, *cuts, len(order)]
    return [order[a:b] for a, b in itertools.pairwise(edges)]


@given(deliveries())
@settings(max_examples=60)
def test_any_order_of_arrival_settles_the_same(calls: list[list[CheckedSegment]]) -> None:
    expected = derived(stored(FakeEvidence(), [history()]))
    assert derived(stored(FakeEvidence(), calls)) == expected
    with tempfile.TemporaryDirectory() as folder:
        evidence = SqliteEvidence(Database(Path(folder) / "evidence.db", create=True))
        try:
            assert derived(stored(evidence, calls)) == expected
        finally:
            evidence.close()


@given(deliveries(), st.integers(0, 5))
@settings(max_examples=30)
def test_the_series_holds_each_reading_once_however_it_was_sealed(
    calls: list[list[CheckedSegment]], sealings: int
) -> None:
    evidence = FakeEvidence()
    evidence.commit_registrations([(0, "IT002E00000000", TestNode(0).registration())], 0)
    with tempfile.TemporaryDirectory() as folder:
        sealer = Sealer(evidence, Path(folder), grace_ms=0)
        series = Series(evidence, Path(folder))
        try:
            for at, call in enumerate(calls):
                evidence.commit_segments(call, at)
                if at < sealings:
                    # First the hour alone, then the whole day: hours are merged, sealed anew.
                    sealer.seal_due(FIRST_MS + (HOUR_MS if at % 2 == 0 else 48 * HOUR_MS))
                found = pa.concat_tables(
                    [READINGS.empty_table().drop(["log_window"]).slice(0, 0)]
                    + [part.drop(["state"]) for part in series.scan([0], DAY)]
                )
                assert found.equals(from_scratch(evidence))
        finally:
            series.close()


def from_scratch(evidence: Evidence) -> pa.Table:
    table = readings_table(evidence.segment_bodies(0, 0, 1 << 40))
    return table.drop(["log_window"]).sort_by("time_ms")


@functools.cache
def rows() -> tuple[Row, ...]:
    node = TestNode(0, power=lively(1))
    bodies = node.segments(70)
    return tuple(
        row for body in bodies for row in readings_of(read_rows(decode_segment(body).records))
    )


@given(st.lists(st.integers(0, 1049), max_size=40), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_how_readings_are_cut(cuts: list[int], random: object) -> None:
    edges = sorted({0, *cuts, len(rows())})
    parts = [sums for a, b in itertools.pairwise(edges) for sums in sums_of(0, rows()[a:b])]
    random.shuffle(parts)  # type: ignore[attr-defined]
    assert total(parts) == total(sums_of(0, rows()))


@given(st.integers(0, 224), st.integers(0, 224))
def test_adding_is_free_of_order(one: int, other: int) -> None:
    (a,), (b,) = sums_of(0, rows()[one : one + 1]), sums_of(0, rows()[other : other + 1])
    if one != other:
        assert add(a, b) == add(b, a)


@given(st.lists(st.booleans(), min_size=225, max_size=225))
def test_covered_seconds_are_those_with_a_reading(present: list[bool]) -> None:
    kept = [row for row, there in zip(rows()[:225], present, strict=True) if there]
    found = sums_of(0, kept)
    assert sum(sums.reading_count for sums in found) == len(kept)
    net_ws = sum(sums.import_ws - sums.export_ws for sums in found)
    assert net_ws == sum(row[6] * 4 for row in kept)
