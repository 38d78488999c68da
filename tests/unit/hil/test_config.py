"""Bench files: what they may say, and how faults in them are told."""

from pathlib import Path

import pytest

import hil.config
from hil.bench import Bench
from hil.config import Address, BenchFile, address_of, read_bench_file
from hil.faults import FaultKind
from hil.household import Kind
from ledger.configuration import Misconfigured
from tests.hil.benches import HandClock

GOOD = """
[bench]
weather_seed = 3
control = "127.0.0.1:15900"

[clock]
origin_ms = 1795392000000
rate = 10

[[meter]]
name = "one"
model = "sdm630"
seed = 1
serial_number = 21000001
kind = "electric"
tcp = "127.0.0.1:15001"
pv_peak_w = 4500

[[meter.fault]]
kind = "late"
from_s = 60
until_s = 90.5
every = 5
delay_ms = 1200

[[meter]]
name = "two"
model = "sdm120"
seed = 2
serial_number = 21000002
unit = 2
line = "lines/tty0"
baud = 9600
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    return path


def faults_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(Misconfigured) as misconfigured:
        read_bench_file(written(tmp_path, text))
    return "\n".join(misconfigured.value.faults)


def test_a_good_file(tmp_path: Path) -> None:
    file: BenchFile = read_bench_file(written(tmp_path, GOOD)).value
    one, two = file.meter
    assert (one.kind, one.equipment().pv_peak_w, one.equipment().charger_w) == (
        Kind.ELECTRIC,
        4500,
        11_000,
    )
    assert two.line == tmp_path / "lines/tty0"
    assert two.equipment().pv_peak_w == 0
    fault = one.fault[0].at(1_000_000)
    assert (fault.kind, fault.from_ms, fault.until_ms) == (FaultKind.LATE, 1_060_000, 1_090_500)
    assert file.installed_day == 1795392000000 // 86_400_000


def test_the_first_day_can_be_named(tmp_path: Path) -> None:
    text = GOOD.replace("[bench]", '[bench]\ninstalled_on = "1970-01-11"')
    assert read_bench_file(written(tmp_path, text)).value.installed_day == 10


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ('model = "sdm630"', 'model = "sdm631"', "model is 'sdm631', expected one of"),
        ('tcp = "127.0.0.1:15001"', 'tcp = "15001"', "expected HOST:PORT, found '15001'"),
        ('tcp = "127.0.0.1:15001"', 'tcp = "a:70000"', "expected HOST:PORT, found 'a:70000'"),
        ('tcp = "127.0.0.1:15001"', "", "one: expected either tcp or line"),
        ('line = "lines/tty0"', 'line = "a"\ntcp = "a:1"', "two: expected either tcp or line"),
        ("unit = 2", "unit = 248", "unit is 248, expected 1 to 247"),
        ("serial_number = 21000002", "serial_number = -1", "serial_number is -1"),
        ("baud = 9600", "baud = -1", "baud is for a line"),
        ('name = "two"', 'name = "one"', "two meters are called 'one'"),
        ('kind = "late"', 'kind = "bad_crc"', "fault bad_crc cannot happen on tcp"),
        ('kind = "late"', 'kind = "tired"', "expected one of 'silence'"),
        ("until_s = 90.5", "until_s = 60", "a fault must end after it starts"),
        ("every = 5", "every = 0", "every >= 1"),
        ("pv_peak_w = 4500", "pv_peak_w = -1", "cannot be negative"),
        ("pv_peak_w = 4500", "battery_w = 0", "a battery needs both"),
        ("seed = 1", 'seed = "x"', "expected an integer"),
        ("weather_seed = 3", "weather_sed = 3", "did you mean weather_seed?"),
        ('control = "127.0.0.1:15900"', 'control = "x"', "expected HOST:PORT, found 'x'"),
        ("rate = 10", "rate = 0", "rate must be above 0"),
        ("[bench]", '[bench]\ninstalled_on = "soon"', "soon"),
        ("origin_ms = 1795392000000\nrate = 10", "", "origin_ms: is missing"),
    ],
)
def test_one_fault_is_told(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    assert wrong in GOOD
    assert told in faults_of(tmp_path, GOOD.replace(wrong, right))


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    text = GOOD.replace('"sdm630"', '"x"').replace("unit = 2", "unit = 0").replace("rate", "rat")
    told = faults_of(tmp_path, text)
    assert "model is 'x'" in told
    assert "unit is 0" in told
    assert "did you mean rate?" in told


def test_units_of_one_line_differ_and_its_pace_is_one(tmp_path: Path) -> None:
    three = '\n[[meter]]\nname = "three"\nmodel = "sdm120"\nseed = 3\nserial_number = 3\n'
    told = faults_of(tmp_path, GOOD + three + 'unit = 2\nline = "lines/tty0"\nbaud = 19200\n')
    assert "lines/tty0 have unit 2" in told
    assert "lines/tty0 disagree on baud" in told


def test_a_bench_needs_meters_and_a_first_day(tmp_path: Path) -> None:
    told = faults_of(tmp_path, "meter = []")
    assert "expected at least one [[meter]]" in told
    assert "expected bench.installed_on" in told


def test_addresses() -> None:
    assert address_of("::1:502") == Address("::1", 502)
    assert address_of("localhost:0") == Address("localhost", 0)


def test_the_example_that_is_shipped_is_good() -> None:
    file = read_bench_file(Path(hil.config.__file__).with_name("example.toml")).value
    assert [meter.name for meter in file.meter] == ["tcp-1", "line-2", "line-3"]
    assert [fault.kind for meter in file.meter for fault in meter.fault] == [
        FaultKind.SILENCE,
        FaultKind.LATE,
        FaultKind.RESTART,
    ]


PLANT = """
[plant]
seed = 4
network = "streets.toml"
scada = "127.0.0.1:15901"

