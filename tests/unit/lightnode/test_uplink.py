"""Delivery: newest first, bounded, again without a receipt, forgotten only on a good one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest

from ledger.facts.segment import Head
from ledger.signing import SigningKey
from lightnode.ports import Tail
from lightnode.recording import Recorder
from lightnode.uplink import Pace, Uplink
from tests.fakes.lightnode_broker import Fate, MemoryBroker
from tests.fakes.lightnode_gateway import ORIGIN, Gateway, Judge
from tests.fakes.lightnode_node import KEY, seal_of
from tests.fakes.lightnode_outbox import MemoryOutbox
from tests.ports.test_lightnode_outbox import fill

GATEWAY_KEY = SigningKey.generate("EdDSA")


class Bench:
    """An uplink between an outbox and a gateway that can be stingy."""

    def __init__(self, *, resend_s: float = 5.0, in_flight: int = 4) -> None:
        self.outbox = MemoryOutbox()
        self.gateway = Gateway(Judge(KEY.public), key=GATEWAY_KEY)
        self.broker = MemoryBroker(deliver=self.deliver)
        self.uplink = Uplink(
            node_index=0,
            origin=ORIGIN,
            gateway_key=GATEWAY_KEY.public,
            outbox=self.outbox,
            broker=self.broker,
            pace=Pace(resend_s=resend_s, in_flight=in_flight, longest_pause_s=0.02),
        )
        self.tail = Tail()

    def deliver(self, topic: str, payload: bytes) -> list[bytes]:
        if topic.endswith("/live"):
            return []
        received = self.gateway.judge.admit(payload, topic.rpartition("/")[2])
        return [self.gateway.receipt(received)] if self.gateway.generous else []

    async def segments(self, count: int) -> None:
        for _ in range(count):
            _, self.tail = await fill(self.outbox, self.tail, 2)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.uplink.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 -- watched from outside
            await asyncio.sleep(0.002)


async def test_everything_is_delivered_and_forgotten_newest_first() -> None:
    bench = Bench()
    await bench.segments(10)
    async with bench.running():
        await until(lambda: not bench.outbox.segments)
    assert bench.gateway.judge.lanes[0] == "segment"
    assert set(bench.gateway.judge.lanes[1:]) == {"backfill"}
    assert min(bench.gateway.judge.segments) == 0
    assert next(iter(bench.gateway.judge.segments)) == 18
    assert len(bench.gateway.judge.chain()) == 10
    assert not bench.gateway.judge.broken
    assert bench.uplink.released == 10


async def test_a_new_segment_goes_before_the_backlog() -> None:
    bench = Bench(in_flight=2)
    bench.gateway.generous = False
    await bench.segments(9)
    async with bench.running():
        await until(lambda: len(bench.broker.published) == 2)
        await bench.segments(1)
        bench.uplink.announce()
        await until(lambda: len(bench.broker.newest()) == 2)
    assert len(bench.broker.backfilled()) <= 2
    assert bench.gateway.judge.lanes[-1] == "segment"


async def test_without_receipts_no_more_than_allowed_is_in_flight_and_nothing_forgotten() -> None:
    bench = Bench(in_flight=4)
    bench.gateway.generous = False
    await bench.segments(30)
    async with bench.running():
        await until(lambda: len(bench.broker.published) == 4)
        await asyncio.sleep(0.05)
    assert len(bench.broker.published) == 4
    assert len(bench.outbox.segments) == 30


async def test_what_got_no_receipt_is_sent_again_ever_more_slowly() -> None:
    bench = Bench(resend_s=0.05)
    bench.gateway.generous = False
    await bench.segments(1)
    async with bench.running():
        await until(lambda: bench.gateway.judge.copies == 2)
        sent = len(bench.broker.published)
        await asyncio.sleep(0.1)
        assert len(bench.broker.published) <= sent + 1
        bench.gateway.generous = True
        await until(lambda: not bench.outbox.segments)
    assert not bench.gateway.judge.broken


async def test_everything_is_sent_again_on_a_new_connection() -> None:
    bench = Bench(in_flight=40)
    bench.gateway.generous = False
    await bench.segments(3)
    async with bench.running():
        await until(lambda: len(bench.gateway.judge.segments) == 3)
        bench.broker.take_away()
        await until(lambda: not bench.uplink.is_connected)
        bench.gateway.generous = bench.broker.is_up = True
        await until(lambda: not bench.outbox.segments)
    assert bench.broker.sessions == 2
    assert bench.gateway.judge.copies == 3


@pytest.mark.parametrize("fate", ["lost", "twice", "hang_up", "delivered_then_hang_up"])
async def test_whatever_becomes_of_messages_all_arrive_once(fate: Fate) -> None:
    bench = Bench(resend_s=0.05, in_flight=8)
    bench.broker.fate = lambda number: fate if number % 3 == 0 else "delivered"
    await bench.segments(25)
    async with bench.running():
        await until(lambda: not bench.outbox.segments)
    assert len(bench.gateway.judge.chain()) == 25
    assert not bench.gateway.judge.broken


async def test_forged_foreign_and_spoilt_receipts_release_nothing() -> None:
    bench = Bench()
    bench.gateway.generous = False
    await bench.segments(2)
    async with bench.running():
        await until(lambda: len(bench.gateway.judge.segments) == 2)
        received = bench.gateway.judge.segments[0]
        good = bench.gateway.receipt(received)
        foreign = Gateway(Judge(KEY.public, node_index=1), key=GATEWAY_KEY).receipt(received)
        elsewhere = Gateway(Judge(KEY.public, origin="other"), key=GATEWAY_KEY).receipt(received)
        forged = bench.gateway.receipt(received, key=SigningKey.generate("EdDSA"))
        spoilt = [good[:n] + bytes([good[n] ^ 1]) + good[n + 1 :] for n in range(0, len(good), 3)]
        for receipt in (foreign, elsewhere, forged, b"", *spoilt):
            bench.broker.tell(receipt)
        await asyncio.sleep(0.05)
        assert len(bench.outbox.segments) == 2
        bench.broker.tell(good)
        await until(lambda: len(bench.outbox.segments) == 1)
    assert [segment.first_sequence for segment in bench.outbox.released] == [0]


@pytest.mark.parametrize("trouble", ["away", "refuses"])
async def test_a_broker_that_is_away_or_unfriendly_is_waited_for(trouble: str) -> None:
    bench = Bench()
    bench.broker.is_up, bench.broker.refuses = trouble != "away", trouble == "refuses"
    await bench.segments(1)
    async with bench.running():
        await until(lambda: bench.broker.attempts >= 3)
        assert not bench.uplink.is_connected
        bench.broker.is_up, bench.broker.refuses = True, False
        await until(lambda: not bench.outbox.segments)


async def test_a_store_that_fails_does_not_end_the_session() -> None:
    bench = Bench(resend_s=0.05)
    await bench.segments(5)
    dice = random.Random(4)
    bench.outbox.fault = lambda _number, _name: "lost" if dice.random() < 0.3 else ""
    async with bench.running():
        await until(lambda: not bench.outbox.segments, timeout_s=20)
    assert bench.broker.sessions == 1


async def test_records_are_shown_while_the_broker_is_there() -> None:
    bench = Bench()
    bench.uplink.show(b"too early")
    async with bench.running():
        await until(lambda: bench.uplink.is_connected)
        bench.uplink.show(b"now")
        await until(bench.broker.shown)
    assert bench.broker.shown() == [b"now"]
    assert bench.broker.published[-1][2] == 0


async def test_the_largest_log_head_is_witnessed() -> None:
    bench = Bench()
    heads: list[Head] = []

    class Witness(Recorder):
        def saw_checkpoint(self, checkpoint: Head) -> None:
            heads.append(checkpoint)

    recorder = Witness(bench.outbox, seal_of(), show=lambda _: None, announce=lambda: None)
    bench.uplink.follow(recorder, (5, b"5" * 32))
    shown = [(4, b"4" * 32), (5, b"!" * 32), (6, b"6" * 32), None, (6, b"6" * 32), (9, b"9" * 32)]
    async with bench.running():
        for head in shown:
            bench.gateway.checkpoint = head
            before = bench.uplink.released
            await bench.segments(1)
            bench.uplink.announce()
            await until(lambda before=before: bench.uplink.released > before)  # type: ignore[misc]
    assert heads == [(6, b"6" * 32), (6, b"6" * 32), (9, b"9" * 32)]
    assert bench.outbox.checkpoint == (9, b"9" * 32)
