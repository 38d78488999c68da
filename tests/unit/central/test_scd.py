"""The small parts of the database that need no file of their own."""

from pathlib import Path

import pytest

from central.scd import schema
from central.scd.checking import check
from central.scd.columns import READINGS, readings_table
from central.scd.evidence import SqliteEvidence
from central.scd.live import LiveBoard
from central.scd.logbook import LogBook, RegistryTrail, read_window, window_leaves
from central.scd.lookup import EvidenceLookup
from central.scd.proofs import MAX_HEADERS, NotProvable, Prover
from central.scd.roles import Grant, Role
from central.scd.stored import SegmentEntry, StoredRegistration, StoredSegmentBody, Watermark
from ledger.codec import encode_record
from ledger.codec.cbor import decode, encode
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from ledger.facts.record import Gap, GapCause
from ledger.merkle import leaf_hash, root
from ledger.proving import Status, verify
from tests.fakes.scd_evidence import FakeEvidence
from tests.scd import lived_in, world
from tests.segments import FIRST_MS, FIRST_SLOT, ORIGIN, TestLog, TestNode, lively


def stored(node: TestNode, body: bytes) -> StoredSegmentBody:
    evidence = FakeEvidence()
    evidence.commit_segments([check(body, ORIGIN)], 1)
    return evidence.segment_bodies(node.index, 0, 1 << 40)[0]


# ── columns ─────────────────────────────────────────────────────────────────────────────────


def test_rows_become_columns_with_one_or_three_phases() -> None:
    one, three = TestNode(0, power=lively(1)), TestNode(1, power=lively(2), three_phase=True)
    table = readings_table([stored(node, node.segment()) for node in (one, three)])
    assert table.schema == READINGS
    assert table.column("node_index").to_pylist() == [0] * 15 + [1] * 15
    assert table.column("voltage_l3_mv").to_pylist() == [None] * 15 + [230_100] * 15
    assert table.column("time_ms").to_pylist()[1] == FIRST_MS + 4_012


def test_no_reading_is_an_empty_table() -> None:
    node = TestNode(0)
    assert readings_table([]).num_rows == 0
    assert readings_table([stored(node, node.outage(1))]).schema == READINGS


# ── stored rows ─────────────────────────────────────────────────────────────────────────────


def test_a_segment_ends_where_the_next_begins() -> None:
    segment = check(TestNode(0).segment(), ORIGIN)
    entry = stored(TestNode(0), segment.body).entry
    assert segment.next_sequence == entry.next_sequence == 15
    assert isinstance(entry, SegmentEntry)


def test_every_derived_table_has_its_class() -> None:
    assert set(schema.watermark.columns.keys()) == set(Watermark.__slots__)
    assert len(schema.metadata.tables) == 22
    assert issubclass(SqliteEvidence, EvidenceLookup)


# ── live ────────────────────────────────────────────────────────────────────────────────────


def test_an_older_live_reading_does_not_take_the_place_of_a_newer_one() -> None:
    node, board = TestNode(0), LiveBoard()
    older, newer = (encode_record(node._reading(FIRST_SLOT + n)) for n in (0, 1))
    board.show(0, newer)
    board.show(0, older)
    latest = board.latest(0)
    assert latest is not None
    assert latest.slot == FIRST_SLOT + 1
    assert board.latest(1) is None


# ── log book ────────────────────────────────────────────────────────────────────────────────


def test_a_window_is_read_and_its_leaves_are_dense() -> None:
    nodes = [TestNode(0), TestNode(1)]
    body = TestLog(nodes).close([nodes[1].segment()])
    _, members = read_window(body)
    assert [node_index for node_index, _ in members] == [1]
    leaves = window_leaves(0, 2, members)
    assert len(leaves) == 2
    assert leaves[0] == leaf_hash(encode([1, 0, 0, []]))


@pytest.mark.parametrize(
    "body", [b"", b"\xff", encode([]), encode([b"", [[0]]]), encode([b"", [[0, [b"short"]]]])]
)
def test_what_is_no_window_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        read_window(body)


def test_the_registry_is_followed_to_the_root_that_is_wanted() -> None:
    bodies = [TestNode(0).registration(), TestNode(1).registration()]
    later = [
        StoredRegistration(arrival=10 + i, node_index=i, pod="", body=body)
        for i, body in enumerate(bodies)
    ]
    trail = RegistryTrail()
    assert trail.find(later, 1, root([leaf_hash(bodies[0])])) == 10
    assert trail.find(later[1:], 2, root([leaf_hash(body) for body in bodies])) == 11
    assert trail.find([], 2, bytes(32)) is None


def test_the_log_book_grows_with_the_evidence() -> None:
    evidence = FakeEvidence()
    book = LogBook(evidence)
    assert len(book.log()) == 0
    evidence.commit_window(
        0, registry_arrival=0, closed_ms=1, entry=b"e", members=[], body=encode([b"e", []]),
        arrived_ms=1,
    )  # fmt: skip
    assert book.log().root() == leaf_hash(b"e")
    assert book.window_tree(0, 3)[0].root() == root(window_leaves(0, 3, []))
    with pytest.raises(LookupError):
        book.window_tree(1, 3)


