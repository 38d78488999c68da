"""A gateway without its processes: every task of it, over ports that can fail at each call."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.anchoring import Anchorer
from gateway.bell import Bell
from gateway.certifying import Certifier
from gateway.forwarding import Forwarder
from gateway.intake import Intake
from gateway.journal import Journal
from gateway.receipts import ReceiptDesk
from gateway.registry import Keyring
from gateway.tally import Tally
from gateway.windows import WindowCloser
from gateway.witness import Witness
from ledger.codec import decode_receipt, decode_registration, decode_window_entry
from ledger.errors import Refused, Unavailable
from ledger.facts.topics import segment_topic
from ledger.log import Log
from ledger.signing import RECEIPT_CONTEXT, SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_clock import HandClock
from tests.fakes.gateway_faults import FaultPlan, Faulty
from tests.fakes.gateway_journal import FakeJournal
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.gateway_log import FakeLog
from tests.fakes.gateway_uplink import FakeUplink
from tests.segments import FIRST_MS, ORIGIN, TestNode

NODES = 3
_MOST_STEPS = 60
_JOURNAL = (
    "batch", "settle", "stage", "window_told", "begin_anchor", "keep_attempt", "end_anchor",
    "certified", "registrations_offered", "registrations_delivered",
)  # fmt: skip
_CENTRAL = ("registry", "segments", "window", "anchor")
_LEDGER = ("advance", "head", "chain_part", "registry_root")


class RealJournal:
    """The journal's parts under one name, as the fake has them."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a part has
        parts = (self.journal.segments, self.journal.windows, self.journal.registry)
        for part in parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)

    def put(self, registration: bytes) -> None:
        """Write down a new registration."""
        made = decode_registration(registration)
        self.journal.registry.enrol(lambda _: made)

    def prune(self, cutoff_ms: int, *, most: int) -> int:
        return self.journal.prune(cutoff_ms, most=most)

    def prune_windows(self, cutoff_ms: int) -> None:
        self.journal.prune_windows(cutoff_ms)


