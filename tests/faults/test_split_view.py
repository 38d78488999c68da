"""A gateway that shows one node another log: its own journal names the node that carries the lie.

Light nodes as they are, over a broker in memory; the gateway's own intake, journal and log. The
receipts for one node carry the head of a log that somebody else grew with the same key.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.bell import Bell
from gateway.intake import Intake
from gateway.journal import Journal
from gateway.ports import Message
from gateway.receipts import ReceiptDesk
from gateway.registry import Keyring
from gateway.tally import Tally
from gateway.witness import Witness
from ledger.codec import decode_header, decode_segment
from ledger.facts.pod import Pod
from ledger.facts.receipt import StoredSegment
from ledger.facts.registry import NodeKey, Registration
from ledger.facts.segment import Head
from ledger.log import Log
from ledger.signing import SEGMENT_CONTEXT, SigningKey
from lightnode.uplink import Pace, Uplink
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_uplink import FakeUplink
from tests.fakes.lightnode_broker import MemoryBroker
from tests.fakes.lightnode_clock import START_MS
from tests.fakes.lightnode_gateway import ORIGIN
from tests.fakes.lightnode_node import WINDOW_SLOTS, WirelessNode, seal_of

NODES, LIED_TO = 3, 2
PACE = Pace(resend_s=30.0, in_flight=4, longest_pause_s=0.05)


class Node:
    """A light node with everything but meter and wires."""

    def __init__(self, index: int, gateway: "TwoFaced") -> None:
        self.index, self.key = index, SigningKey.generate()
        broker = MemoryBroker(deliver=gateway.deliver)
        self.node = WirelessNode(seal=seal_of(self.key, index))
        self.uplink = Uplink(
            node_index=index, origin=ORIGIN, gateway_key=gateway.key.public,
            outbox=self.node.outbox, broker=broker, pace=PACE,
        )  # fmt: skip
        self.node.announce = self.uplink.announce

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.node.boot()
        assert self.node.recorder
        self.uplink.follow(self.node.recorder, None)
        delivering = asyncio.create_task(self.uplink.run())
        yield
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)


class TwoFaced:
    """The gateway with one journal and two logs; it shows the second to one node."""

    def __init__(self, folder: Path) -> None:
        self.key, self.tally = SigningKey.generate("EdDSA"), Tally()
        self.journal = Journal.open(folder / "journal.sqlite")
        self.honest = Log(folder / "honest", ORIGIN, self.key.public)
        self.forked = Log(folder / "forked", ORIGIN, self.key.public)
        self.keyring, self.desk = Keyring(), ReceiptDesk(self.key, ORIGIN)
        self.intake = Intake(
            uplink=FakeUplink(), journal=self.journal.segments, keyring=self.keyring,
            origin=ORIGIN, clock=HandClock(START_MS + 86_400_000), tally=self.tally,
            witness=Witness(self.honest), delivery=Bell(), receipt_again=lambda _: None,
        )  # fmt: skip

    def enrol(self, node: Node) -> None:
        key = NodeKey(public_key=node.key.public.encode(), valid_from_ms=0, valid_to_ms=None)
        self.keyring.update([
            Registration(
                node_index=node.index, pod=Pod(f"IT002E{node.index:08}"), meter="m", keys=(key,)
            )
        ])  # fmt: skip

    def close(self, number: int) -> None:
        """Let both logs grow by one window; only the first is what the nodes sent."""
        self.honest.append(b"window %d" % number)
        self.forked.append(b"window %d" % number if number < 1 else b"rewritten %d" % number)

    def head(self, node_index: int) -> Head | None:
        log = self.forked if node_index == LIED_TO else self.honest
        return (log.size, log.root()) if log.size else None

    def deliver(self, topic: str, payload: bytes) -> list[bytes]:
        if topic.endswith("/live"):
            return []
        weighed = self.intake.weigh([Message(topic, payload)], START_MS + 86_400_000)
        admitted = self.intake.commit(weighed)
        self.intake.tell(admitted)
        assert not admitted.refused, admitted.refused
        stored = [
            (
                one.header.node_index,
                StoredSegment(
                    first_sequence=one.header.first_sequence, count=one.header.count,
                    header_hash=one.header_hash,
                ),
            )
            for one in admitted.new
        ]  # fmt: skip
        return [
            body
            for node, segment in stored
            for _, body in self.desk.receipts([(node, segment)], self.head(node), START_MS)
        ]


def kept_claims(journal: Path, key: SigningKey) -> list[Head | None]:
    """Return what the node has signed of the log, from the evidence, each signature checked."""
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        rows = connection.execute("SELECT kind, payload FROM evidence ORDER BY id").fetchall()
    assert {kind for kind, _ in rows} == {"split_view"}
    signed = [decode_segment(payload).signed_header for _, payload in rows]
    return [decode_header(key.public.verify(one, SEGMENT_CONTEXT)).checkpoint for one in signed]


async def test_a_gateway_with_two_logs_is_named_within_two_windows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = TwoFaced(tmp_path)
    nodes = [Node(index, gateway) for index in range(NODES)]
    detected: list[int] = []
    async with contextlib.AsyncExitStack() as stack:
        for node in nodes:
            gateway.enrol(node)
            await stack.enter_async_context(node.running())
        for minute in range(5):
            for node in nodes:
                await node.node.beat(WINDOW_SLOTS)
            expected = NODES * (minute + 1)
            await until(lambda: gateway.tally.segments_admitted >= expected)  # noqa: B023
            await until(lambda: all(not n.node.outbox.segments for n in nodes))
            detected.append(gateway.tally.split_views)
            gateway.close(minute)
    gateway.journal.close()
    # Window 1 is the first that differs. It is shown with the receipts of minute 2.
    assert detected == [0, 0, 0, 1, 2]
    assert kept_claims(tmp_path / "journal.sqlite", nodes[LIED_TO].key) == [
        (2, gateway.forked.root(2)),
        (3, gateway.forked.root(3)),
    ]
    alarms = [one for one in caplog.records if one.getMessage() == "gateway.split_view"]
    assert [(vars(one)["node"], vars(one)["size"]) for one in alarms] == [
        (LIED_TO, 2),
        (LIED_TO, 3),
    ]
    assert all(one.levelno == logging.ERROR for one in alarms)
    assert vars(alarms[0])["held"] == gateway.honest.root(2).hex()
    assert vars(alarms[0])["other"] == gateway.forked.root(2).hex()
