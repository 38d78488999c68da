"""Live records: of enrolled nodes only, a few times a second, never kept."""

import asyncio

from gateway.live import LivePassage
from gateway.tally import Tally
from ledger.codec import encode_record
from ledger.facts.topics import live_topic
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_clock import HandClock, until
from tests.fakes.gateway_forger import keyring_of, records_of
from tests.fakes.gateway_uplink import FakeUplink
from tests.segments import FIRST_MS, ORIGIN, TestNode


class Rig:
    """A passage over fakes."""

    def __init__(self, node: TestNode) -> None:
        self.uplink, self.tally = FakeUplink(), Tally()
        self.central = FakeCentral(ORIGIN, SigningKey.generate("EdDSA").public)
        self.passage = LivePassage(
            uplink=self.uplink, central=self.central, keyring=keyring_of(node),
            clock=HandClock(FIRST_MS), tally=self.tally,
        )  # fmt: skip


async def test_records_of_enrolled_nodes_pass_and_nothing_else() -> None:
    node = TestNode(0)
    rig = Rig(node)
    records = [encode_record(record) for record in records_of(node.segment())[:3]]
    for record in records:
        rig.uplink.send(live_topic(0), record)
    rig.uplink.send(live_topic(9), records[0])
    rig.uplink.send(live_topic(0), b"garbage")
    rig.uplink.send("certiflex/v1/x/live", records[0])
    running = asyncio.ensure_future(rig.passage.run())
    await until(lambda: rig.tally.live_records == 3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert rig.central.live_records == [(0, record) for record in records]
    assert rig.tally.refused == {"live_record": 2}


async def test_what_cannot_be_passed_on_is_dropped_and_the_next_goes_through() -> None:
    node = TestNode(0)
    rig = Rig(node)
    first, second = (encode_record(one) for one in records_of(node.segment())[:2])
    rig.central.lose.append("live")
    rig.uplink.send(live_topic(0), first)
    running = asyncio.ensure_future(rig.passage.run())
    await until(lambda: not rig.central.lose)
    rig.uplink.send(live_topic(0), second)
    await until(lambda: bool(rig.central.live_records))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert rig.central.live_records == [(0, second)]
