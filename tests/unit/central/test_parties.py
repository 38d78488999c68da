"""`certiflex central party`: a key is made once, and shown as the configuration wants it."""

import json
import stat
import tomllib
from pathlib import Path

import pytest

from central.__main__ import main
from ledger.signing import SigningKey

Told = pytest.CaptureFixture[str]


def test_a_key_is_made_once_and_shown_as_the_configuration_wants_it(
    tmp_path: Path, capsys: Told
) -> None:
    file = tmp_path / "market.key"
    assert main(["party", "key", "market", "--file", str(file)]) == 0
    first = capsys.readouterr().out
    assert main(["party", "key", "market", "--file", str(file)]) == 0
    assert capsys.readouterr().out == first
    (party,) = tomllib.loads(first)["parties"]
    assert party["id"] == "market"
    assert party["key"] == SigningKey.load(file).public.encode().hex()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_as_json_for_programs(tmp_path: Path, capsys: Told) -> None:
    file = tmp_path / "brp.key"
    assert main(["party", "key", "brp", "--file", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["id"]) == ("certiflex/party-key/v1", "brp")
    assert told["key"] == SigningKey.load(file).public.encode().hex()


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "brp.key"
    assert main(["party", "key", "brp", "--file", str(file), "--dry-run"]) == 0
    assert not file.exists()


def test_a_file_that_is_no_key_is_told(tmp_path: Path, capsys: Told) -> None:
    file = tmp_path / "brp.key"
    file.write_text("not a key")
    file.chmod(0o600)
    assert main(["party", "key", "brp", "--file", str(file)]) == 2
    assert "holds no private key" in capsys.readouterr().err