# ── proofs ──────────────────────────────────────────────────────────────────────────────────


def test_every_record_of_a_segment_can_be_proved_gaps_too(tmp_path: Path) -> None:
    with world(tmp_path, node_count=3) as made:
        made.enrol()
        made.minutes(2, gaps={4: GapCause.METER_TIMEOUT})
        made.anchor()
        for slot in range(30):
            proof = made.services.prover.record(1, FIRST_MS + slot * 4_000)
            verdict = verify(proof, made.trust)
            assert verdict.status is Status.VALID, verdict.reason
            assert verdict.record is not None
            assert isinstance(verdict.record, Gap) == (slot % 15 == 4)


def test_a_proof_of_a_tampered_record_names_the_step(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=6) as made:
        proof = decode(made.services.prover.record(1, FIRST_MS))
        other = decode(made.services.prover.record(1, FIRST_MS + 4_000))
        proof[1][0] = other[1][0]
        verdict = verify(encode(proof), made.trust)
        assert (verdict.status, verdict.step) == (Status.INVALID, "record")


def test_a_span_with_a_hole_has_no_proof() -> None:
    node = TestNode(0)
    evidence = FakeEvidence()
    first, _, third = (check(node.segment(), ORIGIN) for _ in range(3))
    evidence.commit_registrations([(0, str(node.pod), node.registration())], 0)
    evidence.commit_segments([first, third], 1)
    prover = Prover(evidence, LogBook(evidence))
    with pytest.raises(NotProvable) as caught:
        prover.span(0, Interval(FIRST_MS, FIRST_MS + 180_000))
    assert caught.value.reason == "span_incomplete"
    assert prover.span(0, Interval(FIRST_MS, FIRST_MS + 60_000))


def test_a_span_that_is_too_long_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = TestNode(0)
    evidence = FakeEvidence()
    evidence.commit_segments([check(body, ORIGIN) for body in node.segments(3)], 1)
    monkeypatch.setattr("central.scd.proofs.MAX_HEADERS", 2)
    with pytest.raises(NotProvable, match="shorter intervals"):
        Prover(evidence, LogBook(evidence)).span(0, Interval(FIRST_MS, FIRST_MS + 180_000))
    assert MAX_HEADERS >= 1_440, "a day of one-minute segments fits"


def test_a_disputed_segment_proves_nothing() -> None:
    node = TestNode(0)
    twin = TestNode(0, power=lively(3), key=node.key)
    evidence = FakeEvidence()
    evidence.commit_segments([check(each.segment(), ORIGIN) for each in (node, twin)], 1)
    prover = Prover(evidence, LogBook(evidence))
    with pytest.raises(NotProvable):
        prover.record(0, FIRST_MS)
    with pytest.raises(NotProvable):
        prover.span(0, Interval(FIRST_MS, FIRST_MS + 60_000))


# ── tokens ──────────────────────────────────────────────────────────────────────────────────


def test_a_token_opens_what_it_was_issued_for(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        store = made.central.tokens
        grant = Grant("IT002E00000001", Interval(5, 9))
        token = store.issue(
            Role.BRP, [grant], label="one", created_ms=1, expires_ms=100, party="brp-1"
        )
        holder = store.holder(token, 99)
        assert holder is not None
        assert (holder.role, list(holder.grants)) == (Role.BRP, [grant])
        assert holder.party == store.tokens()[0].party == "brp-1"
        assert store.holder(token, 100) is None
        (known,) = store.tokens()
        assert (known.label, known.is_valid_at(99), known.is_valid_at(100)) == ("one", True, False)
        store.revoke(known.token_id, 50)
        store.revoke(known.token_id, 60)
        assert store.holder(token, 50) is None
        assert store.tokens()[0].revoked_ms == 50
        with pytest.raises(Rejected, match="token list"):
            store.revoke("nobody", 1)


# ── inquiry ─────────────────────────────────────────────────────────────────────────────────


def test_a_node_that_never_spoke_has_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.enrol()
        inquiry, hour = made.services.inquiry, Interval(FIRST_MS, FIRST_MS + 3_600_000)
        assert inquiry.latest(0) is None
        assert inquiry.quarters(0, hour) == []
        assert inquiry.gaps(0, hour) == []


def test_a_disputed_minute_is_a_gap_with_its_own_cause(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.enrol()
        made.minutes(1)
        node = made.nodes[0]
        twin = TestNode(
            0, power=lively(9), key=node.key, slot=node.slot, sequence=node.sequence,
            previous_hash=node.previous_hash,
        )  # fmt: skip
        made.services.ingest.segments([node.segment(), twin.segment(), node.segment()])
        gap = made.services.inquiry.gaps(0, Interval(FIRST_MS, FIRST_MS + 180_000))[0]
        assert (gap.cause, gap.interval.duration_ms) == ("DISPUTED", 60_000)
        assert gap.outage_import_wh is not None
