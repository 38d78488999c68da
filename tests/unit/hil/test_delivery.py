"""Documents of measurements: their form, their waiting, and the way over HTTP."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from central.documents.encoding import opened, verify
from central.documents.measurement import BreakerState, FieldMeasurements
from hil.delivery import MOST_WAITING, Delivery, HttpCollector, signed_measurements
from hil.feeder.description import read_description
from hil.feeder.network import Position
from hil.plant import Plant
from hil.sensors import FieldSensor, Sample
from ledger.errors import Refused, Unavailable
from tests.fakes.hil_collector import KEY, CollectorServer, Failure, FakeCollector
from tests.hil.benches import NOON_MS
from tests.servers import free_port

AT_MS = NOON_MS + 4000


def samples() -> list[Sample]:
    plant = Plant(read_description(), seed=1)
    plant.solve(NOON_MS)
    sensors = [FieldSensor(one, seed=1, class_pct=0.5) for one in plant.network.sensors]
    taken = [one.sample(plant.flow, plant.state.closed, AT_MS) for one in sensors]
    return [sample for sample in taken if sample is not None]


def signed(taken: list[Sample]) -> bytes:
    return signed_measurements(
        taken,
        {"S1": Position.OPEN, "S3": Position.CLOSED, "L-2-3": Position.TRIPPED},
        unix_ms=AT_MS,
        sender="field",
        receiver="dso",
        key=KEY,
    )


def numbered(number: int) -> bytes:
    return signed_measurements([], {}, unix_ms=number, sender="field", receiver="dso", key=KEY)


def test_the_collector_reads_what_the_sensors_said() -> None:
    """The bytes are written from their description alone: their own reader must agree."""
    taken = samples()
    message = signed(taken)
    verify(message, KEY.public)
    read, _ = opened(message)
    assert isinstance(read, FieldMeasurements)
    assert (read.sender, read.receiver, read.created_ms) == ("field", "dso", AT_MS)
    assert len(read.sensors) == len(taken) == 12
    by_name = {sample.sensor: sample for sample in taken}
    for seen in read.sensors:
        sample = by_name[seen.sensor]
        assert (seen.measured_ms, seen.voltage_sigma_mv) == (AT_MS, sample.voltage_sigma_mv)
        for phase, name, one in zip(seen.phases, "abc", sample.phases, strict=True):
            assert (phase.phase, phase.voltage_mv, phase.current_ma) == (
                name, one.voltage_mv, one.current_ma,
            )  # fmt: skip
            assert (phase.power_w, phase.reactive_power_var) == (
                one.power_w, one.reactive_power_var,
            )  # fmt: skip
    states = {one.breaker: one.state for one in read.breakers}
    assert states.pop("S1") is BreakerState.OPEN
    assert states.pop("L-2-3") is BreakerState.TRIPPED
    assert set(states) == {"S3", *(f"LV3G-{number}" for number in (3, 5, 6, 8, 10))}
    assert set(states.values()) == {BreakerState.CLOSED}


def test_every_document_has_a_name_of_its_own() -> None:
    taken = samples()
    one, other = (opened(signed(taken))[0] for _ in range(2))
    assert one.mrid != other.mrid


async def test_the_oldest_is_given_up_when_too_many_wait() -> None:
    behind = FakeCollector(failures=[Failure.LOST])
    delivery = Delivery(behind)
    for number in range(MOST_WAITING + 2):
        delivery.put(numbered(number))
    assert (len(delivery), delivery.given_up) == (MOST_WAITING, 2)
    await delivery.drain()
    await delivery.drain()
    instants = [document.created_ms for document in behind.kept.values()]
    assert instants == list(range(2, MOST_WAITING + 2))


async def test_absence_is_told_once_and_return_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hil")
    delivery = Delivery(FakeCollector(failures=[Failure.LOST] * 3))
    delivery.put(numbered(1))
    for _ in range(5):
        await delivery.drain()
    assert [record.message for record in caplog.records] == ["hil.away", "hil.back"]


async def test_nobody_there_is_told_with_the_way_out() -> None:
    collector = HttpCollector(f"http://127.0.0.1:{free_port()}", "token")
    with pytest.raises(Unavailable, match=r"no collector answers.*change plant\.sensors\.url"):
        await collector.send([numbered(1)])
    await collector.close()


async def test_a_wrong_token_is_refused() -> None:
    with CollectorServer(FakeCollector(), token="right") as server:
        collector = HttpCollector(server.url, "wrong")
        with pytest.raises(Refused, match="401"):
            await collector.send([numbered(1)])
        await collector.close()


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Serve one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x80", b"\x81\x01", b"\x18"])
async def test_another_server_takes_nothing(body: bytes) -> None:
    with answering(body) as url:
        collector = HttpCollector(url, "token")
        with pytest.raises(Unavailable, match="something else than a collector answers"):
            await collector.send([numbered(1)])
        await collector.close()
