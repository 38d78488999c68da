"""Documents of measurements: their form, their waiting, and the way over HTTP."""

import json
import logging

import pytest

from central.documents.encoding import from_json, to_json
from central.documents.measurement import BreakerState, FieldMeasurements
from hil.delivery import MOST_WAITING, Delivery, HttpCollector, measurements, rfc3339
from hil.feeder.description import read_description
from hil.plant import Plant
from hil.sensors import FieldSensor, Sample
from ledger.errors import Refused, Unavailable
from tests.fakes.hil_collector import CollectorServer, Failure, FakeCollector
from tests.hil.benches import NOON_MS
from tests.servers import free_port


def samples() -> list[Sample]:
    plant = Plant(read_description(), seed=1)
    plant.solve(NOON_MS)
    sensors = [FieldSensor(one, seed=1, class_pct=0.5) for one in plant.network.sensors]
    taken = [one.sample(plant.flow, plant.state.closed, NOON_MS + 4000) for one in sensors]
    return [sample for sample in taken if sample is not None]


def test_the_collector_reads_what_the_sensors_said() -> None:
    """The document is written from its description alone: its own reader must agree."""
    taken = samples()
    document = measurements(taken, sender="field", unix_ms=NOON_MS + 4000)
    read = from_json(json.loads(json.dumps(document)))
    assert isinstance(read, FieldMeasurements)
    assert len(read.sensors) == len(taken) == 12
    by_name = {sample.sensor: sample for sample in taken}
    for seen in read.sensors:
        sample = by_name[seen.sensor]
        assert seen.measured_ms == sample.at_ms
        assert [phase.power_w for phase in seen.phases] == [p.power_w for p in sample.phases]
        assert [phase.voltage_mv for phase in seen.phases] == [p.voltage_mv for p in sample.phases]
    assert [one.breaker for one in read.breakers] == sorted(f"LV3G-{n}" for n in (3, 5, 6, 8, 10))
    assert {one.state for one in read.breakers} == {BreakerState.CLOSED}
    assert to_json(read)["sensors"] == document["sensors"]


def test_one_instant_is_one_document() -> None:
    taken = samples()
    one, again = (measurements(taken, sender="field", unix_ms=NOON_MS) for _ in range(2))
    assert one == again
    assert measurements(taken, sender="field", unix_ms=NOON_MS + 1)["mrid"] != one["mrid"]
    assert measurements(taken, sender="other", unix_ms=NOON_MS)["mrid"] != one["mrid"]


def test_instants_are_told_in_utc() -> None:
    assert rfc3339(1_795_392_000_004) == "2026-11-23T00:00:00.004Z"


async def test_the_oldest_is_given_up_when_too_many_wait() -> None:
    behind = FakeCollector(failures=[Failure.LOST])
    delivery = Delivery(behind)
    for number in range(MOST_WAITING + 2):
        delivery.put({"mrid": str(number)})
    assert (len(delivery), delivery.given_up) == (MOST_WAITING, 2)
    await delivery.drain()
    await delivery.drain()
    assert next(iter(behind.kept)) == "2"
    assert len(behind.kept) == MOST_WAITING


async def test_absence_is_told_once_and_return_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hil")
    delivery = Delivery(FakeCollector(failures=[Failure.LOST] * 3))
    delivery.put({"mrid": "1"})
    for _ in range(5):
        await delivery.drain()
    assert [record.message for record in caplog.records] == [
        "hil.collector_away",
        "hil.collector_back",
    ]


async def test_nobody_there_is_told_with_the_way_out() -> None:
    collector = HttpCollector(f"http://127.0.0.1:{free_port()}/v1/documents")
    with pytest.raises(Unavailable, match=r"no collector answers.*change plant\.sensors\.url"):
        await collector.send({"mrid": "1"})
    await collector.close()


async def test_a_wrong_token_is_refused() -> None:
    with CollectorServer(FakeCollector(), token="right") as server:
        collector = HttpCollector(server.url, "wrong")
        with pytest.raises(Refused, match="401"):
            await collector.send({"mrid": "1"})
        await collector.close()
