"""Closing windows: one leaf for each enrolled node, in the log before anybody hears of it."""

import asyncio
from typing import Any

import pytest

from gateway.ports import Member
from gateway.registry import registry_root
from gateway.windows import MOST_PER_LEAF, WindowCloser, window_root
from ledger.checkpoint import verify_checkpoint
from ledger.codec import decode_window_entry, encode_window_leaf
from ledger.errors import InvariantBroken, Unavailable
from ledger.merkle import leaf_hash, root
from ledger.signing import SigningKey
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_journal import FakeJournal
from tests.fakes.gateway_log import FakeLog
from tests.segments import ORIGIN, TestNode

KEY = SigningKey.generate("EdDSA")


class Rig:
    """A closer over fakes; `nodes` are enrolled and told."""

    def __init__(self, nodes: int = 2) -> None:
        self.journal, self.log, self.clock = FakeJournal(), FakeLog(), HandClock(125_000)
        self.rung = 0
        for index in range(nodes):
            self.journal.put(TestNode(index).registration())
        told = self.journal.undelivered_registrations()
        self.journal.registrations_offered(told)
        self.journal.registrations_delivered(told)
        self.start()

    def start(self) -> None:
        self.closer = WindowCloser(
            journal=self.journal, forgetting=self.journal, log_=self.log, key=KEY, origin=ORIGIN,
            clock=self.clock, order=asyncio.Lock(), closed=self.ring,
        )  # fmt: skip

    def ring(self) -> None:
        self.rung += 1

    async def close(self) -> None:
        await self.closer.close_window(self.journal.next_window())


def test_every_enrolled_node_has_its_leaf_present_or_absent() -> None:
    members = [Member(1, 0, b"\x01" * 32), Member(1, 15, b"\x02" * 32), Member(3, 0, b"\x03" * 32)]
    present: dict[int, Any] = {1: [b"\x01" * 32, b"\x02" * 32], 3: [b"\x03" * 32]}
    leaves = [encode_window_leaf(9, node, present.get(node, [])) for node in range(5)]
    assert window_root(9, 5, members) == root(list(map(leaf_hash, leaves)))


def test_a_member_that_is_not_enrolled_is_a_fault_of_ours() -> None:
    with pytest.raises(InvariantBroken):
        window_root(0, 1, [Member(1, 0, bytes(32))])


async def test_a_window_says_who_was_there_and_under_which_registry() -> None:
    rig = Rig()
    rig.closer.begin()
    assert rig.closer.head is None
    await rig.close()
    entry = decode_window_entry(rig.log.entry(0))
    assert (entry.origin, entry.window, entry.node_count) == (ORIGIN, 0, 2)
    assert entry.closed_ms == 125_000
    assert entry.root == window_root(0, 2, [])
    assert entry.registry_root == registry_root(rig.journal.delivered_registrations() or [])
    assert rig.rung == 1


async def test_the_head_is_signed_and_published_after_the_append() -> None:
    rig = Rig()
    rig.closer.begin()
    await rig.close()
    await rig.close()
    head = verify_checkpoint(rig.log.notes[-1], KEY.public)
    assert (head.origin, head.size, head.root) == (ORIGIN, 2, rig.log.root())
    assert rig.closer.head == (2, rig.log.root())
    rig.closer.follow()
    assert len(rig.log.notes) == 2, "an unchanged head is published once"


async def test_nobody_enrolled_is_no_window() -> None:
    rig = Rig(nodes=0)
    rig.closer.begin()
    await rig.close()
    assert (rig.journal.next_window(), rig.log.size) == (0, 0)


async def test_an_uncertain_registry_is_no_window() -> None:
    rig = Rig()
    rig.closer.begin()
    rig.journal.put(TestNode(2).registration())
    rig.journal.registrations_offered(rig.journal.undelivered_registrations())
    await rig.close()
    assert rig.journal.next_window() == 0


async def test_a_stage_that_was_kept_though_reported_failed_closes_one_window() -> None:
    rig = Rig()
    rig.closer.begin()
    rig.journal.keep = 1
    with pytest.raises(Unavailable):
        await rig.closer.close_window(0)
    await rig.closer.close_window(0)
    assert (rig.journal.next_window(), rig.log.size) == (1, 1)


@pytest.mark.parametrize("step", ["append", "publish"])
@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_what_was_staged_gets_into_the_log_after_a_start(step: str, how: str) -> None:
    rig = Rig()
    rig.closer.begin()
    await rig.close()
    getattr(rig.log, how).append(step)
    with pytest.raises(Unavailable):
        await rig.close()
    rig.log = rig.log.reopened()
    rig.start()
    rig.closer.begin()
    assert [entry for _, entry in rig.journal.staged_from(0)] == rig.log.entries
    published = rig.log.published()
    assert published is not None
    assert (published.size, rig.closer.head) == (2, (2, rig.log.root()))


async def test_a_log_with_another_history_stops_the_gateway() -> None:
    rig = Rig()
    rig.closer.begin()
    await rig.close()
    rig.log.entries[0] = b"another"
    rig.start()
    with pytest.raises(InvariantBroken, match="differs"):
        rig.closer.begin()


async def test_a_hole_in_the_stage_stops_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    monkeypatch.setattr(rig.journal, "staged_from", lambda _: [(1, b"one")])
    with pytest.raises(InvariantBroken, match="missing"):
        rig.closer.follow()


async def test_a_backlog_that_fits_no_leaf_goes_on_in_the_next_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    rig.closer.begin()
    many = [Member(0, 15 * n, n.to_bytes(32, "big")) for n in range(MOST_PER_LEAF + 3)]
    staged: list[int] = []
    monkeypatch.setattr(rig.journal, "unwindowed", lambda: [*many, Member(1, 0, bytes(32))])
    monkeypatch.setattr(
        rig.journal, "stage", lambda _number, _entry, _closed, members: staged.append(len(members))
    )
    await rig.closer.close_window(0)
    assert staged == [MOST_PER_LEAF + 1]


async def test_windows_close_after_each_multiple_and_never_in_bursts() -> None:
    rig = Rig()
    running = asyncio.ensure_future(rig.closer.run())
    await until(lambda: rig.clock.sleepers == 1)
    assert rig.journal.next_window() == 0
    rig.clock.wind(4_999)
    await asyncio.sleep(0.01)
    assert rig.journal.next_window() == 0, "130,000 ms is 10 s after a whole minute"
    rig.clock.wind(1)
    await until(lambda: rig.log.size == 1 and rig.clock.sleepers == 1)
    rig.clock.wind(600_000)
    await until(lambda: rig.log.size == 2 and rig.clock.sleepers == 1)
    await asyncio.sleep(0.01)
    assert rig.log.size == 2, "ten minutes away are one window, not ten"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
