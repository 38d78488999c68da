"""Manners: exit statuses, one line for an error, no traceback, nothing but data on stdout."""

import argparse
import json
from collections.abc import Callable
from datetime import date

import pytest

from ledger import command
from ledger.command import Exit, main, parser, run, show, subcommand
from ledger.configuration import Misconfigured
from ledger.errors import InvariantBroken, Refused, Rejected, Unavailable


def ran(verb: Callable[[argparse.Namespace], int], *flags: str) -> int:
    made = parser("gateway", "A program.")
    verbs = made.add_subparsers()
    subcommand(verbs, "go", "do it", verb)
    return run(made, ["go", *flags])


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def verb(_: argparse.Namespace) -> int:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Rejected("x"), Exit.USAGE),
        (Misconfigured(["x"]), Exit.USAGE),
        (Refused("x"), Exit.REFUSED),
        (Unavailable("x"), Exit.TRANSPORT),
        (InvariantBroken("x"), Exit.BROKEN),
        (RuntimeError("x"), Exit.BROKEN),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (BaseExceptionGroup("g", [RuntimeError("y"), Unavailable("x")]), Exit.TRANSPORT),
    ],
)
def test_an_error_becomes_a_status(
    error: BaseException, status: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(error, BaseExceptionGroup):
        error = ExceptionGroup("g", [RuntimeError("y"), Unavailable("x")])
    assert ran(raising(error)) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert len(told.err.splitlines()) == (0 if status == Exit.INTERRUPTED else 1)


def test_the_traceback_is_there_for_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(raising(Rejected("bad", where="file", remedy="mend it")), "-vv") == Exit.USAGE
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "error: file: bad; mend it" in told


def test_each_fault_of_a_configuration_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    ran(raising(Misconfigured(["a: one", "b: two"])))
    assert capsys.readouterr().err.splitlines() == ["error: a: one", "error: b: two"]


def test_the_common_flags_are_there() -> None:
    seen: list[argparse.Namespace] = []

    def verb(arguments: argparse.Namespace) -> int:
        seen.append(arguments)
        return Exit.FALSE

    assert ran(verb, "--json", "--dry-run", "-q", "--timeout", "2.5", "-c", "x.toml") == Exit.FALSE
    given = seen[0]
    assert (given.json, given.dry_run, given.quiet, given.timeout) == (True, True, 1, 2.5)
    assert str(given.config) == "x.toml"


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parser("gateway", "A program."), []) == Exit.USAGE
    assert "A program." in capsys.readouterr().err


def test_a_document_names_its_schema_first(capsys: pytest.CaptureFixture[str]) -> None:
    show({"ok": True}, "check")
    out = capsys.readouterr().out
    assert json.loads(out) == {"schema": "certiflex/check/v1", "ok": True}
    assert out.startswith('{"schema"')


def test_an_unknown_program_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["nonsense"])
    assert left.value.code == Exit.USAGE
    assert "lightnode" in capsys.readouterr().err


def test_the_dispatcher_reaches_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["ledger", "--version"])
    assert left.value.code == 0
    assert command.release() in capsys.readouterr().out


def test_a_missing_extra_is_told_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'pymodbus'", name="pymodbus")

    monkeypatch.setattr("importlib.import_module", missing)
    assert main(["lightnode", "run"]) == Exit.USAGE
    assert "pip install 'certiflex[lightnode]'" in capsys.readouterr().err


def test_a_day_that_is_none_is_told_with_how_to_write_one() -> None:
    assert command.day("2026-10-25") == date(2026, 10, 25)
    with pytest.raises(argparse.ArgumentTypeError, match=r"'2026-13-40' is no day; write it as"):
        command.day("2026-13-40")


@pytest.mark.parametrize("text", ["0001-01-01", "1999-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not within 2000-01-01 … 2199-12-31"):
        command.day(text)
    assert command.day("2000-01-01") < command.day("2199-12-31")
