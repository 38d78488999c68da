"""Intake: messages in, one commit, then the acknowledgement; everything refused put aside."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.bell import Bell
from gateway.intake import Intake
from gateway.ports import LinkState, Message
from gateway.tally import Tally
from gateway.witness import Witness
from ledger.facts.receipt import StoredSegment
from ledger.facts.topics import backfill_topic, segment_topic
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_forger import claiming, hash_of, keyring_of
from tests.fakes.gateway_journal import FakeJournal
from tests.fakes.gateway_log import FakeLog
from tests.fakes.gateway_uplink import FakeUplink
from tests.segments import FIRST_MS, ORIGIN, TestNode


class Rig:
    """An intake over fakes."""

    def __init__(self, *nodes: TestNode, backlog_bytes: int = 1 << 20, threads: int = 1) -> None:
        self.uplink, self.journal, self.tally = FakeUplink(), FakeJournal(), Tally()
        self.log = FakeLog()
        self.again: list[tuple[int, StoredSegment]] = []
        self.bell = Bell()
        self.executor = ThreadPoolExecutor(threads)
        self.intake = Intake(
            uplink=self.uplink,
            journal=self.journal,
            keyring=keyring_of(*nodes),
            origin=ORIGIN,
            clock=HandClock(FIRST_MS + 3_600_000),
            tally=self.tally,
            witness=Witness(self.log),
            delivery=self.bell,
            receipt_again=self.ask_again,
            backlog_bytes=backlog_bytes,
            executor=self.executor,
            threads=threads,
        )

    def ask_again(self, stored: Sequence[tuple[int, StoredSegment]]) -> None:
        self.again.extend(stored)

    async def run(self, acknowledged: int) -> None:
        """Run until so many messages are acknowledged."""
        running = asyncio.ensure_future(self.intake.run())
        await until(lambda: running.done() or len(self.uplink.acknowledged) >= acknowledged)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        self.executor.shutdown()


def sent(rig: Rig, node: TestNode, *bodies: bytes, lane: str = "segment") -> None:
    topic = segment_topic if lane == "segment" else backfill_topic
    for body in bodies:
        rig.uplink.send(topic(node.index), body)


async def test_what_is_right_is_admitted_committed_and_acknowledged() -> None:
    node = TestNode(0)
    rig = Rig(node)
    bodies = node.segments(3)
    sent(rig, node, *bodies)
    await rig.run(3)
    assert [one.payload for one in rig.journal.outgoing(9)] == bodies
    assert not rig.uplink.unacknowledged
    tally = rig.tally
    assert (tally.messages, tally.segments_admitted, tally.records_admitted) == (3, 3, 45)
    assert tally.readings_admitted == 45
    assert await rig.bell.wait(0.01), "delivery is told"


async def test_nothing_is_acknowledged_before_the_commit() -> None:
    node = TestNode(0)
    rig = Rig(node)
    rig.journal.lose = 2
    sent(rig, node, node.segment())
    running = asyncio.ensure_future(rig.intake.run())
    await until(lambda: not rig.journal.lose or bool(rig.uplink.acknowledged))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not rig.uplink.acknowledged
    rig.executor.shutdown()


async def test_a_disk_that_comes_back_is_waited_for() -> None:
    node = TestNode(0)
    rig = Rig(node)
    rig.journal.lose = rig.journal.keep = 1
    sent(rig, node, node.segment())
    await rig.run(1)
    assert len(rig.journal.outgoing(9)) == 1


async def test_any_order_enters() -> None:
    node = TestNode(0)
    rig = Rig(node)
    first, second, third, fourth = node.segments(4)
    sent(rig, node, fourth, second)
    sent(rig, node, third, first, lane="backfill")
    await rig.run(4)
    assert rig.tally.segments_admitted == 4
    assert [one.payload for one in rig.journal.outgoing(9)] == [fourth, second, third, first]


async def test_duplicates_fold_and_the_stored_get_their_receipt_again() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    sent(rig, node, body, body)
    await rig.run(2)
    assert (rig.tally.segments_admitted, rig.tally.duplicates) == (1, 1)
    assert not rig.again, "nothing is stored yet"
    rig.journal.settle([(one, "stored", "") for one in rig.journal.outgoing(9)], 0)
    rig.executor = ThreadPoolExecutor(1)
    weighed = rig.intake.weigh([Message(segment_topic(0), body)], FIRST_MS + 3_600_000)
    rig.intake.tell(rig.intake.commit(weighed))
    (again,) = rig.again
    assert again == (0, StoredSegment(first_sequence=0, count=15, header_hash=hash_of(body)))


async def test_what_the_database_refused_is_delivered_again_when_it_comes_again() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    for outcome in ("rejected", "stored"):
        weighed = rig.intake.weigh([Message(segment_topic(0), body)], FIRST_MS + 3_600_000)
        rig.intake.commit(weighed)
        rig.journal.settle([(one, outcome, "") for one in rig.journal.outgoing(9)], 0)
    (link,) = rig.journal.kept.links.values()
    assert link.state is LinkState.STORED


async def test_a_contradiction_is_kept_told_and_never_receipted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    other = claiming(body, node.key, checkpoint=(1, bytes(32)))
    sent(rig, node, body, other, other)
    await rig.run(3)
    (evidence,) = rig.journal.kept.evidence.values()
    assert (evidence.kind, evidence.other.payload) == ("equivocation", other)
    assert evidence.held.header_hash == hash_of(body)
    assert [one.is_evidence for one in rig.journal.outgoing(9)] == [False, True]
    assert rig.tally.contradictions == 1
    assert [one.getMessage() for one in caplog.records] == ["gateway.contradiction"]
    assert not rig.again


async def test_what_is_refused_is_put_aside_with_its_reason() -> None:
    node, stranger = TestNode(0), TestNode(5)
    rig = Rig(node)
    sent(rig, node, b"garbage")
    sent(rig, stranger, stranger.segment())
    rig.uplink.send("certiflex/v1/nobody/segment", b"x")
    await rig.run(3)
    kept = {(one.node_index, one.reason) for one in rig.journal.kept.quarantine.values()}
    assert kept == {(0, "not_canonical"), (None, "unknown_node"), (None, "foreign_topic")}
    assert sum(rig.tally.refused.values()) == 3
    assert not rig.journal.outgoing(9)


async def test_slots_missing_between_neighbours_are_put_aside() -> None:
    node = TestNode(0)
    rig = Rig(node)
    first = node.segment()
    node.slot += 15
    sent(rig, node, first, node.segment())
    await rig.run(2)
    (refusal,) = rig.journal.kept.quarantine.values()
    assert refusal.reason == "slots_not_dense"
    assert len(rig.journal.outgoing(9)) == 1


async def test_a_flood_costs_a_bounded_number_of_writes() -> None:
    rig = Rig(TestNode(0))
    garbage = [Message(segment_topic(0), bytes([1, number])) for number in range(200)]
    admitted = rig.intake.commit(rig.intake.weigh(garbage, FIRST_MS))
    assert len(admitted.refused) == 200
    assert len(rig.journal.kept.quarantine) == 64
    rig.executor.shutdown()


async def test_a_full_journal_lets_messages_go_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = TestNode(0)
    rig = Rig(node, backlog_bytes=2_000)
    for body in node.segments(5):
        sent(rig, node, body)
        await asyncio.sleep(0)
    rig.intake._most = 1
    await rig.run(5)
    assert (rig.tally.segments_admitted, rig.tally.let_go) == (2, 3)
    assert [one.getMessage() for one in caplog.records] == ["gateway.backlog"]


async def test_threads_change_nothing() -> None:
    nodes = [TestNode(index) for index in range(3)]
    rig = Rig(*nodes, threads=2)
    for node in nodes:
        sent(rig, node, *node.segments(20), b"garbage")
    await rig.run(63)
    assert (rig.tally.segments_admitted, sum(rig.tally.refused.values())) == (60, 3)
