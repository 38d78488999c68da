"""The stage: every program can read the configuration that is written for it."""

from pathlib import Path

from hil.config import read_bench_file
from hil.demo.stage import Stage
from hil.registers import MODELS


def test_the_bench_file_holds_a_meter_for_each_house(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", count=6, rate=5.0)
    stage.clear()
    stage.write_bench()
    meters = read_bench_file(stage.path("bench.toml")).value.meter
    assert [meter.name for meter in meters] == [house.name for house in stage.houses]
    assert {meter.model for meter in meters} == set(MODELS)
    assert sum(meter.line is not None for meter in meters) == 3


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
