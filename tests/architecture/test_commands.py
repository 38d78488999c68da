"""Help waits for no library: what a command works with is imported when it runs."""

import json
import subprocess
import sys

import pytest

from ledger.command import PROGRAMS
from tests.architecture.tree import ROOT

# Each costs a tenth of a second or more, and nothing is worked out for a help.
HEAVY = {
    "aiomqtt", "alembic", "amqtt", "duckdb", "eth", "eth_abi", "eth_account", "eth_utils",
    "fastapi", "highspy", "httpx", "numpy", "pandapower", "pandas", "power_grid_model", "pyarrow",
    "pydantic", "ray", "rich", "scipy", "simbench", "sqlalchemy", "starlette", "uvicorn", "web3",
}  # fmt: skip

# Asks each command of a program for its help, one after the other, and prints which libraries of
# those named were there afterwards that had not been there before.
ASKED = """
import argparse, contextlib, importlib, io, json, sys

program, heavy = json.loads(sys.argv[1])
seen, loaded, parse_args = [], {}, argparse.ArgumentParser.parse_args

def keep(parser, *_):
    seen.append(parser)
    raise SystemExit

def commands(parser, words):
    yield words
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from commands(inner, [*words, name])

def ask(words):
    before = set(sys.modules)
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        importlib.import_module(f"{program}.__main__").main(words)
    new = {name.split(".")[0] for name in set(sys.modules) - before}
    loaded[" ".join([program, *words])] = sorted(new & set(heavy))
    return told.getvalue()

argparse.ArgumentParser.parse_args = keep
ask([])
argparse.ArgumentParser.parse_args = parse_args
for words in commands(seen[0], []):
    assert ask([*words, "--help"]).startswith("usage: "), words
print(json.dumps(loaded))
"""


def loaded(program: str, heavy: set[str] = HEAVY) -> dict[str, list[str]]:
    """Return the libraries that each command of a program loads to tell its help."""
    said = json.dumps([program, sorted(heavy)])
    told = subprocess.run(
        [sys.executable, "-c", ASKED, said], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr[-1500:]
    found: dict[str, list[str]] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_no_library(program: str) -> None:
    found = loaded(program)
    assert len(found) >= {"lightnode": 10, "central": 45}.get(program, 15), "no commands were found"
    assert {words: names for words, names in found.items() if names} == {}


def test_a_library_that_is_loaded_is_seen() -> None:
    found = loaded("central", {"argparse", "cbor2", "http"})
    assert "central market run --help" in found
    assert loaded("gateway", {"cbor2"})["gateway"] == ["cbor2"]
