"""Delivery and receipts: a receipt follows the commit, never leads."""

import asyncio

import pytest

from gateway.bell import Bell
from gateway.forwarding import Forwarder
from gateway.intake import Intake
from gateway.ports import LinkState, Message
from gateway.receipts import ReceiptDesk
from gateway.tally import Tally
from gateway.witness import Witness
from ledger.codec import decode_receipt
from ledger.errors import Refused, Unavailable
from ledger.facts.receipt import Receipt, StoredSegment
from ledger.facts.topics import backfill_topic, receipt_topic, segment_topic
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_forger import claiming, hash_of, keyring_of
from tests.fakes.gateway_journal import FakeJournal
from tests.fakes.gateway_log import FakeLog
from tests.fakes.gateway_uplink import FakeUplink
from tests.segments import FIRST_MS, ORIGIN, TestNode

KEY = SigningKey.generate("EdDSA")
HEAD = (3, b"\x05" * 32)
NOW_MS = FIRST_MS + 3_600_000


class Rig:
    """A forwarder over fakes, with segments admitted as they are in life."""

    def __init__(self, *nodes: TestNode, most: int = 100) -> None:
        self.uplink, self.journal, self.tally = FakeUplink(), FakeJournal(), Tally()
        self.central, self.bell = FakeCentral(ORIGIN, KEY.public), Bell()
        for node in nodes:
            self.central.registrations[node.index] = node.registration()
        self.registry_told = 0
        self.forwarder = Forwarder(
            journal=self.journal, central=self.central, uplink=self.uplink,
            desk=ReceiptDesk(KEY, ORIGIN), checkpoint=lambda: HEAD,
            registry_first=self.tell_registry, clock=HandClock(NOW_MS), tally=self.tally,
            bell=self.bell, most=most,
        )  # fmt: skip
        self.intake = Intake(
            uplink=self.uplink, journal=self.journal, keyring=keyring_of(*nodes), origin=ORIGIN,
            clock=HandClock(NOW_MS), tally=self.tally, witness=Witness(FakeLog()),
            delivery=self.bell,
            receipt_again=self.forwarder.receipt_again,
        )  # fmt: skip

    async def tell_registry(self) -> None:
        assert "segments" not in self.central.calls[self.registry_told :], "registry first"
        self.registry_told = len(self.central.calls) + 1

    def admit(self, *bodies: bytes, node: int = 0, backfill: bool = False) -> None:
        topic = backfill_topic(node) if backfill else segment_topic(node)
        weighed = self.intake.weigh([Message(topic, body) for body in bodies], NOW_MS)
        self.intake.tell(self.intake.commit(weighed))

    def receipts(self) -> list[Receipt]:
        return [
            decode_receipt(KEY.public.verify(message, RECEIPT_CONTEXT))
            for _, message in self.uplink.published
        ]


async def test_what_is_stored_gets_its_receipt() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    rig.admit(body)
    assert await rig.forwarder.deliver()
    (receipt,) = rig.receipts()
    assert rig.uplink.published[0][0] == receipt_topic(0)
    assert receipt.segments == (
        StoredSegment(first_sequence=0, count=15, header_hash=hash_of(body)),
    )
    assert (receipt.origin, receipt.checkpoint, receipt.issued_ms) == (ORIGIN, HEAD, NOW_MS)
    assert rig.registry_told, "the registry was told first"
    assert not await rig.forwarder.deliver()
    assert (rig.tally.segments_stored, rig.tally.receipts) == (1, 1)


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_no_receipt_before_the_database_has_answered(how: str) -> None:
    node = TestNode(0)
    rig = Rig(node)
    rig.admit(node.segment())
    getattr(rig.central, how).append("segments")
    with pytest.raises(Unavailable):
        await rig.forwarder.deliver()
    assert not rig.uplink.published
    rig.central.calls.clear()
    rig.registry_told = 0
    assert await rig.forwarder.deliver()
    assert len(rig.receipts()) == 1


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_no_receipt_before_the_outcome_is_durable_here(how: str) -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    rig.admit(body)
    setattr(rig.journal, how, 1)
    with pytest.raises(Unavailable):
        await rig.forwarder.deliver()
    assert not rig.uplink.published
    # The node asks again, and gets it, whichever way it went.
    rig.admit(body)
    rig.central.calls.clear()
    rig.registry_told = 0
    await rig.forwarder.deliver()
    await rig.forwarder.answer_again()
    assert {one.header_hash for receipt in rig.receipts() for one in receipt.segments} == {
        hash_of(body)
    }


