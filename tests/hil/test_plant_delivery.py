"""Measurements of the plant in the Shared Customer Database itself, over its own route."""

from pathlib import Path

import pytest

from central.config import PartyConfig
from central.documents.encoding import from_json
from central.documents.measurement import FieldMeasurements
from central.scd.roles import Role
from hil.delivery import HttpCollector
from hil.field import Field
from hil.plant_file import PlantSettings, SensorSettings
from ledger.errors import Refused
from ledger.signing import SigningKey
from tests.hil.benches import NOON_MS, HandClock
from tests.scd import world


async def test_what_sensors_measured_is_read_by_the_operator(tmp_path: Path) -> None:
    key, stranger = SigningKey.generate(), SigningKey.generate()
    parties = (PartyConfig("sensors-1", key.public.encode().hex()),)
    settings = PlantSettings(sensors=SensorSettings(sender="sensors-1", receiver="dso-1"))
    with world(tmp_path, parties=parties) as made:
        token = made.token(Role.FIELD_SENSOR, party="sensors-1")
        for signer in (key, stranger):
            collector = HttpCollector(made.url, token)
            field = Field(settings, HandClock(), origin_ms=NOON_MS, collector=collector, key=signer)
            assert field.delivery is not None
            field.plant.solve(NOON_MS)
            measured = [field.measure(NOON_MS + step * 4000) for step in range(3)]
            await field.delivery.drain()
            told = field.delivery.sent, field.delivery.refused, len(field.delivery)
            assert told == ((3, 0, 0) if signer is key else (0, 3, 0))
            await field.close()
        reader = made.client(Role.DSO, party="dso-1")
        rows = reader.get("/v1/documents", params={"ii": "I-19"}).json()["rows"]
        assert len(rows) == 3
        read = from_json(reader.get(f"/v1/documents/{rows[0]['mrid']}").json()["document"])
    assert isinstance(read, FieldMeasurements)
    assert read.created_ms == NOON_MS
    assert {one.sensor for one in read.sensors} == {sample.sensor for sample in measured[0]}


async def test_who_is_no_sensor_may_not_measure(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        collector = HttpCollector(made.url, made.token(Role.DSO, party="dso-1"))
        with pytest.raises(Refused, match="403"):
            await collector.send([b"anything"])
        await collector.close()
