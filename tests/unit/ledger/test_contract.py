"""What is shipped of the contract is what its sources compile to, on any machine."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import contract
from ledger.contract import build
from ledger.errors import InvariantBroken, Rejected
from ledger.keccak import keccak256
from ledger.receipts import ANCHORED_TOPIC

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "ledger/contract/anchor.vy"
SHIPPED = [SOURCE, ROOT / "tests/bench/naive.vy"]


@pytest.mark.parametrize("source", SHIPPED, ids=lambda path: path.stem)
def test_the_sources_compile_to_what_is_shipped(source: Path, vyper: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other place"
    elsewhere.mkdir()
    for module in source.parent.glob("*.vy"):
        (elsewhere / module.name).write_bytes(module.read_bytes())
    text = build.compiled(elsewhere / source.name, Path(vyper))
    assert text == source.with_suffix(".json").read_text("utf-8")


def test_the_sources_are_those_that_were_compiled() -> None:
    artifact = contract.anchor()
    assert artifact.compiler.startswith("vyper 0.4.3")
    assert set(artifact.sources) == {"anchor.vy", "evidence.vy"}
    for name, digest in artifact.sources.items():
        assert hashlib.sha256(SOURCE.with_name(name).read_bytes()).hexdigest() == digest


def test_the_event_is_the_one_that_verifiers_look_for() -> None:
    (event,) = [one for one in contract.anchor().abi if one.get("name") == "Anchored"]
    kinds = ",".join(field["type"] for field in event["inputs"])
    assert keccak256(f"Anchored({kinds})".encode()) == ANCHORED_TOPIC
    assert [field["indexed"] for field in event["inputs"]] == [True, True, False, False, False]


def test_the_contract_fits_onto_any_chain() -> None:
    assert len(contract.anchor().runtime) <= 24_576, "EIP-170"
    assert len(contract.anchor().bytecode) <= 49_152, "EIP-3860"


def test_a_log_is_named_by_its_origin() -> None:
    assert contract.log_id("certiflex.example/a") == hashlib.sha256(b"certiflex.example/a").digest()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "certiflex/contract/v1"}'])
def test_a_damaged_artifact_is_told(text: str) -> None:
    with pytest.raises(InvariantBroken):
        contract.read_artifact(text)


def test_an_artifact_of_another_form_is_told() -> None:
    told = json.loads(SOURCE.with_suffix(".json").read_text("utf-8"))
    with pytest.raises(InvariantBroken):
        contract.read_artifact(json.dumps(told | {"bytecode": "0xzz"}))


def test_the_build_writes_and_compares(vyper: str, tmp_path: Path) -> None:
    source = tmp_path / "small.vy"
    source.write_text("@external\ndef f() -> uint256:\n    return 1\n")
    arguments = [str(source), "--compiler", vyper]
    assert build.main([*arguments, "--check"]) == 1
    assert not source.with_suffix(".json").exists()
    assert build.main(arguments) == 0
    assert contract.read_artifact(source.with_suffix(".json").read_text()).name == "small"
    assert build.main([*arguments, "--check"]) == 0
    source.write_text("@external\ndef f() -> uint256:\n    return 2\n")
    assert build.main([*arguments, "--check"]) == 1


def test_a_compiler_that_is_missing_or_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be run"):
        build.compiled(SOURCE, tmp_path / "vyper")
    other = tmp_path / "vyper"
    other.write_text("#!/bin/sh\necho 0.3.10+commit.91361694\n")
    other.chmod(0o700)
    with pytest.raises(Rejected, match=r"0\.3\.10"):
        build.compiled(SOURCE, other)


def test_a_source_that_does_not_compile_is_told(vyper: str, tmp_path: Path) -> None:
    source = tmp_path / "broken.vy"
    source.write_text("def f(:\n")
    command = [sys.executable, "-m", "ledger.contract.build", str(source), "--compiler", vyper]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
