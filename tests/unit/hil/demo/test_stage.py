"""The stage: every program can read the configuration that is written for it."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from central.config import CentralConfig
from central.dso.grid.demo import demo_grid
from central.tso.transmission import Transmission
from hil.config import read_bench_file
from hil.demo.stage import AGGREGATORS, EVENING, MARKET_ORIGIN, PARTIES, Stage
from hil.feeder.customers import customers_of
from hil.feeder.description import read_description
from hil.registers import MODELS
from hil.sky import MS_PER_DAY
from ledger.configuration import load
from ledger.errors import Rejected
from ledger.proving import Trust
from ledger.signing import SigningKey


def test_the_bench_file_holds_a_meter_for_each_house(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.write_bench()
    meters = read_bench_file(stage.path("bench.toml")).value.meter
    assert [meter.name for meter in meters] == [house.name for house in stage.houses]
    assert {meter.model for meter in meters} == set(MODELS)
    assert sum(meter.line is not None for meter in meters) == 3
    assert [meter.pod for meter in meters] == [house.pod for house in stage.houses]


def test_a_house_that_the_network_has_no_place_for_stands_alone(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=22, rate=5.0)
    stage.clear()
    stage.write_bench()
    meters = read_bench_file(stage.path("bench.toml")).value.meter
    assert [meter.pod is None for meter in meters] == [False] * 20 + [True] * 2
    known = {one.pod for one in customers_of(read_description()) if one.metered}
    assert {meter.pod for meter in meters if meter.pod} == known


def test_sensors_and_scada_are_where_the_database_looks_for_them(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.write_bench()
    stage.make_party_keys()
    key = SigningKey.generate().public.encode().hex()
    stage.log_key = stage.field_key = key
    stage.write_central(stage.path("central.toml"), stage.path("central", "evidence.db"))
    central = load(CentralConfig, stage.path("central.toml"), program="central").value
    plant = read_bench_file(stage.path("bench.toml")).value.plant
    assert plant is not None
    assert central.dso.scada_url == f"http://{plant.scada}"
    assert plant.sensors.url == f"http://{central.api.host}:{central.api.port}"
    assert plant.sensors.sender in central.party_keys()
    assert set(central.played_keys()) == set(PARTIES)
    assert central.market.portfolios == tuple(stage.portfolio(each) for each in AGGREGATORS)


def test_with_a_contract_the_market_log_is_anchored_by_its_own_account(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.make_party_keys()
    stage.log_key = stage.field_key = SigningKey.generate().public.encode().hex()
    file = stage.path("central.toml")
    stage.write_central(file, stage.path("central", "evidence.db"))
    assert load(CentralConfig, file, program="central").value.chain is None
    stage.contract = "0x" + "ab" * 20
    stage.write_central(file, stage.path("central", "evidence.db"))
    chain = load(CentralConfig, file, program="central").value.chain
    assert chain is not None
    assert chain.contract == stage.contract
    assert chain.account_file == stage.market_account != stage.gateway_account
    trusted = stage.path("trust.toml")
    log = [f'origin = "{MARKET_ORIGIN}"', f'log_key = "{stage.market_log_key}"', ""]
    trusted.write_text("\n".join(log) + stage.trusted_parties())
    assert {each.id for each in Trust.load(trusted).parties} == set(PARTIES)


def test_the_tso_looks_after_the_demos_substation(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.make_party_keys()
    stage.log_key = stage.field_key = SigningKey.generate().public.encode().hex()
    stage.write_central(stage.path("central.toml"), stage.path("central", "evidence.db"))
    central = load(CentralConfig, stage.path("central.toml"), program="central").value
    case = Transmission.read(central.market.transmission)
    assert set(case.at_bus) == {each.name for each in demo_grid().substations}


@pytest.mark.parametrize("rate", [2.0, 10.0, 60.0])
def test_the_demo_plays_on_the_same_evening(tmp_path: Path, rate: float) -> None:
    stage = Stage(tmp_path, count=6, rate=rate)
    late_ms = stage.clock.now_ms() - EVENING.timestamp() * 1000
    assert 0 <= late_ms < 60_000 * rate


@pytest.mark.parametrize("wall_day", ["2026-11-01", "2026-11-26", "2027-03-01", "2036-01-01"])
def test_the_plant_begins_alike_whatever_day_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wall_day: str
) -> None:
    wall_s = datetime.fromisoformat(f"{wall_day}T20:00:00Z").timestamp()
    monkeypatch.setattr(time, "time_ns", lambda: round(wall_s * 1e9))
    stage = Stage(tmp_path / "demo", count=6, rate=10.0)
    stage.clear()
    stage.write_bench()
    file = read_bench_file(stage.path("bench.toml")).value
    assert file.clock is not None
    assert file.plant is not None
    evening_ms = EVENING.timestamp() * 1000
    assert file.clock.now_ms() == pytest.approx(evening_ms, abs=10)
    [changer_off] = file.plant.event
    assert file.clock.origin_ms + changer_off.at_s * 1000 <= evening_ms
    assert file.installed_day * MS_PER_DAY < evening_ms


def test_time_that_does_not_run_faster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="faster than the wall clock"):
        Stage(tmp_path, count=6, rate=1.0)


def test_clear_begins_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.path("old").touch()
    stage.clear()
    assert not stage.path("old").exists()
    assert stage.houses[5].folder.is_dir()


def test_houses_have_pods_ports_and_lines_of_their_own(tmp_path: Path) -> None:
    stage = Stage(tmp_path, count=20, rate=5.0)
    assert len({house.pod for house in stage.houses}) == 20
    assert len({house.meter_port for house in stage.houses}) == 20
    assert stage.houses[3].pod == "IT002E00000003"
    assert not stage.houses[2].is_serial