@dataclass
class World:
    """What survives a crash of the gateway, and the gateway that `start` puts on it."""

    folder: Path | None = None
    plan: FaultPlan = field(default_factory=FaultPlan)
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("EdDSA"))

    def __post_init__(self) -> None:
        self.nodes = [TestNode(index) for index in range(NODES)]
        self.journal: Any = self._new_journal()
        self.central = FakeCentral(ORIGIN, self.key.public)
        self.chain = FakeLedger()
        self.log: Any = self._opened_log(None)
        self.uplink = FakeUplink()
        self.clock = HandClock(FIRST_MS)
        self.unreceipted: dict[tuple[int, int], bytes] = {}
        for node in self.nodes:
            self.journal.put(node.registration())
        self.start()

    def start(self) -> None:
        """Start the gateway: what it holds in memory is new, what it holds on disk is not."""
        self.log = self._opened_log(self.log)
        journal = Faulty(self.journal, self.plan, *_JOURNAL)
        log = Faulty(self.log, self.plan, "append", "publish")
        central = Faulty(self.central, self.plan, *_CENTRAL)
        chain = Faulty(self.chain, self.plan, *_LEDGER)
        bell, tally, keyring = Bell(), Tally(), Keyring()
        keyring.update(map(decode_registration, self.journal.registrations_since(-1)))
        self.certifier = Certifier(
            windows=journal, registry=journal, central=central, key=self.key, origin=ORIGIN,
            bell=bell,
        )  # fmt: skip
        self.closer = WindowCloser(
            journal=journal, forgetting=self.journal, log_=log, key=self.key, origin=ORIGIN,
            clock=self.clock, order=self.certifier.order, closed=bell.ring,
        )  # fmt: skip
        self.forwarder = Forwarder(
            journal=journal, central=central, uplink=self.uplink,
            desk=ReceiptDesk(self.key, ORIGIN), checkpoint=lambda: self.closer.head,
            registry_first=self.certifier.tell_registry, clock=self.clock, tally=tally, bell=bell,
        )  # fmt: skip
        self.anchorer = Anchorer(
            journal=journal, log_=log, ledger=chain, origin=ORIGIN, clock=self.clock,
            published=lambda: self.closer.head, bell=bell, anchored=bell.ring,
        )  # fmt: skip
        self.intake = Intake(
            uplink=self.uplink, journal=journal, keyring=keyring, origin=ORIGIN, clock=self.clock,
            tally=tally, witness=Witness(self.log), delivery=bell,
            receipt_again=self.forwarder.receipt_again,
        )  # fmt: skip

    async def minute(self) -> None:
        """Let a minute pass: the nodes seal, send what has no receipt, a window closes."""
        self.clock.wind(60_000)
        for node in self.nodes:
            sequence = node.sequence
            self.unreceipted[node.index, sequence] = node.segment()
        await self.work(closes=True)

    async def work(self, *, closes: bool = False) -> None:
        """Take every step that there is to take; the first fault breaks off.

        Raises:
            Unavailable: the planned fault.
        """
        self.closer.begin()
        await self.deliver()
        if closes:
            await self.closer.close_window(self.journal.next_window())
        self.closer.follow()
        await self.certifier.tell_windows()
        for _ in range(_MOST_STEPS):
            if await self.anchorer.advance() is None:
                break
        else:
            raise AssertionError("the ledger is never done")
        await self.certifier.tell_anchors()

    async def deliver(self) -> None:
        """Let the nodes send what has no receipt, until everything has one."""
        for (node, _), body in sorted(self.unreceipted.items()):
            self.uplink.send(segment_topic(node), body)
        if self.unreceipted:
            messages = await self.uplink.segments(1_000)
            weighed = self.intake.weigh(messages, self.clock.now_ms())
            admitted = await asyncio.to_thread(self.intake.commit, weighed)
            self.intake.tell(admitted)
            self.uplink.acknowledge(messages)
        while await self.forwarder.deliver():
            pass
        await self.forwarder.answer_again()
        self.take_receipts()

    def take_receipts(self) -> None:
        """Let the nodes forget what they have a receipt for; a receipt without a row is seen."""
        for _, message in self.uplink.published:
            receipt = decode_receipt(self.key.public.verify(message, RECEIPT_CONTEXT))
            for stored in receipt.segments:
                place = self.central.hashes.get(stored.header_hash)
                assert place == (receipt.node_index, stored.first_sequence), "RECEIPT"
                self.unreceipted.pop(place, None)
        self.uplink.published.clear()

    async def until_quiet(self) -> None:
        """Work until nothing fails any more."""
        for _ in range(5):
            try:
                await self.work()
            except (Unavailable, Refused):
                continue
            return
        raise AssertionError("it does not come to rest")

    def judge(self, minutes: int) -> None:
        """Check, from what others hold, that nothing was lost, doubled, skipped or reordered."""
        for node in self.nodes:
            assert self.central.stored(node.index) == list(range(node.sequence)), "COMPLETE"
        assert not self.unreceipted, "every segment has its receipt"
        assert not self.central.conflicts
        assert all(len(windows) == 1 for windows in self.central.window_of.values()), "UNIQUE"
        assert self.central.window_of.keys() == self.central.hashes.keys(), "PROVABLE"
        numbers = [decode_window_entry(entry).window for entry in self.central.windows]
        assert numbers == list(range(len(numbers))), "dense"
        assert minutes <= len(numbers) <= minutes + 1
        assert [self.log.entry(n) for n in numbers] == self.central.windows, "one history"
        assert self.log.size == len(numbers)
        sequences = [head.sequence for head in self.chain.heads]
        assert sequences == list(range(1, len(sequences) + 1)), "ORDER"
        last = self.chain.heads[-1]
        assert (last.size, last.root) == (self.log.size, self.log.root(self.log.size))
        assert self.central.anchors[-1][0] == self.log.size
        assert all(part for _, part in self.central.anchors)
        assert not self.journal.uncertified_anchors()
        assert self.journal.first_untold_window() is None
        assert self.journal.backlog() == 0
        entry = decode_window_entry(self.central.windows[-1])
        assert self.chain.registry_roots[-1] == entry.registry_root

    def close(self) -> None:
        """Let go of the files."""
        if isinstance(self.journal, RealJournal):
            self.journal.journal.close()

    def _new_journal(self) -> Any:  # noqa: ANN401 -- fake or real
        if self.folder is None:
            return FakeJournal()
        return RealJournal(Journal.open(self.folder / "journal.sqlite"))

    def _opened_log(self, before: Any) -> Any:  # noqa: ANN401 -- fake or real
        if self.folder is None:
            return FakeLog() if before is None else before.reopened()
        return Log(self.folder / "log", ORIGIN, self.key.public)


def told(plan: FaultPlan) -> str:
    """Return what a plan did, for a failing test."""
    return json.dumps({"point": plan.point, "keeps": plan.keeps, "failed": plan.failed})
