"""The collector's guarantees, on the fake and over real HTTP; and delivery over both."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hil.delivery import Collector, Delivery, HttpCollector, signed_measurements
from hil.feeder.network import Position
from ledger.errors import Refused, Unavailable
from ledger.signing import SigningKey
from tests.fakes.hil_collector import KEY, CollectorServer, Failure, FakeCollector


@dataclass
class Rig:
    """A collector, and what stands behind it."""

    collector: Collector
    behind: FakeCollector

    @property
    def created_ms(self) -> list[int]:
        """Return the instants of the documents that are there, in the order of their arrival."""
        return [document.created_ms for document in self.behind.kept.values()]


@pytest.fixture(params=["fake", "http"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    behind = FakeCollector()
    if request.param == "fake":
        yield Rig(behind, behind)
        return
    with CollectorServer(behind, token="let me in") as server:
        collector = HttpCollector(server.url, "let me in")
        yield Rig(collector, behind)
        await collector.close()


def document(number: int, key: SigningKey = KEY) -> bytes:
    return signed_measurements(
        [], {"S1": Position.OPEN}, unix_ms=number, sender="field", receiver="dso", key=key
    )


async def test_what_was_sent_is_there(rig: Rig) -> None:
    assert await rig.collector.send([document(1), document(2)]) == [None, None]
    assert rig.created_ms == [1, 2]


async def test_what_was_lost_is_sent_again(rig: Rig) -> None:
    rig.behind.failures = [Failure.LOST]
    with pytest.raises(Unavailable):
        await rig.collector.send([document(1)])
    assert not rig.behind.kept
    await rig.collector.send([document(1)])
    assert rig.created_ms == [1]


async def test_what_was_kept_though_it_failed_does_no_harm(rig: Rig) -> None:
    once = document(1)
    rig.behind.failures = [Failure.KEPT]
    with pytest.raises(Unavailable):
        await rig.collector.send([once])
    assert await rig.collector.send([once]) == [None]
    assert rig.created_ms == [1]


async def test_who_may_not_is_told(rig: Rig) -> None:
    rig.behind.failures = [Failure.REFUSED]
    with pytest.raises(Refused):
        await rig.collector.send([document(1)])


async def test_each_document_is_judged_alone(rig: Rig) -> None:
    foreign = document(2, SigningKey.generate("EdDSA"))
    judged = await rig.collector.send([document(1), foreign, b"nothing", document(3)])
    assert [why is None for why in judged] == [True, False, False, True]
    assert rig.created_ms == [1, 3]


async def test_delivery_brings_everything_in_its_order(rig: Rig) -> None:
    delivery = Delivery(rig.collector)
    for number in range(150):
        delivery.put(document(number))
    rig.behind.failures = [Failure.LOST]
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (0, 150)
    rig.behind.failures = [Failure.KEPT]
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (0, 150)
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (150, 0)
    assert rig.created_ms == list(range(150))


async def test_delivery_lets_go_of_what_is_refused(rig: Rig) -> None:
    delivery = Delivery(rig.collector)
    delivery.put(document(1, SigningKey.generate("EdDSA")))
    delivery.put(document(2))
    await delivery.drain()
    assert (delivery.sent, delivery.refused, len(delivery)) == (1, 1, 0)
    delivery.put(document(3))
    rig.behind.failures = [Failure.REFUSED]
    await delivery.drain()
    assert (delivery.sent, delivery.refused, len(delivery)) == (1, 2, 0)
    assert rig.created_ms == [2]
