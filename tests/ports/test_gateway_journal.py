"""The journal's guarantees, on the fake and on SQLite, also when a transaction fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from gateway.errors import JournalBlocked
from gateway.journal import Journal, Store
from gateway.ports import (
    Equivocation,
    Examined,
    Lane,
    LinkState,
    Member,
    Outgoing,
    Refusal,
    SplitView,
)
from ledger.chain.values import Attempt, Final, RegistryRoot, Submission
from ledger.codec import decode_registration
from ledger.errors import InvariantBroken, Unavailable
from tests.fakes.gateway_forger import claiming, examine, keyring_of
from tests.fakes.gateway_journal import FakeJournal
from tests.faults.gateway_world import RealJournal
from tests.segments import FIRST_MS, ORIGIN, TestNode

NOW_MS = FIRST_MS + 3_600_000
FINAL = Final(
    tx_hash=b"\x01" * 32, gas_used=40_000, block_number=1, block_hash=bytes(32), block_time_s=1
)


class FaultyStore(Store):
    """A store whose commits are lost, or kept though reported failed, on demand."""

    lose = 0
    keep = 0

    def _commit(self, connection: Connection) -> None:
        if self.lose:
            self.lose -= 1
            raise JournalBlocked("lost", where="test")
        super()._commit(connection)
        if self.keep:
            self.keep -= 1
            raise JournalBlocked("kept, though reported failed", where="test")


class Rig:
    """A journal and the handle that makes it fail."""

    def __init__(self, journal: Any, faults: Any) -> None:  # noqa: ANN401 -- fake or real
        self.journal = journal
        self.faults = faults


@pytest.fixture(params=["fake", "sqlite"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "fake":
        journal = FakeJournal()
        yield Rig(journal, journal)
        return
    store = FaultyStore(tmp_path / "journal.sqlite")
    real = Journal(store)
    yield Rig(RealJournal(real), store)
    real.close()


@contextlib.contextmanager
def failing(rig: Rig, how: str) -> Iterator[None]:
    """Let the next transaction fail, and expect it."""
    setattr(rig.faults, how, 1)
    with pytest.raises(Unavailable):
        yield


def minutes(count: int, index: int = 0) -> list[Examined]:
    node = TestNode(index)
    return [examined(body, node) for body in node.segments(count)]


def examined(body: bytes, node: TestNode) -> Examined:
    return examine(
        body, topic_node=node.index, keyring=keyring_of(node), origin=ORIGIN, now_ms=NOW_MS
    )


def admit(rig: Rig, *segments: Examined, lane: Lane = Lane.LIVE) -> None:
    with rig.journal.batch() as batch:
        for segment in segments:
            batch.admit(segment, lane, NOW_MS)


def around(rig: Rig, segment: Examined) -> Any:  # noqa: ANN401 -- the neighbours
    header = segment.header
    with rig.journal.batch() as batch:
        return batch.neighbours(header.node_index, header.first_sequence, header.next_sequence)


def settle(rig: Rig, outcome: str = "stored") -> list[Outgoing]:
    sent: list[Outgoing] = rig.journal.outgoing(100)
    rig.journal.settle([(one, outcome, "") for one in sent], NOW_MS)
    return sent


# ── admission ───────────────────────────────────────────────────────────────────────────────


def test_an_admitted_segment_waits_for_delivery(rig: Rig) -> None:
    (segment,) = minutes(1)
    admit(rig, segment)
    (waiting,) = rig.journal.outgoing(10)
    assert (waiting.payload, waiting.header_hash) == (segment.payload, segment.header_hash)
    assert (waiting.node_index, waiting.first_sequence, waiting.count) == (0, 0, 15)
    assert not waiting.is_evidence
    assert rig.journal.backlog_bytes() == len(segment.payload)


@pytest.mark.parametrize("how", ["lose", "keep"])
def test_a_batch_is_there_as_a_whole_or_not_at_all(rig: Rig, how: str) -> None:
    first, second, third, fourth = minutes(4)
    admit(rig, first)
    assert rig.journal.backlog_bytes() == len(first.payload)
    with failing(rig, how), rig.journal.batch() as batch:
        batch.admit(second, Lane.LIVE, NOW_MS)
        batch.admit(third, Lane.LIVE, NOW_MS)
    kept = [first, second, third] if how == "keep" else [first]
    assert [one.payload for one in rig.journal.outgoing(10)] == [one.payload for one in kept]
    assert bool(around(rig, third).overlapping) == (how == "keep")
    assert (around(rig, fourth).before is not None) == (how == "keep")
    assert rig.journal.backlog_bytes() == sum(len(one.payload) for one in kept)


def test_a_batch_that_raises_leaves_nothing(rig: Rig) -> None:
    (segment,) = minutes(1)
    with pytest.raises(KeyError), rig.journal.batch() as batch:  # noqa: PT012 -- it must raise within
        batch.admit(segment, Lane.LIVE, NOW_MS)
        raise KeyError
    assert not rig.journal.outgoing(10)
    assert not around(rig, segment).overlapping


def test_a_batch_sees_what_it_has_written(rig: Rig) -> None:
    first, second, third = minutes(3)
    with rig.journal.batch() as batch:
        batch.admit(first, Lane.LIVE, NOW_MS)
        batch.admit(third, Lane.LIVE, NOW_MS)
        known = batch.neighbours(0, 15, 30)
    assert known.before is not None
    assert known.after is not None
    assert known.before.header_hash == first.header_hash
    assert known.after.header_hash == third.header_hash
    assert not known.overlapping
    assert around(rig, second) == known


@pytest.mark.parametrize(("first", "following"), [(0, 1), (14, 16), (0, 45), (7, 8), (14, 15)])
def test_overlaps_are_seen(rig: Rig, first: int, following: int) -> None:
    admit(rig, *minutes(2))
    with rig.journal.batch() as batch:
        assert batch.neighbours(0, first, following).overlapping
        assert not batch.neighbours(1, first, following).overlapping


def test_live_goes_before_backfill_and_old_before_new(rig: Rig) -> None:
    first, second, third, fourth = minutes(4)
    admit(rig, second, first, lane=Lane.BACKFILL)
    admit(rig, fourth, third, lane=Lane.LIVE)
    sent = [one.payload for one in rig.journal.outgoing(3)]
    assert sent == [fourth.payload, third.payload, second.payload]


def test_a_claim_against_the_log_is_kept_once_for_each_root(rig: Rig) -> None:
    node = TestNode(0, checkpoint=(3, b"\x05" * 32))
    first, second = (examined(body, node) for body in node.segments(2))
    node.checkpoint = (3, b"\x06" * 32)
    third = examined(node.segment(), node)
    kept = []
    for segment in (first, second, third, first):
        with rig.journal.batch() as batch:
            view = SplitView(segment=segment, root=b"\x07" * 32, detected_ms=NOW_MS)
            kept.append(batch.keep_split_view(view))
    assert kept == [True, False, True, False]
    assert not rig.journal.outgoing(10), "the segment itself goes its own way"


def test_evidence_is_kept_once_and_told_without_a_promise(rig: Rig) -> None:
    node = TestNode(0)
    body = node.segment()
    held = examined(body, node)
    other = examined(claiming(body, node.key, checkpoint=(1, bytes(32))), node)
    admit(rig, held)
    link = around(rig, held).overlapping[0]
    evidence = Equivocation(kind="equivocation", held=link, other=other, detected_ms=NOW_MS)
    for is_new in (True, False):
        with rig.journal.batch() as batch:
            assert batch.keep_evidence(evidence) is is_new
    told = rig.journal.outgoing(10)
    assert [(one.payload, one.is_evidence) for one in told] == [
        (held.payload, False),
        (other.payload, True),
    ]
    rig.journal.settle([(told[1], "conflict", "")], NOW_MS)
    assert around(rig, held).overlapping[0].state is LinkState.ADMITTED


def test_the_same_refused_bytes_are_put_aside_once(rig: Rig) -> None:
    refusal = Refusal(
        node_index=None, reason="not_canonical", detail="x", payload=b"x", received_ms=NOW_MS
    )
    with rig.journal.batch() as batch:
        assert batch.quarantine(refusal)
        assert not batch.quarantine(refusal)


# ── delivery ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("stored", LinkState.STORED),
        ("duplicate", LinkState.STORED),
        ("conflict", LinkState.CONFLICT),
        ("rejected", LinkState.REFUSED),
    ],
)
def test_an_outcome_settles_a_delivery(rig: Rig, outcome: str, state: LinkState) -> None:
    (segment,) = minutes(1)
    admit(rig, segment)
    settle(rig, outcome)
    assert not rig.journal.outgoing(10)
    assert around(rig, segment).overlapping[0].state is state
    assert len(rig.journal.unwindowed()) == (state is LinkState.STORED)
    assert rig.journal.backlog_bytes() == 0


@pytest.mark.parametrize("how", ["lose", "keep"])
def test_an_outcome_is_written_as_a_whole(rig: Rig, how: str) -> None:
    admit(rig, *minutes(2))
    with failing(rig, how):
        settle(rig)
    assert len(rig.journal.outgoing(10)) == (0 if how == "keep" else 2)
    assert len(rig.journal.unwindowed()) == (2 if how == "keep" else 0)


def test_what_was_refused_can_be_delivered_again(rig: Rig) -> None:
    (segment,) = minutes(1)
    admit(rig, segment)
    settle(rig, "rejected")
    with rig.journal.batch() as batch:
        batch.deliver_again(segment, Lane.LIVE)
    assert len(rig.journal.outgoing(10)) == 1
    settle(rig)
    assert around(rig, segment).overlapping[0].state is LinkState.STORED


# ── registry ────────────────────────────────────────────────────────────────────────────────


def test_registrations_are_followed_by_version(rig: Rig) -> None:
    assert rig.journal.registry_version() == 0
    first, second = TestNode(0).registration(), TestNode(1).registration()
    rig.journal.put(first)
    version = rig.journal.registry_version()
    rig.journal.put(second)
    assert rig.journal.registry_version() > version
    assert rig.journal.registrations_since(0) == [first, second]
    assert rig.journal.registrations_since(version) == [second]


def test_a_changed_registration_is_delivered_again(rig: Rig) -> None:
    node = TestNode(0)
    rig.journal.put(node.registration())
    (offered,) = rig.journal.undelivered_registrations()
    rig.journal.registrations_offered([offered])
    assert rig.journal.delivered_registrations() is None, "nobody knows what the other side has"
    rig.journal.registrations_delivered([offered])
    assert rig.journal.delivered_registrations() == [node.registration()]
    assert not rig.journal.undelivered_registrations()
    changed = node.registration(valid_to_ms=5)
    rig.journal.change(0, lambda _: decode_registration(changed))
    assert rig.journal.undelivered_registrations() == [(0, changed)]
    assert rig.journal.delivered_registrations() == [node.registration()]


# ── windows ─────────────────────────────────────────────────────────────────────────────────


def stored(rig: Rig, count: int = 2) -> list[Member]:
    admit(rig, *minutes(count))
    settle(rig)
    members: list[Member] = rig.journal.unwindowed()
    return members


def test_a_window_takes_its_members_once(rig: Rig) -> None:
    members = stored(rig)
    rig.journal.stage(0, b"zero", 7, members)
    assert rig.journal.next_window() == 1
    assert not rig.journal.unwindowed()
    window = rig.journal.first_untold_window()
    assert (window.number, window.entry, window.closed_ms) == (0, b"zero", 7)
    assert window.members == ((0, tuple(one.header_hash for one in members)),)
    with pytest.raises(InvariantBroken):
        rig.journal.stage(1, b"one", 8, members)
    with pytest.raises(InvariantBroken):
        rig.journal.stage(2, b"two", 8, [])
    assert rig.journal.next_window() == 1


@pytest.mark.parametrize("how", ["lose", "keep"])
def test_a_window_is_staged_with_all_members_or_not_at_all(rig: Rig, how: str) -> None:
    members = stored(rig)
    with failing(rig, how):
        rig.journal.stage(0, b"zero", 7, members)
    assert rig.journal.next_window() == (1 if how == "keep" else 0)
    assert len(rig.journal.unwindowed()) == (0 if how == "keep" else 2)


def test_windows_are_told_in_order_and_again_when_they_are_lost(rig: Rig) -> None:
    for number in range(3):
        rig.journal.stage(number, bytes([number]), number, [])
        rig.journal.window_told(number)
    assert rig.journal.first_untold_window() is None
    rig.journal.window_told(1, told=False)
    assert rig.journal.first_untold_window().number == 1
    rig.journal.window_told(1)
    assert rig.journal.first_untold_window().number == 2
    assert rig.journal.staged_from(1) == [(1, b"\x01"), (2, b"\x02")]


# ── anchors ─────────────────────────────────────────────────────────────────────────────────


def submission(sequence: int = 1, size: int = 3) -> Submission:
    return Submission(
        log_id=b"\x09" * 32, sequence=sequence, root=b"\x08" * 32, size=size, meta=bytes(32),
        proof=(b"\x07" * 32,),
    )  # fmt: skip


def attempt(nonce: int, number: int = 0) -> Attempt:
    return Attempt(
        tx_hash=bytes([number]) * 32, raw=b"raw", nonce=nonce, max_fee_wei=10**24,
        priority_fee_wei=7, prepared_ms=NOW_MS + number,
    )  # fmt: skip


def test_an_anchor_goes_its_way(rig: Rig) -> None:
    assert rig.journal.next_nonce() is None
    assert rig.journal.anchor_under_way() is None
    rig.journal.begin_anchor(submission(), attempt(4))
    under_way = rig.journal.anchor_under_way()
    assert (under_way.order, under_way.attempts) == (submission(), (attempt(4),))
    rig.journal.keep_attempt(under_way.number, attempt(4, 1))
    assert rig.journal.anchor_under_way().attempts == (attempt(4), attempt(4, 1))
    assert rig.journal.next_nonce() == 5
    rig.journal.end_anchor(under_way.number, submission(), FINAL, b"part")
    assert rig.journal.anchor_under_way() is None
    assert rig.journal.anchored_size() == 3
    (final,) = rig.journal.uncertified_anchors()
    assert (final.chain_part, final.gas, final.is_final) == (b"part", 40_000, True)
    rig.journal.certified(final)
    assert not rig.journal.uncertified_anchors()
    assert rig.journal.anchored_size() == 3


def test_only_one_anchor_is_under_way(rig: Rig) -> None:
    rig.journal.begin_anchor(submission(), attempt(0))
    with pytest.raises(InvariantBroken):
        rig.journal.begin_anchor(submission(2, 4), attempt(1, 1))


def test_a_void_anchor_gives_its_nonce_back(rig: Rig) -> None:
    rig.journal.begin_anchor(submission(), attempt(6))
    rig.journal.void_anchor(rig.journal.anchor_under_way().number)
    assert rig.journal.anchor_under_way() is None
    assert rig.journal.next_nonce() is None
    assert not rig.journal.uncertified_anchors()
    assert rig.journal.anchored_size() == 0


def test_an_anchor_that_the_ledger_knew_is_kept_without_attempts(rig: Rig) -> None:
    rig.journal.end_anchor(None, submission(), FINAL, b"")
    assert rig.journal.anchored_size() == 3
    assert rig.journal.uncertified_anchors()[0].attempts == ()


def test_a_registry_root_needs_no_telling(rig: Rig) -> None:
    order = RegistryRoot(log_id=b"\x09" * 32, root=b"\x05" * 32)
    rig.journal.begin_anchor(order, attempt(0))
    number = rig.journal.anchor_under_way().number
    rig.journal.end_anchor(number, order, FINAL, b"")
    assert not rig.journal.uncertified_anchors()
    assert rig.journal.anchored_size() == 0


@pytest.mark.parametrize("how", ["lose", "keep"])
def test_an_order_is_kept_with_its_attempt_or_not_at_all(rig: Rig, how: str) -> None:
    with failing(rig, how):
        rig.journal.begin_anchor(submission(), attempt(0))
    under_way = rig.journal.anchor_under_way()
    assert (under_way is not None) == (how == "keep")
    assert under_way is None or under_way.attempts == (attempt(0),)
