"""`certiflex central` as it is typed, and configurations beside one that is there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from central.__main__ import main

Told = pytest.CaptureFixture[str]


@contextmanager
def logs_as_before() -> Iterator[None]:
    """Take back how programs set up logging: their stderr is gone after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(capsys: Told, config: Path, *arguments: object) -> tuple[int, str, str]:
    """Type a command; return its status, and what it wrote to stdout and to stderr."""
    status = main([*map(str, arguments), "-c", str(config)])
    out, err = capsys.readouterr()
    return status, out, err


def with_scada(config: Path, url: str) -> Path:
    """Return a configuration beside another, with a SCADA in it."""
    file = config.with_name("with-scada.toml")
    file.write_text(f'{config.read_text(encoding="utf-8")}scada_url = "{url}"\n', encoding="utf-8")
    return file


def at_instant(config: Path, unix_ms: int) -> Path:
    """Return a configuration beside another whose clock all but stands at an instant."""
    file = config.with_name("in-the-evening.toml")
    clock = f"[clock]\norigin_ms = {unix_ms}\nrate = 0.000001\n"
    file.write_text(f"{config.read_text(encoding='utf-8')}{clock}", encoding="utf-8")
    return file
