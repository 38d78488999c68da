"""Seals reach the ledger once and in order, whatever fails on the way."""

import asyncio
import contextlib
import itertools
import logging
from dataclasses import replace

import pytest

from central.documents.encoding import sign
from central.scd.documents import checked
from central.scd.documents_entries import SealReason
from central.scd.documents_log import MarketLog
from central.sessions.anchoring import SealAnchorer
from ledger import merkle
from ledger.chain.values import Final, Prepared, Waiting
from ledger.contract import log_id
from ledger.errors import InvariantBroken, Refused, Unavailable
from ledger.signing import SigningKey
from tests.documents import BASELINE
from tests.fakes.gateway_clock import until
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.scd_anchors import FakeAnchors
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure
from tests.fakes.scd_market_log import FakeMarketLog
from tests.scd import HandClock

ORIGIN = "certiflex.test/market"
KEY = SigningKey.generate("EdDSA")


class Rig:
    """A log, its journal and a ledger; `start` is what a new process does."""

    def __init__(self) -> None:
        self.documents, self.ledger, self.store = FakeDocuments(), FakeLedger(), FakeAnchors()
        self.kept, self.clock = FakeMarketLog(self.documents), HandClock(5)
        self.count = 0
        self.start()

    def start(self) -> None:
        self.log = MarketLog(self.kept, ORIGIN, KEY, self.clock)
        self.anchorer = SealAnchorer(
            self.log, self.store, self.ledger, self.clock,
            pending_s=0.001, idle_s=0.001, longest_pause_s=0.01,
        )  # fmt: skip

    def sealed(self, count: int = 1) -> None:
        """Store documents and seal the log over them."""
        for _ in range(count):
            self.count += 1
            made = replace(BASELINE, mrid=f"{self.count:08}-0000-0000-0000-000000000000")
            self.documents.commit_documents([checked(sign(made, KEY))[0]], 7)
        self.log.seal(SealReason.PUBLICATION, "day-ahead x")

    def judge(self) -> None:
        """Check that the ledger holds this log's seals, each of its heads once."""
        sizes = [head.size for head in self.ledger.heads]
        assert sizes == sorted(set(sizes))
        assert sizes[-1] == self.count
        assert [head.root for head in self.ledger.heads] == [self.log.root(n) for n in sizes]
        nonces = [attempt.nonce for attempt in self.ledger.sent.values()]
        assert sorted(nonces) == list(range(len(sizes)))
        anchored = self.store.anchored()
        assert anchored is not None
        assert anchored.size == self.count
        assert anchored.chain_part is not None


def test_nothing_sealed_asks_nothing_of_the_ledger() -> None:
    rig = Rig()
    rig.log.seal(SealReason.GATE_CLOSURE, "of nobody's documents")
    assert rig.anchorer.advance() is None
    assert rig.ledger.calls == 0


def test_an_order_is_kept_before_it_is_sent() -> None:
    rig = Rig()
    rig.sealed(3)
    assert isinstance(rig.anchorer.advance(), Prepared)
    under_way = rig.store.anchor_under_way()
    assert under_way is not None
    assert not rig.ledger.sent
    assert rig.anchorer.advance() == Waiting("sent")
    assert [*rig.ledger.sent] == [one.tx_hash for one in under_way.attempts]
    assert rig.anchorer.advance() == Waiting("included")
    assert isinstance(rig.anchorer.advance(), Final)
    assert rig.anchorer.advance() is None
    rig.judge()


def test_the_next_order_covers_all_seals_that_waited() -> None:
    rig = Rig()
    rig.sealed()
    assert rig.anchorer.settle(give_up_s=5) == 1
    for _ in range(4):
        rig.sealed(2)
    assert rig.anchorer.settle(give_up_s=5) == 9
    first, second = rig.ledger.heads
    assert (first.log_id, first.sequence, second.sequence) == (log_id(ORIGIN), 1, 2)
    merkle.verify_consistency(1, first.root, 9, second.root, second.proof)
    rig.judge()


@pytest.mark.parametrize(("how", "restarts"), list(itertools.product(Failure, [False, True])))
def test_every_write_of_the_journal_failed_once(*, how: Failure, restarts: bool) -> None:
    for point in range(4):
        rig = Rig()
        rig.store.failures = {point: how}
        for _ in range(2):
            rig.sealed(2)
            for _ in range(20):
                try:
                    if rig.anchorer.advance() is None:
                        break
                except Unavailable:
                    if restarts:
                        rig.start()
        assert rig.store.writes > point, "it never came to that point"
        rig.judge()


@pytest.mark.parametrize("how", ["lose", "keep"])
def test_every_call_of_the_ledger_failed_once(how: str) -> None:
    for point in range(1, 5):
        rig = Rig()
        rig.sealed(2)
        for number in range(1, 20):
            if number == point:
                setattr(rig.ledger, how, 1)
            try:
                if rig.anchorer.advance() is None:
                    break
            except Unavailable:
                rig.start()
        rig.judge()


def test_a_journal_that_was_lost_finds_its_heads_on_the_ledger() -> None:
    rig = Rig()
    rig.sealed(2)
    rig.anchorer.settle(give_up_s=5)
    rig.store = FakeAnchors()
    rig.start()
    assert rig.anchorer.settle(give_up_s=5) == 2
    assert len(rig.ledger.heads) == 1
    rig.sealed()
    assert rig.anchorer.settle(give_up_s=5) == 3
    assert [head.sequence for head in rig.ledger.heads] == [1, 2]


def test_a_log_that_is_not_the_ledgers_is_never_gone_on_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.sealed(3)
    rig.anchorer.settle(give_up_s=5)
    restored = Rig()
    restored.ledger = rig.ledger
    restored.sealed(2)
    restored.start()
    with pytest.raises(InvariantBroken, match="not of this log of 2"):
        restored.anchorer.advance()
    with caplog.at_level(logging.CRITICAL):
        asyncio.run(asyncio.wait_for(restored.anchorer.run(), 5))
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.CRITICAL]
    assert told == ["central.market_log_broken"]


def test_an_order_that_another_took_the_place_of_is_given_up() -> None:
    rig = Rig()
    rig.sealed()
    rig.anchorer.advance()
    rig.ledger.refuse = "sequence"
    with pytest.raises(Refused):
        rig.anchorer.advance()
    assert rig.store.anchor_under_way() is None
    rig.ledger.refuse = ""
    assert rig.anchorer.settle(give_up_s=5) == 1
    rig.judge()


def test_what_is_not_final_in_time_goes_on_later() -> None:
    rig = Rig()
    rig.sealed()
    with pytest.raises(Unavailable, match="not final after 0 s"):
        rig.anchorer.settle(give_up_s=0)
    assert rig.anchorer.settle(give_up_s=5) == 1
    rig.judge()


async def test_it_goes_on_by_itself_while_the_ledger_comes_and_goes() -> None:
    rig = Rig()
    running = asyncio.create_task(rig.anchorer.run())
    rig.sealed(2)
    await until_anchored(rig)
    rig.ledger.is_away = True
    rig.sealed(3)
    await asyncio.sleep(0.02)
    assert len(rig.ledger.heads) == 1
    rig.ledger.is_away = False
    await until_anchored(rig)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    rig.judge()


async def until_anchored(rig: Rig) -> None:
    await until(lambda: (found := rig.store.anchored()) is not None and found.size == rig.count)
