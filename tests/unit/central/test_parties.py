"""`certiflex central party`: a key is made once, and shown as the configuration wants it."""

import base64
import json
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from central.__main__ import main
from central.config import CentralConfig
from central.documents.encoding import to_json, verify
from central.documents.header import Document
from central.scd.documents import DocumentQuery
from central.service import opened
from ledger.configuration import load
from ledger.signing import SigningKey
from tests.documents import OFFER, REQUEST

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


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of an empty database in which the aggregator is played."""
    key = SigningKey.generate()
    key.save(tmp_path / "aggregator.key")
    file = tmp_path / "central.toml"
    file.write_text(
        f'origin = "o"\nlog_key = "{SigningKey.generate("EdDSA").public.encode().hex()}"\n'
        '[store]\nevidence = "e.db"\nseries = "s"\n'
        f'[[parties]]\nid = "{OFFER.sender}"\nkey = "{key.public.encode().hex()}"\n'
        'key_file = "aggregator.key"\n'
    )
    assert main(["scd", "init", "-c", str(file)]) == 0
    return file


def filed(config: Path, *documents: Document) -> int:
    file = config.with_name("documents.json")
    file.write_text(json.dumps([to_json(each) for each in documents]))
    return main(["party", "file", str(file), "-c", str(config), "--json"])


def test_documents_are_signed_by_their_sender_and_kept_once(config: Path, capsys: Told) -> None:
    capsys.readouterr()
    for outcome in ("stored", "duplicate"):
        assert filed(config, OFFER) == 0
        assert json.loads(capsys.readouterr().out)[outcome] == 1
    loaded = load(CentralConfig, config, program="central").value
    with opened(loaded) as central:
        (stored,) = central.documents.documents(DocumentQuery())
    verify(stored.signed, loaded.party_keys()[OFFER.sender])


def test_for_who_is_not_played_here_nothing_is_signed(config: Path, capsys: Told) -> None:
    assert filed(config, OFFER, REQUEST) == 2
    assert f"{REQUEST.sender} is not played here" in capsys.readouterr().err
    with opened(load(CentralConfig, config, program="central").value) as central:
        assert central.documents.documents(DocumentQuery()) == []


def test_another_content_under_the_same_name_is_told(config: Path, capsys: Told) -> None:
    assert filed(config, OFFER) == 0
    capsys.readouterr()
    assert filed(config, replace(OFFER, expires_ms=OFFER.expires_ms + 1)) == 1
    assert json.loads(capsys.readouterr().out)["conflict"] == 1


def test_who_is_outside_signs_without_anything_of_the_operators(
    tmp_path: Path, capsys: Told
) -> None:
    key, file = SigningKey.generate(), tmp_path / "documents.json"
    key.save(tmp_path / "own.key")
    file.write_text(json.dumps([to_json(OFFER), to_json(REQUEST)]))
    words = ["party", "sign", "--key", str(tmp_path / "own.key"), str(file)]
    assert main(words) == 0
    bodies = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["document"] for each in bodies] == [to_json(OFFER), to_json(REQUEST)]
    for each in bodies:
        verify(base64.b64decode(each["signed"]), key.public)
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out == ""
    file.write_text('{"ii": "I-05"}')
    assert main(words) == 2
