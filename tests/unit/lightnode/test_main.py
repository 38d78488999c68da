"""The command line: data on stdout, one clear line on stderr, the right exit status."""

import json
from pathlib import Path

import pytest

from lightnode.__main__ import main
from tests.fakes.lightnode_process import enrolled, write_config
from tests.servers import free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, meter=f"tcp://127.0.0.1:{free_port()}", broker_port=free_port())


def test_enrolment_from_the_command_line(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enroll", "-c", str(config), "--pod", "IT002E00000009", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "certiflex/lightnode-enrolment/v1"
    assert Path(told["request"]).read_bytes()
    grant = tmp_path / "grant.toml"
    grant.write_text(enrolled(tmp_path / "other").grant())
    assert main(["enroll", "-c", str(config), "--grant", str(grant)]) == 0
    assert "node_index" in capsys.readouterr().out
    assert main(["run", "-c", str(config), "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["enroll"], 2, "expected --pod POD, to ask for a place, or --grant FILE"),
        (["enroll", "--pod", "IT1"], 2, "--pod: not a POD: 'IT1'"),
        (["run"], 2, "this node has no key yet; type: certiflex lightnode enroll"),
        (["meter", "read", "--timeout", "0.3"], 5, "cannot be reached (Connection refused)"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    status: int,
    told: str,
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*arguments, "-c", str(config)]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) == 1


def test_without_a_configuration_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert "name it with -c FILE" in capsys.readouterr().err


def test_check_looks_at_everything_and_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "-c", str(config), "--timeout", "0.3", "--json"]) == 1
    checks = {each["what"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    assert set(checks) == {"keys and grant", "outbox", "meter", "broker", "clock"}
    assert [what for what, each in checks.items() if each["ok"]] == ["outbox", "clock"]
    assert "type: certiflex lightnode enroll" in checks["keys and grant"]["detail"]


def test_profiles_and_settings_are_listed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "list"]) == 0
    assert "eastron-sdm630" in capsys.readouterr().out
    assert main(["meter", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profiles"][0]["id"] == "eastron-sdm120"
    assert main(["config", "show", "-c", str(config), "--origin"]) == 0
    assert f"meter.profile = eastron-sdm630    # {config}" in capsys.readouterr().out
    assert main(["config", "show", "-c", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["broker.protocol"]["value"] == "5"
    assert main(["meter", "schema"]) == 0
    assert "golden" in json.loads(capsys.readouterr().out)["required"]
    assert main(["config", "schema"]) == 0
    assert "meter" in json.loads(capsys.readouterr().out)["properties"]
