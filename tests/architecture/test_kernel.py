"""The kernel is pure, and what runs beside a meter or checks a proof never loads the chain."""

import ast
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT, Module, modules, parsed

CHAIN = {"web3", "eth", "eth_account", "eth_utils", "py_ecc"}
HEAVY = {"fastapi", "sqlalchemy", "pyarrow", "duckdb", "amqtt"}


def foreign_imports(module: Module, *, own: str) -> list[str]:
    """Return what a module imports beyond the standard library and the package `own`."""
    names: list[str] = []
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=aliases):
                names += [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(origin)):
                names.append(origin)
    return [
        name
        for name in names
        if name.split(".")[0] not in sys.stdlib_module_names
        and name != own
        and not name.startswith(f"{own}.")
    ]


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    asked = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    told = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


def test_facts_need_the_standard_library_only() -> None:
    facts = [module for module in modules("ledger") if module.name.startswith("ledger.facts")]
    assert len(facts) >= 9, "the shared kernel was not found"
    found = {
        module.name: foreign
        for module in facts
        if (foreign := foreign_imports(module, own="ledger.facts"))
    }
    assert not found, f"ledger.facts is the standard library and itself: {found}"


def test_a_foreign_import_is_seen() -> None:
    wrong = parsed(
        "import json\nimport cbor2\nfrom ledger.codec import x\nfrom ledger.facts import y"
    )
    assert foreign_imports(wrong, own="ledger.facts") == ["cbor2", "ledger.codec"]


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        pytest.param("import ledger.facts.record", CHAIN | HEAVY | {"cbor2"}, id="facts"),
        pytest.param("import ledger.proving", CHAIN | HEAVY | {"requests"}, id="verifier"),
        pytest.param("import lightnode.__main__", CHAIN | HEAVY, id="lightnode"),
        pytest.param("import hil.__main__", CHAIN | HEAVY, id="hil"),
        pytest.param("import ledger.__main__", CHAIN | HEAVY, id="ledger-command"),
    ],
)
def test_the_chain_stays_out(statement: str, refused: set[str]) -> None:
    found = loaded_by(statement) & refused
    assert not found, f"{statement} loads {sorted(found)}"


def test_a_loaded_chain_is_seen() -> None:
    assert loaded_by("import eth_utils") & CHAIN
