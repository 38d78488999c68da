"""What every engine of the evidence promises: the same suite on SQLite and in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from central.errors import Contradicted, NotTheNext
from central.scd.checking import check
from central.scd.database import Database
from central.scd.evidence import SqliteEvidence
from central.scd.ports import Evidence
from central.scd.stored import ArrivalKind, CheckedSegment, Outcome
from ledger.facts.record import GapCause
from tests.fakes.scd_evidence import FakeEvidence
from tests.segments import FIRST_SLOT, ORIGIN, TestNode, lively

S, D, C = Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT
FIRST_QUARTER = FIRST_SLOT // 225


@pytest.fixture(params=["sqlite", "memory"])
def evidence(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Evidence]:
    engines: dict[str, Callable[[], Evidence]] = {
        "sqlite": lambda: SqliteEvidence(Database(tmp_path / "evidence.db", create=True)),
        "memory": FakeEvidence,
    }
    opened = engines[request.param]()
    yield opened
    opened.close()


def checked(node: TestNode, count: int = 1) -> list[CheckedSegment]:
    return [check(body, ORIGIN) for body in node.segments(count)]


def other(node: TestNode) -> TestNode:
    """Return the same node, about to tell another story from the same place on."""
    return TestNode(
        node.index, power=lively(999), slot=node.slot, sequence=node.sequence,
        previous_hash=node.previous_hash, key=node.key,
    )  # fmt: skip


def derived(evidence: Evidence, node_index: int) -> tuple[object, ...]:
    return (
        evidence.quarters(node_index, 0, 1 << 40),
        evidence.gaps(node_index, 0, 1 << 40),
        evidence.last_value(node_index),
    )


def test_what_is_stored_is_there_with_all_that_is_derived(evidence: Evidence) -> None:
    node = TestNode(3)
    first, second = checked(node, 2)
    assert evidence.commit_segments([first, second], 77) == [S, S]

    entries = evidence.segment_entries(3, 0, 1 << 40)
    assert [entry.first_sequence for entry in entries] == [0, 15]
    assert [entry.arrival for entry in entries] == [1, 2]
    bodies = evidence.segment_bodies(3, 0, 1 << 40)
    assert [stored.body for stored in bodies] == [first.body, second.body]
    mark = evidence.watermark(3)
    assert mark is not None
    assert (mark.next_sequence, mark.end_sequence, mark.arrived_ms) == (30, 30, 77)
    assert mark.end_slot == FIRST_SLOT + 30
    assert evidence.last_value(3) == second.last
    (sums,) = evidence.quarters(3, FIRST_QUARTER, FIRST_QUARTER + 1)
    assert (sums.reading_count, sums.import_ws) == (30, 30 * 1_800 * 4)
    assert evidence.tally().reading_count == 30


def test_the_same_again_changes_nothing(evidence: Evidence) -> None:
    segments = checked(TestNode(0), 3)
    evidence.commit_segments(segments, 1)
    before = derived(evidence, 0)
    assert evidence.commit_segments([*segments, segments[0]], 2) == [D, D, D, D]
    assert derived(evidence, 0) == before
    assert evidence.last_arrival() == 3


def test_the_same_twice_in_one_call_is_stored_once(evidence: Evidence) -> None:
    (segment,) = checked(TestNode(0))
    assert evidence.commit_segments([segment, segment], 1) == [S, D]
    assert evidence.quarters(0, 0, 1 << 40)[0].reading_count == 15


def test_a_backlog_may_come_after_what_is_newer(evidence: Evidence) -> None:
    old, middle, new = checked(TestNode(0, power=lively(1)), 3)
    evidence.commit_segments([new], 1)
    mark = evidence.watermark(0)
    assert mark is not None
    assert (mark.next_sequence, mark.end_sequence) == (0, 45)
    evidence.commit_segments([old], 2)
    assert evidence.last_value(0) == new.last
    evidence.commit_segments([middle], 3)
    mark = evidence.watermark(0)
    assert mark is not None
    assert (mark.next_sequence, mark.end_sequence) == (45, 45)


def test_two_contents_for_one_sequence_are_kept_and_neither_counts(evidence: Evidence) -> None:
    node = TestNode(0)
    first = checked(node)[0]
    twin = other(node)
    story, lie, after = checked(node)[0], checked(twin)[0], checked(node)[0]
    assert evidence.commit_segments([first, story, after], 1) == [S, S, S]
    assert evidence.commit_segments([lie], 2) == [C]

    assert [entry.first_sequence for entry in evidence.disputed_entries(0)] == [15]
    assert evidence.disputed_entries() == evidence.disputed_entries(0)
    assert [each.header_hash for each in evidence.equivocations(0)] == [lie.header_hash]
    assert evidence.quarters(0, 0, 1 << 40)[0].reading_count == 30
    bodies = evidence.segment_bodies(0, 0, 1 << 40)
    assert [stored.entry.first_sequence for stored in bodies] == [0, 30]
    kept = [body for _, body in evidence.arrival_bodies(0, 10)]
    assert kept == [first.body, story.body, after.body, lie.body]


def test_a_contradiction_told_again_is_no_new_evidence(evidence: Evidence) -> None:
    node = TestNode(0)
    story, lie = checked(node)[0], checked(other(TestNode(0, key=node.key)))[0]
    evidence.commit_segments([story], 1)
    assert evidence.commit_segments([lie, lie, story], 2) == [C, C, D]
    assert evidence.last_arrival() == 2


def test_when_the_latest_reading_is_disputed_the_one_before_it_is_the_last(
    evidence: Evidence,
) -> None:
    node = TestNode(0)
    first = checked(node)[0]
    twin = other(node)
    evidence.commit_segments([first, checked(node)[0]], 1)
    evidence.commit_segments(checked(twin), 2)
    assert evidence.last_value(0) == first.last


def test_when_everything_is_disputed_nothing_is_derived(evidence: Evidence) -> None:
    node = TestNode(0)
    twin = other(node)
    evidence.commit_segments([*checked(node), *checked(twin)], 1)
    assert derived(evidence, 0) == ([], [], None)


def test_what_overlaps_only_a_contradiction_does_not_count_either(evidence: Evidence) -> None:
    node = TestNode(0)
    twin = TestNode(0, power=lively(9), window_slots=30, key=node.key)
    (story,), (long_lie,), (after,) = checked(node), checked(twin), checked(node)
    assert evidence.commit_segments([story, long_lie], 1) == [S, C]
    assert evidence.commit_segments([after], 2) == [C]
    assert evidence.quarters(0, 0, 1 << 40) == []


def test_gaps_are_found_by_the_slots_they_touch(evidence: Evidence) -> None:
    node = TestNode(0)
    bodies = [
        node.segment(gaps={3: GapCause.METER_CRC, 4: GapCause.METER_TIMEOUT}),
        node.outage(2),
    ]
    evidence.commit_segments([check(body, ORIGIN) for body in bodies], 1)
    named = evidence.gaps(0, FIRST_SLOT, FIRST_SLOT + 1_000)
    assert [(gap.from_slot - FIRST_SLOT, gap.to_slot - FIRST_SLOT) for gap in named] == [
        (3, 4),
        (4, 5),
        (15, 45),
    ]
    assert evidence.gaps(0, FIRST_SLOT + 44, FIRST_SLOT + 45)[0].cause == GapCause.POWER_OFF
    assert evidence.gaps(0, FIRST_SLOT + 45, FIRST_SLOT + 99) == []
    assert evidence.tally().gap_slots_by_cause == {1: 1, 2: 1, 6: 30}


def test_a_segment_is_found_by_any_sequence_in_it(evidence: Evidence) -> None:
    first, second = checked(TestNode(0), 2)
    evidence.commit_segments([first, second], 1)
    found = [evidence.segment_at(0, sequence) for sequence in (0, 14, 15, 29)]
    assert [each.body for each in found if each] == [first.body] * 2 + [second.body] * 2
    assert evidence.segment_at(0, 30) is None
    assert evidence.segment_at(1, 0) is None


def test_arrivals_after_one_are_told_apart(evidence: Evidence) -> None:
    node, neighbour = TestNode(0), TestNode(1)
    first, second, third = checked(node, 3)
    evidence.commit_segments([first], 1)
    evidence.commit_segments([*checked(neighbour), second], 2)
    evidence.commit_segments([third], 3)
    late = evidence.segment_bodies(0, 0, 1 << 40, after_arrival=1, until_arrival=3)
    assert [stored.body for stored in late] == [second.body]
    since = evidence.bodies_since([0], 1)
    assert [stored.body for stored in since] == [second.body, third.body]


def test_a_registration_stands_from_its_arrival_on(evidence: Evidence) -> None:
    node, neighbour = TestNode(0), TestNode(1)
    rows = [(each.index, str(each.pod), each.registration()) for each in (node, neighbour)]
    evidence.commit_registrations(rows, 1)
    evidence.commit_registrations(rows, 2)
    assert evidence.last_arrival() == 2
    revoked = node.registration(valid_to_ms=5)
    evidence.commit_registrations([(0, str(node.pod), revoked)], 3)
    assert [each.body for each in evidence.registrations()] == [revoked, rows[1][2]]
    assert [each.body for each in evidence.registrations(until_arrival=2)] == [
        rows[0][2],
        rows[1][2],
    ]
    assert [each.body for each in evidence.registration_history(2)] == [revoked]


def window(evidence: Evidence, number: int, members: list[tuple[int, list[bytes]]]) -> None:
    evidence.commit_window(
        number, registry_arrival=0, closed_ms=number, entry=b"entry %d" % number,
        members=members, body=b"window %d" % number, arrived_ms=9,
    )  # fmt: skip


def test_windows_are_dense_and_noted_on_their_segments(evidence: Evidence) -> None:
    first, second = checked(TestNode(0), 2)
    evidence.commit_segments([first, second], 1)
    with pytest.raises(NotTheNext) as caught:
        window(evidence, 1, [])
    assert caught.value.expected == 0
    window(evidence, 0, [])
    window(evidence, 1, [(0, [first.header_hash, second.header_hash])])
    assert [e.window for e in evidence.segment_entries(0, 0, 1 << 40)] == [1, 1]
    assert evidence.window_count() == 2
    assert [each.entry for each in evidence.windows(0, 9)] == [b"entry 0", b"entry 1"]
    assert [each.window for each in evidence.windows(1, 1)] == [1]
    assert evidence.window_body(1) == b"window 1"
    assert evidence.window_body(2) is None


def test_a_window_over_what_is_not_stored_leaves_nothing_behind(evidence: Evidence) -> None:
    (segment,) = checked(TestNode(0))
    evidence.commit_segments([segment], 1)
    with pytest.raises(Contradicted):
        window(evidence, 0, [(0, [segment.header_hash, bytes(32)])])
    assert evidence.window_count() == 0
    assert evidence.last_arrival() == 1
    assert [e.window for e in evidence.segment_entries(0, 0, 1 << 40)] == [None]


def test_a_window_may_hold_a_contradiction(evidence: Evidence) -> None:
    node = TestNode(0)
    twin = other(node)
    (story,), (lie,) = checked(node), checked(twin)
    evidence.commit_segments([story, lie], 1)
    window(evidence, 0, [(0, [story.header_hash, lie.header_hash])])
    assert [each.window for each in evidence.equivocations(0)] == [0]


def test_the_latest_anchor_is_the_one_over_most_windows(evidence: Evidence) -> None:
    assert evidence.latest_anchor() is None
    for size, body in ((2, b"two"), (5, b"five"), (5, b"five again")):
        evidence.commit_anchor(size, body, 1)
    latest = evidence.latest_anchor()
    assert latest is not None
    assert (latest.size, latest.body) == (5, b"five again")


def test_the_feed_tells_everything_in_the_order_of_arrival(evidence: Evidence) -> None:
    node, neighbour = TestNode(0), TestNode(1)
    evidence.commit_registrations([(0, str(node.pod), node.registration())], 1)
    evidence.commit_segments([*checked(node), *checked(neighbour)], 2)
    evidence.commit_segments(checked(other(TestNode(0, key=node.key))), 3)
    window(evidence, 0, [])
    evidence.commit_anchor(1, b"", 5)
    feed = evidence.changes(0, 100)
    assert [change.arrival for change in feed] == list(range(1, 7))
    assert [change.kind for change in feed] == [
        ArrivalKind.REGISTRATION, ArrivalKind.SEGMENT, ArrivalKind.SEGMENT,
        ArrivalKind.CONFLICT, ArrivalKind.WINDOW, ArrivalKind.ANCHOR,
    ]  # fmt: skip
    assert (feed[1].first_slot, feed[1].end_slot) == (FIRST_SLOT, FIRST_SLOT + 15)
    assert feed[3].header_hash is not None
    assert evidence.changes(4, 1) == feed[4:5]
    mine = evidence.changes(0, 100, frozenset({1}))
    assert [change.arrival for change in mine] == [3, 5, 6]
    assert evidence.changes(6, 100) == []


def test_an_empty_store_has_nothing(evidence: Evidence) -> None:
    assert evidence.last_arrival() == 0
    assert evidence.window_count() == 0
    assert derived(evidence, 0) == ([], [], None)
    assert evidence.watermark(0) is None
    assert evidence.commit_segments([], 1) == []
