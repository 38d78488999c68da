"""Nothing the gateway hands in is believed: each claim is checked against evidence."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from central.errors import Contradicted, NotTheNext, StoreAway
from central.scd.ingest import Ingest, read_anchor
from central.scd.live import LiveBoard
from central.scd.logbook import LogBook
from central.scd.stored import Outcome
from ledger.codec import decode_window_entry, encode_record, encode_window_entry
from ledger.codec.cbor import decode, encode
from ledger.errors import Rejected
from ledger.facts.record import GapCause
from ledger.signing import SigningKey
from tests.fakes.scd_evidence import Failure, FakeEvidence
from tests.scd import HandClock
from tests.segments import FIRST_SLOT, ORIGIN, TestLog, TestNode, lively


class Gate:
    """An SCD in memory with three enrolled nodes and their log."""

    def __init__(self) -> None:
        self.nodes = [TestNode(i, power=lively(i)) for i in range(3)]
        self.log = TestLog(self.nodes)
        self.evidence = FakeEvidence()
        self.board = LiveBoard()
        self.ingest = self.opened()
        self.ingest.registry(self.log.registry())

    def opened(self) -> Ingest:
        return Ingest(
            self.evidence, LogBook(self.evidence), self.board, HandClock(), origin=ORIGIN,
            log_key=self.log.key.public,
        )  # fmt: skip

    def minute(self) -> list[bytes]:
        return [node.segment() for node in self.nodes]

    def outcomes(self, bodies: Sequence[bytes]) -> list[Outcome]:
        return [told.outcome for told in self.ingest.segments(bodies)]


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_each_segment_is_told_its_own_outcome(gate: Gate) -> None:
    first, second, third = gate.minute()
    stranger = TestNode(9).segment()
    bodies = [first, b"\x00", stranger, first, third]
    told = gate.ingest.segments(bodies)
    assert [each.outcome for each in told] == [
        Outcome.STORED, Outcome.REJECTED, Outcome.REJECTED, Outcome.DUPLICATE, Outcome.STORED,
    ]  # fmt: skip
    assert told[0].header_hash == told[3].header_hash
    assert told[1].reason.startswith("wrong_shape")
    assert told[2].reason.startswith("unknown_node")
    assert gate.outcomes([second]) == [Outcome.STORED]


@pytest.mark.parametrize("failure", Failure)
def test_a_call_that_failed_can_always_be_repeated(gate: Gate, failure: Failure) -> None:
    bodies = gate.minute()
    gate.evidence.fail_next(failure)
    with pytest.raises(StoreAway):
        gate.ingest.segments(bodies)
    again = gate.outcomes(bodies)
    assert set(again) == {Outcome.STORED if failure is Failure.LOST else Outcome.DUPLICATE}
    assert gate.evidence.tally().reading_count == 45

    window = gate.log.close(bodies)
    gate.evidence.fail_next(failure)
    with pytest.raises(StoreAway):
        gate.ingest.window(window)
    gate.ingest.window(window)
    assert gate.evidence.window_count() == 1

    anchor = gate.log.anchor()
    gate.evidence.fail_next(failure)
    with pytest.raises(StoreAway):
        gate.ingest.anchor(anchor)
    assert gate.ingest.anchor(anchor) == 1


def test_registrations_leave_nobody_out() -> None:
    gate = Gate()
    gate.ingest.registry([gate.nodes[1].registration(valid_to_ms=7)])
    with pytest.raises(Rejected) as caught:
        gate.ingest.registry([TestNode(4).registration()])
    assert caught.value.reason == "registry_not_dense"
    gate.ingest.registry([TestNode(3).registration(), TestNode(4).registration()])
    assert len(gate.evidence.registrations()) == 5


def test_a_window_over_other_registrations_is_refused(gate: Gate) -> None:
    bodies = gate.minute()
    gate.ingest.segments(bodies)
    window = gate.log.close(bodies)
    stranger = Gate()
    stranger.ingest.segments(bodies)
    with pytest.raises(Contradicted) as caught:
        stranger.ingest.window(window)
    assert caught.value.reason == "wrong_registry"
    gate.ingest.window(window)


def test_a_window_may_arrive_after_the_registry_went_on(gate: Gate) -> None:
    windows = []
    for _ in range(2):
        bodies = gate.minute()
        gate.ingest.segments(bodies)
        windows.append(gate.log.close(bodies))
    newcomer = TestNode(3)
    gate.log.nodes = [*gate.nodes, newcomer]
    gate.ingest.registry([newcomer.registration()])
    body = newcomer.segment()
    gate.ingest.segments([body])
    windows.append(gate.log.close([body]))
    gate.ingest.registry([gate.nodes[0].registration(valid_to_ms=1)])
    for window in windows:
        gate.ingest.window(window)
    arrivals = [each.registry_arrival for each in gate.evidence.windows(0, 9)]
    assert arrivals[0] == arrivals[1] < arrivals[2] < gate.evidence.last_arrival()


def test_a_window_with_another_root_is_refused(gate: Gate) -> None:
    bodies = gate.minute()
    gate.ingest.segments(bodies)
    entry, members = decode(gate.log.close(bodies))
    for wrong in ([], members[:2], [[0, members[1][1]], *members[1:]]):
        with pytest.raises(Contradicted) as caught:
            gate.ingest.window(encode([entry, wrong]))
        assert caught.value.reason == "wrong_root"
    gate.ingest.window(encode([entry, members]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda members: members[::-1],
        lambda members: [members[0], members[0]],
        lambda members: [[9, members[0][1]]],
        lambda members: [[members[0][0], []]],
        lambda members: [[0, members[0][1] * 2]],
    ],
    ids=["descending", "twice", "not enrolled", "empty", "the same twice"],
)
def test_members_are_ascending_enrolled_and_there(gate: Gate, spoil: object) -> None:
    bodies = gate.minute()
    gate.ingest.segments(bodies)
    entry, members = decode(gate.log.close(bodies))
    with pytest.raises(Contradicted) as caught:
        gate.ingest.window(encode([entry, spoil(members)]))  # type: ignore[operator]
    assert caught.value.reason == "wrong_members"


def test_a_window_of_another_log_is_refused(gate: Gate) -> None:
    entry, members = decode(gate.log.close([]))
    other = encode_window_entry(replace(decode_window_entry(entry), origin="elsewhere"))
    with pytest.raises(Rejected) as caught:
        gate.ingest.window(encode([other, members]))
    assert caught.value.reason == "wrong_origin"


def test_a_window_over_what_is_not_stored_is_refused(gate: Gate) -> None:
    window = gate.log.close(gate.minute())
    with pytest.raises(Contradicted) as caught:
        gate.ingest.window(window)
    assert caught.value.reason == "segment_not_stored"


def test_windows_come_one_after_the_other(gate: Gate) -> None:
    first, second, third = (gate.log.close([]) for _ in range(3))
    gate.ingest.window(first)
    with pytest.raises(NotTheNext) as caught:
        gate.ingest.window(third)
    assert (caught.value.expected, caught.value.found) == (1, 2)
    gate.ingest.window(first)
    gate.ingest.window(second)
    other = TestLog(gate.nodes, key=gate.log.key)
    with pytest.raises(NotTheNext):
        gate.ingest.window(other.close([], closed_ms=5))


def test_only_the_logs_key_makes_a_checkpoint(gate: Gate) -> None:
    gate.ingest.window(gate.log.close([]))
    forged = TestLog(gate.nodes, key=SigningKey.generate("EdDSA"), tree=gate.log.tree)
    with pytest.raises(Rejected) as caught:
        gate.ingest.anchor(forged.anchor())
    assert caught.value.reason in {"wrong_key", "bad_signature"}
    elsewhere = TestLog(gate.nodes, key=gate.log.key, tree=gate.log.tree, origin="elsewhere")
    with pytest.raises(Rejected) as caught:
        gate.ingest.anchor(elsewhere.anchor())
    assert caught.value.reason == "wrong_origin"


def test_a_checkpoint_over_other_windows_is_refused(gate: Gate) -> None:
    gate.ingest.window(gate.log.close([]))
    fork = TestLog(gate.nodes, key=gate.log.key)
    fork.close([], closed_ms=1)
    with pytest.raises(Contradicted) as caught:
        gate.ingest.anchor(fork.anchor())
    assert caught.value.reason == "wrong_root"
    gate.log.close([])
    with pytest.raises(Contradicted) as caught:
        gate.ingest.anchor(gate.log.anchor(2))
    assert caught.value.reason == "windows_missing"
    assert gate.ingest.anchor(gate.log.anchor(1, b"chain")) == 1
    anchor = gate.evidence.latest_anchor()
    assert anchor is not None
    assert read_anchor(anchor.body)[1] == b"chain"


def test_it_goes_on_where_another_process_stopped(gate: Gate) -> None:
    bodies = gate.minute()
    gate.ingest.segments(bodies)
    gate.ingest.window(gate.log.close(bodies))
    reopened = gate.opened()
    later = gate.minute()
    assert {told.outcome for told in reopened.segments(later)} == {Outcome.STORED}
    reopened.window(gate.log.close(later))
    assert reopened.anchor(gate.log.anchor()) == 2


def test_live_records_are_shown_and_never_stored(gate: Gate) -> None:
    node = gate.nodes[0]
    newer = encode_record(node._reading(FIRST_SLOT + 5))
    gate.ingest.live(0, newer)
    gate.ingest.live(0, encode_record(node._gap(FIRST_SLOT + 6, GapCause.METER_CRC)))
    latest = gate.board.latest(0)
    assert latest is not None
    assert latest.slot == FIRST_SLOT + 5
    assert gate.evidence.tally().reading_count == 0
    with pytest.raises(Rejected):
        gate.ingest.live(0, b"\x00")
    with pytest.raises(Rejected):
        gate.ingest.live(7, newer)


@pytest.mark.parametrize("body", [b"", b"\x80", encode([1, 2]), encode(["note", 5])])
def test_what_is_no_anchor_is_refused(gate: Gate, body: bytes) -> None:
    with pytest.raises(Rejected):
        gate.ingest.anchor(body)
