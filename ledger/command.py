"""The manners that every program of `certiflex` shares: flags, exit statuses, told errors.

Data goes to stdout, everything else to stderr. No traceback is shown unless -vv asks for it.
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

from ledger import __version__, logs
from ledger.errors import CertiflexError, InvariantBroken, Refused, Rejected, Unavailable

PROGRAMS = {
    "lightnode": "read a meter, sign what it says, keep it safe, deliver it",
    "gateway": "verify what light nodes send, store it, anchor it on the ledger",
    "ledger": "verify, inspect and prove; run the embedded chain",
    "central": "the Shared Customer Database and its API",
    "hil": "simulated meters that are really there, and the demo",
}
_SHOW_TRACEBACK_FROM = 2

log = logging.getLogger("ledger")


class Exit(IntEnum):
    """What a program's exit status says."""

    OK = 0
    FALSE = 1
    USAGE = 2
    UNKNOWN = 3
    REFUSED = 4
    TRANSPORT = 5
    BROKEN = 70
    INTERRUPTED = 130


def release() -> str:
    """Return the version of certiflex that runs."""
    return __version__


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of one program, to which `subcommand` adds its verbs."""
    made = argparse.ArgumentParser(prog=f"certiflex {program}", description=description)
    made.add_argument("--version", action="version", version=f"certiflex {release()}")
    return made


def subcommand(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    purpose: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Return the parser of a verb with the common flags; `run` is kept in `namespace.run`."""
    made = subparsers.add_parser(name, help=purpose, description=purpose)
    made.add_argument("-c", "--config", type=Path, metavar="FILE", help="configuration (TOML)")
    made.add_argument("-v", "--verbose", action="count", default=0, help="tell more")
    made.add_argument("-q", "--quiet", action="count", default=0, help="tell less")
    made.add_argument("--json", action="store_true", help="machine-readable output")
    made.add_argument("--no-color", action="store_true", help="no colours on a terminal")
    made.add_argument("--dry-run", action="store_true", help="check everything, change nothing")
    made.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="longest wait for a peer"
    )
    made.set_defaults(run=run)
    return made


def day(text: str) -> date:
    """Return the day that an argument names.

    Raises:
        ArgumentTypeError: it is none, or so far away that the calendar ends before what is asked
            of it: the day after, the weeks before.
    """
    try:
        named = date.fromisoformat(text)
    except ValueError:
        what = f"{text!r} is no day; write it as 2026-10-25"
        raise argparse.ArgumentTypeError(what) from None
    if not _FIRST_DAY <= named <= _LAST_DAY:
        what = f"{text!r} is not within {_FIRST_DAY} … {_LAST_DAY}; write it as 2026-10-25"
        raise argparse.ArgumentTypeError(what)
    return named


_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


def run(made: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Run the verb that the arguments name, and return its exit status.

    An error of ours ends as one line on stderr; anything else is a fault of the program, told
    as such.
    """
    arguments = made.parse_args(argv)
    if not hasattr(arguments, "run"):
        made.print_help(sys.stderr)
        return Exit.USAGE
    verbosity = arguments.verbose - arguments.quiet
    logs.configure(verbosity, as_json=bool(os.environ.get("CERTIFLEX_LOG_JSON")))
    try:
        return int(arguments.run(arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be told there.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:  # noqa: BLE001 -- the last line of defence of every program
        return _told(error, show_traceback=verbosity >= _SHOW_TRACEBACK_FROM)


def show(value: dict[str, Any], schema: str) -> None:
    """Print one JSON document to stdout, with the name of its schema first."""
    print(json.dumps({"schema": f"certiflex/{schema}/v1", **value}, ensure_ascii=False))


def dispatch() -> NoReturn:
    """Run the installed command: `certiflex PROGRAM …`."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run `certiflex PROGRAM …` and return the exit status."""
    listing = "\n".join(f"  {name:<11}{purpose}" for name, purpose in PROGRAMS.items())
    made = argparse.ArgumentParser(
        prog="certiflex",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"programs:\n{listing}\n\ncertiflex PROGRAM --help tells more",
    )
    made.add_argument("--version", action="version", version=f"certiflex {release()}")
    made.add_argument("program", choices=PROGRAMS, metavar="PROGRAM")
    made.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…")
    chosen = made.parse_args(argv)
    try:
        program = importlib.import_module(f"{chosen.program}.__main__")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in PROGRAMS:
            raise
        print(
            f"certiflex {chosen.program}: this machine has no {error.name}; "
            f"type: pip install 'certiflex[{chosen.program}]'",
            file=sys.stderr,
        )
        return Exit.USAGE
    return int(program.main(chosen.arguments))


def _told(error: BaseException, *, show_traceback: bool) -> int:
    causes = [cause for cause in _leaves(error) if isinstance(cause, CertiflexError)]
    cause = min(causes, key=_status, default=error)
    if show_traceback:
        logging.getLogger("ledger").error("ledger.failed", exc_info=error)
    if isinstance(cause, CertiflexError):
        for line in str(cause).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return _status(cause)
    what = f"{type(cause).__name__}: {cause}".splitlines()[0]
    print(f"error: a fault of certiflex itself: {what}; -vv shows where", file=sys.stderr)
    return Exit.BROKEN


def _status(error: CertiflexError) -> int:
    match error:
        case Refused():
            return Exit.REFUSED
        case Rejected():
            return Exit.USAGE
        case Unavailable():
            return Exit.TRANSPORT
        case InvariantBroken():
            return Exit.BROKEN
        case _:
            return Exit.BROKEN


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