[[plant.event]]
at_s = 60
action = "out"
device = "L-3-4"

[plant.sensors]
url = "http://127.0.0.1:8000"
token = "field.token"
key = "field.key"

[[plant.sensors.fault]]
sensor = "VC-MV-3"
kind = "bias"
size_pct = 4
"""


def with_pods(*pods: str) -> str:
    parts = GOOD.split("[[meter]]")
    named = [f'\npod = "{pod}"' for pod in pods] + [""] * (2 - len(pods))
    return parts[0] + "".join(f"[[meter]]{n}{p}" for n, p in zip(named, parts[1:], strict=True))


def test_a_plant_is_read_with_its_tables(tmp_path: Path) -> None:
    file = read_bench_file(written(tmp_path, with_pods("IT002E00000000") + PLANT)).value
    assert file.meter[0].pod == "IT002E00000000"
    assert file.plant is not None
    assert file.plant.network == tmp_path / "streets.toml"
    assert file.plant.event[0].device == "L-3-4"
    assert file.plant.sensors.token == tmp_path / "field.token"
    assert file.plant.sensors.fault[0].size_pct == 4.0


def test_faults_of_a_plant_are_told(tmp_path: Path) -> None:
    assert "one stands at a pod, and there is no [plant]" in faults_of(tmp_path, with_pods("P"))
    twice = faults_of(tmp_path, with_pods("P", "P") + PLANT)
    assert "two meters stand at P" in twice
    wrong = PLANT.replace('"127.0.0.1:15901"', '"15901"')
    assert "expected HOST:PORT, found '15901'" in faults_of(tmp_path, GOOD + wrong)
    unknown = PLANT.replace('action = "out"', 'action = "melt"')
    assert "action: expected one of" in faults_of(tmp_path, GOOD + unknown)


def test_the_example_with_a_plant_is_good() -> None:
    path = Path(hil.config.__file__).with_name("example_plant.toml")
    file = read_bench_file(path).value
    assert file.plant is not None
    assert [meter.pod for meter in file.meter] == ["IT002E00000000", "IT002E00000001"]
    bench = Bench(file, HandClock())
    assert bench.field is not None
