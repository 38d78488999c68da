"""The repository as its own tests read it: tracked files, modules, functions."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lightnode", "gateway", "ledger", "hil", "central")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the product or its tests, parsed."""

    path: Path
    source: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Return the dotted name."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return len(self.source.splitlines())

    def functions(self) -> Iterator[Function]:
        """Yield every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node


@cache
def files() -> tuple[Path, ...]:
    """Return every file of the repository that is, or could be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def texts(*suffixes: str) -> tuple[tuple[Path, str], ...]:
    """Return the files that are text, with what they say; of these suffixes only, if any."""
    found = []
    for path in files():
        if suffixes and path.suffix not in suffixes:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path, content.decode("utf-8")))
    return tuple(found)


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Return the modules below these top-level folders, parsed."""
    return tuple(
        Module(path, source, ast.parse(source))
        for path, source in texts(".py")
        if path.relative_to(ROOT).parts[0] in packages
    )


def parsed(source: str, path: str = "ledger/example.py") -> Module:
    """Return a module that stands in no file: what a rule must be seen to refuse."""
    return Module(ROOT / path, source, ast.parse(source))


def code_lines(function: Function) -> int:
    """Return how many lines a function spans, its docstring not counted."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return total
    first = function.body[0]
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)
