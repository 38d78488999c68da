"""`certiflex central log`: a key is made once, and what was sealed last is told."""

import json
import tomllib
from pathlib import Path

import pytest

from central.__main__ import main
from central.config import CentralConfig
from central.scd.documents_entries import SealReason
from central.service import opened
from ledger.configuration import load
from ledger.signing import SigningKey

ORIGIN = "certiflex.test/market"
Told = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a configuration with a market log, whose database is there."""
    assert main(["log", "key", "--origin", ORIGIN, "--file", str(tmp_path / "log.key")]) == 0
    gateway_key = SigningKey.generate("EdDSA").public.encode().hex()
    path = tmp_path / "central.toml"
    path.write_text(
        f'origin = "certiflex.test/rome"\nlog_key = "{gateway_key}"\n'
        '[store]\nevidence = "evidence.db"\nseries = "series"\n'
        f'[market_log]\norigin = "{ORIGIN}"\nkey_file = "log.key"\n'
    )
    assert main(["scd", "init", "-c", str(path)]) == 0
    return path


def test_the_key_is_shown_as_the_configuration_wants_it(tmp_path: Path, capsys: Told) -> None:
    key_file = tmp_path / "log.key"
    asked = ["log", "key", "--origin", ORIGIN, "--file", str(key_file)]
    assert main(asked) == 0
    first = capsys.readouterr().out
    assert main(asked) == 0
    assert capsys.readouterr().out == first
    assert tomllib.loads(first)["market_log"] == {"origin": ORIGIN, "key_file": str(key_file)}
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["log_key"] == SigningKey.load(key_file).public.encode().hex()
    assert told["log_key"] in first


def test_a_key_that_signs_no_checkpoints_is_refused(tmp_path: Path, capsys: Told) -> None:
    SigningKey.generate("ES256").save(tmp_path / "party.key")
    asked = ["log", "key", "--origin", ORIGIN, "--file", str(tmp_path / "party.key")]
    assert main(asked) == 2
    assert "signed with Ed25519" in capsys.readouterr().err
    assert main(["log", "key", "--origin", ORIGIN, "--file", "none", "--dry-run"]) == 0


def test_what_was_sealed_last_is_told(file: Path, capsys: Told) -> None:
    capsys.readouterr()
    assert main(["log", "status", "-c", str(file)]) == 0
    assert capsys.readouterr().out == "nothing is sealed yet\n"
    with opened(load(CentralConfig, file, program="central").value) as central:
        seal = central.market_log().seal(SealReason.GATE_CLOSURE, "day-ahead x")
    assert main(["log", "status", "-c", str(file)]) == 0
    assert capsys.readouterr().out == f"{seal.note}\ngate_closure of day-ahead x; 0 of 0 anchored\n"
    assert main(["log", "status", "-c", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["seal"]["root"], told["anchored_size"]) == (seal.root.hex(), 0)


def test_without_a_ledger_nothing_is_anchored_and_that_is_told(file: Path, capsys: Told) -> None:
    assert main(["log", "anchor", "-c", str(file)]) == 2
    assert "kept, and not anchored" in capsys.readouterr().err


def test_without_a_market_log_nothing_is_certified(file: Path, capsys: Told) -> None:
    file.write_text(file.read_text().split("[market_log]")[0])
    assert main(["log", "status", "-c", str(file)]) == 2
    assert "certiflex central log key" in capsys.readouterr().err