@pytest.mark.parametrize("outcome", ["conflict", "rejected"])
async def test_a_refused_segment_gets_no_receipt(
    outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    if outcome == "conflict":
        await rig.central.segments([claiming(body, node.key, checkpoint=(1, bytes(32)))])
        rig.central.calls.clear()
    else:
        rig.central.refuse.add(hash_of(body))
    rig.admit(body)
    await rig.forwarder.deliver()
    assert not rig.uplink.published
    (link,) = rig.journal.kept.links.values()
    assert link.state is {"conflict": LinkState.CONFLICT, "rejected": LinkState.REFUSED}[outcome]
    assert [one.getMessage() for one in caplog.records] == ["gateway.not_stored"]
    assert not rig.journal.unwindowed(), "it is in no window either"


async def test_evidence_is_told_without_a_receipt() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    other = claiming(body, node.key, checkpoint=(1, bytes(32)))
    rig.admit(body, other)
    await rig.forwarder.deliver()
    assert rig.central.conflicts == [other]
    (receipt,) = rig.receipts()
    assert [one.header_hash for one in receipt.segments] == [hash_of(body)]


async def test_evidence_that_the_database_takes_for_the_first_gets_no_receipt_either() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    other = claiming(body, node.key, checkpoint=(1, bytes(32)))
    rig.central.refuse.add(hash_of(body))
    rig.admit(body, other)
    await rig.forwarder.deliver()
    assert list(rig.central.bodies.values()) == [other]
    assert not rig.uplink.published


async def test_a_request_is_never_larger_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    node = TestNode(0)
    rig = Rig(node)
    rig.admit(*node.segments(7))
    monkeypatch.setattr("gateway.forwarding._MOST_BYTES", 3_500)
    rig.forwarder._registry_first = _nothing
    for delivered in (3, 6, 7):
        await rig.forwarder.deliver()
        assert len(rig.central.bodies) == delivered
    monkeypatch.setattr("gateway.forwarding._MOST_BYTES", 1)
    rig.admit(node.segment())
    assert await rig.forwarder.deliver(), "one goes alone, however large"


async def test_live_goes_first() -> None:
    node = TestNode(0)
    rig = Rig(node, most=1)
    old, new = node.segments(2)
    rig.admit(old, backfill=True)
    rig.admit(new)
    await rig.forwarder.deliver()
    assert list(rig.central.bodies.values()) == [new]


async def test_a_receipt_that_cannot_be_sent_is_asked_for_again() -> None:
    node = TestNode(0)
    rig = Rig(node)
    body = node.segment()
    rig.admit(body)
    rig.uplink.is_away = True
    await rig.forwarder.deliver()
    assert rig.tally.receipts == 0
    rig.uplink.is_away = False
    rig.admit(body)
    await rig.forwarder.answer_again()
    assert len(rig.receipts()) == 1


async def test_an_answer_about_other_segments_settles_nothing() -> None:
    node = TestNode(0)
    rig = Rig(node)
    first, second = node.segments(2)
    rig.admit(first)
    honest = rig.central._segment
    rig.central._segment = lambda body: honest(second if body == first else body)  # type: ignore[method-assign]
    with pytest.raises(Refused):
        await rig.forwarder.deliver()
    assert len(rig.journal.outgoing(9)) == 1
    assert not rig.uplink.published


async def test_it_goes_on_when_the_database_comes_back() -> None:
    node = TestNode(0)
    rig = Rig(node)
    rig.admit(node.segment())
    rig.central.lose.append("segments")
    rig.central.calls.clear()
    rig.forwarder._registry_first = _nothing
    running = asyncio.ensure_future(rig.forwarder.run())
    await until(lambda: bool(rig.uplink.published))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert rig.central.stored(0) == list(range(15))
    assert not rig.forwarder.patience.is_away


async def _nothing() -> None:
    pass
