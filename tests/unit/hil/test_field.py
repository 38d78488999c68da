"""The plant in time: flows on every beat, events, measurements on their way, orders."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from hil.field import Field
from hil.plant_file import (
    Action,
    EventSettings,
    PlantSettings,
    SensorFaultKind,
    SensorFaultSettings,
    SensorSettings,
)
from ledger.configuration import Misconfigured
from ledger.errors import Rejected
from tests.fakes.hil_collector import KEY, Failure, FakeCollector
from tests.hil.benches import NOON_MS, HandClock, eventually


class Room:
    """A field on a clock wound by hand, and who collects."""

    def __init__(self, settings: PlantSettings) -> None:
        self.clock = HandClock()
        self.collector = FakeCollector()
        self.field = Field(
            settings, self.clock, origin_ms=NOON_MS, collector=self.collector, key=KEY
        )

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        await self.field.open()
        task = asyncio.create_task(self.field.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.field.close()

    async def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.wind(1000)
            for _ in range(4):
                await asyncio.sleep(0)


def field(**settings: object) -> Field:
    return Room(PlantSettings(**settings)).field  # type: ignore[arg-type]


async def test_the_network_is_solved_on_every_beat() -> None:
    room = Room(PlantSettings(every_s=4.0))
    async with room.living():
        assert room.field.plant.at_ms == NOON_MS
        await room.pass_(11)
        assert room.field.plant.at_ms == NOON_MS + 8000
    assert room.collector.closed


async def test_missed_beats_are_not_made_up_for() -> None:
    room = Room(PlantSettings(every_s=4.0))
    async with room.living():
        room.clock.wind(3_600_000)
        await room.pass_(5)
        assert room.field.plant.at_ms == NOON_MS + 3_604_000


async def test_events_happen_at_their_time() -> None:
    events = (
        EventSettings(20.0, Action.BACK, "L-3-4"),
        EventSettings(10.0, Action.OUT, "L-3-4"),
        EventSettings(30.0, Action.TAP, "TS-3", 2),
    )
    with pytest.raises(Rejected, match="no such device: 'L-3-4'"):
        Room(PlantSettings(event=events[:1]))  # nothing is out that could come back
    room = Room(PlantSettings(event=events))
    async with room.living():
        await room.pass_(9)
        assert not room.field.plant.state.out
        await room.pass_(2)
        assert room.field.plant.state.out == {"L-3-4"}
        await room.pass_(20)
        assert not room.field.plant.state.out
        assert room.field.plant.state.taps["TS-3"] == 2


async def test_sensors_measure_and_their_documents_arrive() -> None:
    room = Room(PlantSettings(sensors=SensorSettings(every_s=10.0)))
    async with room.living():
        await room.pass_(21)
        await eventually(lambda: len(room.collector.kept) == 2)
    first, second = room.collector.kept.values()
    assert len(first.sensors) == 12
    assert {"S1", "S2", "S3", "LV3G-3"} <= {one.breaker for one in first.breakers}
    assert (first.created_ms, second.created_ms) == (NOON_MS + 10_000, NOON_MS + 20_000)


async def test_a_line_that_fails_is_told_and_its_return_as_well() -> None:
    room = Room(PlantSettings(sensors=SensorSettings(every_s=4.0)))
    async with room.living():
        told = []
        for count, action in enumerate(("out", "back"), start=1):
            room.field.command({"command": "plant", "action": action, "device": "L-2-3"})
            room.field.command({"command": "plant", "action": action, "device": "L-3-R1-R2"})
            await room.pass_(4)

            def has_come(wanted: int = count) -> bool:
                return len(room.collector.kept) == wanted

            await eventually(has_come)
            newest = list(room.collector.kept.values())[-1]
            told.append({one.breaker: str(one.state) for one in newest.breakers})
    assert [(one["L-2-3"], one["LV3G-3"], one["L-1-2"]) for one in told] == [
        ("tripped", "open", "closed"), ("closed", "closed", "closed"),
    ]  # fmt: skip
    assert {one["S1"] for one in told} == {"open"}


async def test_what_could_not_be_delivered_is_tried_again() -> None:
    room = Room(PlantSettings(sensors=SensorSettings(every_s=10.0)))
    room.collector.failures = [Failure.LOST, Failure.KEPT]
    async with room.living():
        await room.pass_(11)
        await eventually(lambda: room.collector.calls == 3)
        assert len(room.collector.kept) == 1


async def test_a_scripted_fault_of_a_sensor_is_kept() -> None:
    silent = SensorFaultSettings("VC-MV-3", SensorFaultKind.SILENT, 10.0, 20.0)
    room = Room(PlantSettings(sensors=SensorSettings(every_s=10.0, fault=(silent,))))
    async with room.living():
        names = [
            {sample.sensor for sample in room.field.measure(NOON_MS + at_ms)}
            for at_ms in (0, 10_000, 20_000)
        ]
    assert "VC-MV-3" in names[0] & names[2]
    assert "VC-MV-3" not in names[1]
    with pytest.raises(Rejected, match="no sensor is called 'VC-MV-99'"):
        field(
            sensors=SensorSettings(fault=(SensorFaultSettings("VC-MV-99", SensorFaultKind.BIAS),))
        )


async def test_the_plant_is_ruled_by_command() -> None:
    room = Room(PlantSettings())
    async with room.living():
        told = room.field.command({"action": "state"})
        assert told["failure"] is None
        assert told["lowest"]["voltage_pu"] < told["highest"]["voltage_pu"]
        assert told["supplied_w"] > told["losses_w"] > 0
        assert list(told["busbars_pu"]) == [f"MV-{number}" for number in range(1, 15)]
        assert all(0.9 < part < 1.1 for part in told["busbars_pu"].values())
        told = room.field.command({"action": "out", "device": "L-3-4", "position": None})
        assert told["out_of_service"] == ["L-3-4"]
        assert len(told["unsupplied_pods"]) > 50
        assert "MV-4" not in told["busbars_pu"]
        told = room.field.command({"action": "tap", "device": "TR-1", "position": -2})
        assert told["taps"]["TR-1"] == -2


async def test_sensors_are_ruled_by_command() -> None:
    room = Room(PlantSettings())
    async with room.living():
        order = {"action": "fault", "sensor": "LV3G-5", "kind": "stuck", "for_ms": 60_000}
        told = room.field.command(order)
        assert told["until_ms"] - told["from_ms"] == 60_000
        assert room.field.command({"action": "state"})["sensor_faults"] == {"LV3G-5": ["stuck"]}
        assert room.field.command({"action": "clear", "sensor": "LV3G-5"}) == {
            "cleared": ["LV3G-5"]
        }
        assert room.field.command({"action": "state"})["sensor_faults"] == {}
        assert len(room.field.command({"action": "clear"})["cleared"]) == 12


@pytest.mark.parametrize(
    "order",
    [
        {"action": "fly", "device": "TR-1"},
        {"action": "out"},
        {"action": "out", "device": "L-1-9"},
        {"action": "fault", "sensor": "LV3G-5", "kind": "sulking"},
        {"action": "fault", "sensor": "LV3G-5", "kind": "bias", "size_pct": "much"},
        {"action": "fault", "sensor": "nobody", "kind": "bias"},
    ],
)
async def test_wrong_commands_are_told(order: dict[str, object]) -> None:
    room = Room(PlantSettings())
    async with room.living():
        with pytest.raises(Rejected):
            room.field.command(order)


async def test_the_scada_is_reached_over_http() -> None:
    room = Room(PlantSettings(scada="127.0.0.1:0"))
    async with room.living(), httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{room.field.scada_port}/v1/state")
        assert answer.json()["switches"]["S1"] == "open"
        port = room.field.scada_port
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{port}/v1/state")


def test_without_a_collector_sensors_only_measure(tmp_path: Path) -> None:
    alone = Field(PlantSettings(), HandClock(), origin_ms=NOON_MS)
    assert alone.delivery is None
    assert alone.scada_port is None
    token, key = tmp_path / "token", tmp_path / "key"
    settings = SensorSettings(url="http://127.0.0.1:9", token=token, key=key)
    with pytest.raises(Rejected, match="key"):
        Field(PlantSettings(sensors=settings), HandClock(), origin_ms=NOON_MS)
    KEY.save(key)
    with pytest.raises(Rejected, match="the token cannot be read"):
        Field(PlantSettings(sensors=settings), HandClock(), origin_ms=NOON_MS)


def test_another_network_is_read_from_its_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        field(network=tmp_path / "none.toml")


async def test_it_says_that_it_is_ready(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hil")
    async with Room(PlantSettings()).living():
        pass
    (ready,) = (one for one in caplog.records if one.message == "hil.plant_ready")
    assert (vars(ready)["nodes"], vars(ready)["customers"]) == (105, 248)
