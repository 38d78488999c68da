"""The command line of the plant: what is asked of a running bench, and how it is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from hil.__main__ import main
from hil.config import BenchFile
from hil.feeder.customers import customers_of
from hil.feeder.description import CIGRE, read_description
from ledger.configuration import schema
from ledger.signing import SigningKey
from tests.unit.hil.test_main import written

asked: list[Any] = []


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stand in for the socket to a running bench; what it was asked is in `asked`."""
    asked.clear()

    def answer(_address: object, request: Any, *, timeout_s: float) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        asked.append((request, timeout_s))
        return {"schema": "x", "ok": True, "taps": {"TR-1": -2}, "failure": None, "out": ["L-3-4"]}

    monkeypatch.setattr("hil.__main__.ask", answer)
    return written(tmp_path, 'control = "127.0.0.1:1"')


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["state"], {"action": "state"}),
        (["out", "L-3-4"], {"action": "out", "device": "L-3-4", "position": None}),
        (["close", "S1"], {"action": "close", "device": "S1", "position": None}),
        (["tap", "TR-1", "-2"], {"action": "tap", "device": "TR-1", "position": -2}),
        (["capacitor", "CB", "1"], {"action": "capacitor", "device": "CB", "position": 1}),
        (["clear"], {"action": "clear", "sensor": None}),
        (
            ["fault", "LV3G-5", "bias", "--for", "20s", "--size", "3"],
            {
                "action": "fault", "sensor": "LV3G-5", "kind": "bias",
                "for_ms": 20_000, "size_pct": 3.0,
            },
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_each_verb_asks_the_running_bench(
    bench: str, words: list[str], wanted: dict[str, Any]
) -> None:
    assert main(["plant", *words, "-c", bench]) == 0
    assert asked == [({"command": "plant", **wanted}, 10.0)]


def test_the_answer_is_told_in_lines_or_json(
    bench: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plant", "state", "-c", bench]) == 0
    assert capsys.readouterr().out == "taps TR-1=-2\nfailure -\nout L-3-4\n"
    assert main(["plant", "state", "-c", bench, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "certiflex/hil-plant/v1"
    assert told["taps"] == {"TR-1": -2}


def test_a_dry_run_asks_nobody(bench: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plant", "out", "L-3-4", "-c", bench, "--dry-run"]) == 0
    assert asked == []
    assert capsys.readouterr().out == ""


def test_a_verb_is_needed_and_a_kind_must_be_one(
    bench: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["plant"], ["plant", "fault", "LV3G-5", "sulking", "-c", bench]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    assert "sulking" in capsys.readouterr().err


def test_the_register_is_the_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plant", "pods", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["pods"]
    customers = customers_of(read_description())
    assert [one["pod"] for one in told] == [one.pod for one in customers]
    assert told[0] == {
        "pod": "IT002E00000000",
        "node": "LV-3-R11",
        "kind": "home",
        "phases": ["a", "b", "c"],
        "contract_w": 15_000,
        "metered": True,
    }
    assert main(["plant", "pods", str(CIGRE)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(customers)
    assert lines[1] == "IT002E00001000 LV-3-R11 home a 6000 W"


def test_the_schema_of_bench_files_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(schema(BenchFile)))
    assert "every_s" in told["properties"]["plant"]["properties"]


def test_the_key_is_made_once_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path)
    assert main(["plant", "key", "-c", file]) == 2
    assert "set plant.sensors.key" in capsys.readouterr().err
    with Path(file).open("a") as more:
        more.write('[plant.sensors]\nkey = "field.key"\nsender = "sensors-1"\n')
    told = []
    for _ in range(2):
        assert main(["plant", "key", "-c", file]) == 0
        told.append(capsys.readouterr().out)
    public = SigningKey.load(tmp_path / "field.key").public.encode().hex()
    assert told == [f"sensors-1 {public}\n"] * 2
    assert main(["plant", "key", "-c", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == public
    assert main(["plant", "key"]) == 2
    assert "no bench file is named" in capsys.readouterr().err


def test_the_past_is_written_as_a_bench_file_says(tmp_path: Path, capsys: Any) -> None:  # noqa: ANN401
    grown = written(tmp_path, '[plant]\nseed = 1\n[plant.growth]\npct = 35\nat = ["LV-6"]')
    files = [tmp_path / "history.csv", tmp_path / "weather.csv"]
    words = ["plant", "history", str(files[0]), "--weather", str(files[1]), "--days", "1"]
    assert main([*words, "--until", "2026-06-21T12:00+02:00", "-c", grown, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    lines = [len(file.read_text(encoding="utf-8").splitlines()) - 1 for file in files]
    assert [told["rows"], told["weather_rows"]] == lines
    assert lines[0] == 96 * len(customers_of(read_description(CIGRE)))


@pytest.mark.parametrize("until", ["2026-06-21T12:00", "noon"])
def test_the_end_of_the_past_is_an_instant(tmp_path: Path, bench: str, until: str) -> None:
    with pytest.raises(SystemExit):
        main(["plant", "history", str(tmp_path / "h.csv"), "--until", until, "-c", bench])
    assert not (tmp_path / "h.csv").exists()
