"""Compile the contracts, the same bytes on every machine, and write or compare what is shipped.

The compiler lives in an environment of its own: it wants an older cbor2 than the product.

    python -m ledger.contract.build --compiler .venv-contract/bin/vyper ledger/contract/anchor.vy
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.contract import SCHEMA
from ledger.errors import CertiflexError, Rejected

_COMPILER_RELEASE = "0.4.3"
_TIMEOUT_S = 120.0
_FORMATS = "abi,bytecode,bytecode_runtime"


def compiled(source: Path, compiler: Path) -> str:
    """Return the JSON text to ship for one contract.

    Raises:
        Rejected: there is no such compiler, it is of another release, or it refuses the source.
    """
    release = _run(compiler, "--version", directory=source.parent).strip()
    if release.split("+")[0] != _COMPILER_RELEASE:
        raise Rejected(
            f"is Vyper {release}, expected {_COMPILER_RELEASE}",
            where=str(compiler),
            remedy="type: make environment",
        )
    output = _run(compiler, "-f", _FORMATS, source.name, directory=source.parent)
    abi, bytecode, runtime = output.splitlines()
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "name": source.stem,
        "compiler": f"vyper {release}",
        "sources": _sources(source),
        "abi": json.loads(abi),
        "bytecode": bytecode.removeprefix("0x"),
        "runtime": runtime.removeprefix("0x"),
    }
    return json.dumps(told, indent=1) + "\n"


def _sources(source: Path) -> dict[str, str]:
    """Return the SHA-256 of a contract and of each module that it imports from beside it."""
    text = source.read_text("utf-8")
    named = [line.split()[1] for line in text.splitlines() if line.startswith("import ")]
    paths = [source, *(source.with_name(f"{module}.vy") for module in named)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _run(compiler: Path, *arguments: str, directory: Path) -> str:
    try:
        # The compiler reads modules from its working directory and tells paths in its output.
        done = subprocess.run(  # noqa: S603 -- the compiler that the caller names
            [compiler.absolute(), *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Rejected(
            f"the compiler cannot be run ({error})",
            where=str(compiler),
            remedy="type: make environment",
        ) from error
    if done.returncode:
        raise Rejected(done.stderr.strip().splitlines()[-1], where=str(directory))
    return done.stdout


def main(argv: Sequence[str]) -> int:
    """Write the JSON file beside each source, or tell with status 1 which one would change."""
    parser = argparse.ArgumentParser(prog="python -m ledger.contract.build")
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE.vy")
    parser.add_argument("--compiler", type=Path, default=Path(".venv-contract/bin/vyper"))
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args(argv)
    stale = 0
    for source in arguments.sources:
        target = source.with_suffix(".json")
        text = compiled(source, arguments.compiler)
        if target.is_file() and target.read_text("utf-8") == text:
            continue
        stale += 1
        if arguments.check:
            sys.stderr.write(f"{target}: is not what {source} compiles to\n")
        else:
            target.write_text(text, "utf-8")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CertiflexError as told:
        sys.stderr.write(f"{told}\n")
        sys.exit(2)
