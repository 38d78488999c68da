"""The collector's guarantees, on the fake and over real HTTP; and delivery over both."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hil.delivery import Collector, Delivery, HttpCollector, measurements
from ledger.errors import Refused, Unavailable
from tests.fakes.hil_collector import CollectorServer, Failure, FakeCollector


@dataclass
class Rig:
    """A collector, and what stands behind it."""

    collector: Collector
    behind: FakeCollector


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


def document(number: int) -> dict[str, object]:
    return dict(measurements([], sender="field", unix_ms=number * 60_000))


async def test_what_was_sent_is_there(rig: Rig) -> None:
    await rig.collector.send(document(1))
    assert list(rig.behind.kept.values()) == [document(1)]


async def test_what_was_lost_is_sent_again(rig: Rig) -> None:
    rig.behind.failures = [Failure.LOST]
    with pytest.raises(Unavailable):
        await rig.collector.send(document(1))
    assert not rig.behind.kept
    await rig.collector.send(document(1))
    assert len(rig.behind.kept) == 1


async def test_what_was_kept_though_it_failed_does_no_harm(rig: Rig) -> None:
    rig.behind.failures = [Failure.KEPT]
    with pytest.raises(Unavailable):
        await rig.collector.send(document(1))
    await rig.collector.send(document(1))
    assert len(rig.behind.kept) == 1


async def test_what_is_refused_is_told(rig: Rig) -> None:
    rig.behind.failures = [Failure.REFUSED]
    with pytest.raises(Refused):
        await rig.collector.send(document(1))


async def test_delivery_brings_everything_in_its_order(rig: Rig) -> None:
    delivery = Delivery(rig.collector)
    for number in range(4):
        delivery.put(document(number))
    rig.behind.failures = [Failure.LOST]
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (0, 4)
    rig.behind.failures = [Failure.KEPT]
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (0, 4)
    await delivery.drain()
    assert (delivery.sent, len(delivery)) == (4, 0)
    assert list(rig.behind.kept.values()) == [document(number) for number in range(4)]


async def test_delivery_lets_go_of_what_is_refused(rig: Rig) -> None:
    delivery = Delivery(rig.collector)
    delivery.put(document(1))
    delivery.put(document(2))
    rig.behind.failures = [Failure.REFUSED]
    await delivery.drain()
    assert (delivery.sent, delivery.refused, len(delivery)) == (1, 1, 0)
    assert list(rig.behind.kept.values()) == [document(2)]
