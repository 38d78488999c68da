"""The command line of the bench."""

import json
from pathlib import Path

import pytest

from hil.__main__ import main
from tests.servers import free_port

METER = """
[[meter]]
name = "one"
model = "sdm630"
seed = 1
serial_number = 21000001
tcp = "127.0.0.1:15001"
"""


def written(tmp_path: Path, control: str = "") -> str:
    path = tmp_path / "bench.toml"
    path.write_text(f'[bench]\ninstalled_on = "2026-01-01"\n{control}\n{METER}')
    return str(path)


def test_a_dry_run_tells_the_meters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", written(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out == "one sdm630 21000001 unit 1 tcp 127.0.0.1:15001\n"


def test_json_is_versioned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "-c", written(tmp_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "certiflex/hil-meter/v1",
        "name": "one",
        "model": "sdm630",
        "unit": 1,
        "serial_number": 21_000_001,
        "address": "tcp 127.0.0.1:15001",
    }


def test_no_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    assert "no bench file is named; name it with -c FILE" in capsys.readouterr().err


def test_a_wrong_file_is_told_in_lines_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(METER.replace("seed", "sed") + "speed = 1\n")
    assert main(["serve", str(path)]) == 2
    told = capsys.readouterr().err
    assert "did you mean seed?" in told
    assert "speed: unknown key" in told
    assert "Traceback" not in told


def test_a_bench_without_control_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "-c", written(tmp_path)]) == 2
    assert "the bench has no control port; add control" in capsys.readouterr().err


def test_a_bench_that_does_not_run_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, f'control = "127.0.0.1:{free_port()}"')
    assert main(["fault", "one", "silence", "--for", "20s", "-c", file]) == 5
    assert "no bench answers" in capsys.readouterr().err
    assert main(["clear", "-c", file, "--dry-run"]) == 0


@pytest.mark.parametrize("wrong", ["20", "s", "-5s", "1d"])
def test_times_have_a_unit(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["fault", "one", "silence", f"--for={wrong}"])
    assert left.value.code == 2
    assert "expected a time as 1500ms, 20s or 5m" in capsys.readouterr().err


def test_without_a_verb_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "serve" in capsys.readouterr().err
