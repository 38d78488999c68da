"""Anchoring: durable here before visible there, one order at a time, one road back."""

import asyncio

import pytest

from gateway.anchoring import Anchorer, waits_for_next
from gateway.bell import Bell
from ledger import merkle
from ledger.chain.values import Final, Prepared, Submission, Waiting
from ledger.codec import encode_window_entry
from ledger.contract import log_id
from ledger.errors import InvariantBroken, Refused, Unavailable
from ledger.facts.segment import Head
from ledger.facts.window import WindowEntry
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_journal import FakeJournal
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.gateway_log import FakeLog
from tests.segments import ORIGIN


class Rig:
    """An anchorer over fakes."""

    def __init__(self) -> None:
        self.journal, self.log, self.ledger = FakeJournal(), FakeLog(), FakeLedger()
        self.bell, self.rung = Bell(), 0
        self.start()

    def start(self) -> None:
        self.anchorer = Anchorer(
            journal=self.journal, log_=self.log, ledger=self.ledger, origin=ORIGIN,
            clock=HandClock(5), published=self.head, bell=self.bell, anchored=self.ring,
            pending_s=0.001, longest_pause_s=0.01,
        )  # fmt: skip

    def head(self) -> Head | None:
        return (self.log.size, self.log.root()) if self.log.size else None

    def ring(self) -> None:
        self.rung += 1

    def close(self, registry: bytes = b"\x01" * 32) -> None:
        entry = WindowEntry(
            origin=ORIGIN, window=self.log.size, closed_ms=1, node_count=1, root=bytes(32),
            registry_root=registry,
        )  # fmt: skip
        self.log.append(encode_window_entry(entry))

    async def settled(self) -> list[object]:
        """Take steps until there is nothing to do; return them."""
        steps: list[object] = []
        while (step := await self.anchorer.advance()) is not None:
            steps.append(step)
            assert len(steps) < 50
        return steps


async def test_an_empty_log_asks_nothing_of_the_ledger() -> None:
    rig = Rig()
    assert await rig.anchorer.advance() is None
    assert rig.ledger.calls == 0


async def test_an_order_goes_step_by_step_and_is_kept_before_it_is_sent() -> None:
    rig = Rig()
    rig.close()
    assert isinstance(await rig.anchorer.advance(), Prepared)
    under_way = rig.journal.anchor_under_way()
    assert under_way is not None
    assert not rig.ledger.sent
    assert await rig.anchorer.advance() == Waiting("sent")
    assert [*rig.ledger.sent] == [one.tx_hash for one in under_way.attempts]
    assert await rig.anchorer.advance() == Waiting("included")
    assert isinstance(await rig.anchorer.advance(), Final)
    assert (rig.journal.anchored_size(), rig.rung) == (1, 1)
    (anchor,) = rig.journal.uncertified_anchors()
    assert anchor.chain_part is not None
    assert anchor.chain_part.startswith(b"proof of")
    assert anchor.gas == 40_000


async def test_the_next_order_covers_all_that_waited() -> None:
    rig = Rig()
    rig.close()
    await rig.settled()
    for _ in range(7):
        rig.close()
    await rig.settled()
    first, second = rig.ledger.heads
    assert (first.sequence, first.size, second.sequence, second.size) == (1, 1, 2, 8)
    assert first.log_id == log_id(ORIGIN)
    merkle.verify_consistency(1, first.root, 8, second.root, second.proof)


async def test_a_head_that_is_dear_to_leave_is_anchored_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.anchoring._DEAR_WINDOWS", 3)
    rig = Rig()
    for _ in range(9):
        rig.close()
        await rig.settled()
    assert [head.size for head in rig.ledger.heads] == [1, 2, 4, 5, 6, 8, 9]


def test_one_window_of_a_year_waits() -> None:
    assert [size for size in range(2**20) if waits_for_next(size)] == [2**19 - 1, 2**20 - 1]


async def test_a_changed_registry_root_is_anchored_once() -> None:
    rig = Rig()
    rig.close(b"\x01" * 32)
    await rig.settled()
    rig.close(b"\x01" * 32)
    await rig.settled()
    rig.close(b"\x02" * 32)
    await rig.settled()
    assert rig.ledger.registry_roots == [b"\x01" * 32, b"\x02" * 32]
    rig.start()
    assert await rig.settled() == []


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_an_answer_that_was_lost_sends_nothing_twice(how: str) -> None:
    for point in range(1, 8):
        rig = Rig()
        rig.close()
        for number in range(1, 40):
            if number == point:
                setattr(rig.ledger, how, 1)
            try:
                if await rig.anchorer.advance() is None:
                    break
            except Unavailable:
                rig.start()
        assert len(rig.ledger.heads) == 1
        assert len(rig.ledger.registry_roots) == 1
        nonces = sorted(attempt.nonce for attempt in rig.ledger.sent.values())
        assert nonces == [0, 1]


async def test_a_journal_that_lost_its_anchors_finds_them_on_the_ledger() -> None:
    rig = Rig()
    rig.close()
    await rig.settled()
    rig.journal = FakeJournal()
    rig.start()
    await rig.settled()
    assert len(rig.ledger.heads) == 1
    (anchor,) = rig.journal.uncertified_anchors()
    assert isinstance(anchor.order, Submission)
    assert anchor.order.size == 1


async def test_a_ledger_with_another_history_stops_the_gateway() -> None:
    rig = Rig()
    rig.close()
    await rig.settled()
    rig.log.entries = [b"another", b"history"]
    with pytest.raises(InvariantBroken, match="not of this log"):
        await rig.anchorer.advance()


async def test_a_ledger_that_is_ahead_stops_the_gateway() -> None:
    rig = Rig()
    rig.close()
    rig.close()
    await rig.settled()
    rig.log.entries.pop()
    rig.journal = FakeJournal()
    rig.start()
    with pytest.raises(InvariantBroken):
        await rig.anchorer.advance()


@pytest.mark.parametrize(("reason", "is_void"), [("sequence", True), ("funds", False)])
async def test_an_overtaken_order_is_given_up_another_one_is_not(
    reason: str, *, is_void: bool
) -> None:
    rig = Rig()
    rig.close()
    await rig.anchorer.advance()
    rig.ledger.refuse = reason
    with pytest.raises(Refused):
        await rig.anchorer.advance()
    assert (rig.journal.anchor_under_way() is None) == is_void


async def test_a_chain_without_proofs_anchors_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.ledger.has_chain_part = False
    rig.close()
    await rig.settled()
    assert rig.journal.uncertified_anchors()[0].chain_part == b""
    assert "chain.no_chain_part" in [one.getMessage() for one in caplog.records]


async def test_it_waits_for_a_ledger_that_is_away_and_goes_on() -> None:
    rig = Rig()
    rig.close()
    rig.ledger.is_away = True
    running = asyncio.ensure_future(rig.anchorer.run())
    await until(lambda: rig.anchorer.patience.is_away)
    rig.close()
    rig.ledger.is_away = False
    await until(lambda: rig.journal.anchored_size() == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [head.size for head in rig.ledger.heads] == [2]
