"""The verbs of `certiflex central market`."""

import argparse
from pathlib import Path

from ledger.command import day, subcommand


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `market` with its verbs to a program."""
    own = verbs.add_parser("market", help="the flexibility market").add_subparsers(metavar="VERB")
    run = subcommand(own, "run", "go through a session, or on with one that was left", _run)
    when = run.add_mutually_exclusive_group()
    told = "market day; the next one if not given"
    when.add_argument("--day", type=day, metavar="YYYY-MM-DD", help=told)
    when.add_argument("--hours", action="store_true", help="the next four hours instead")
    told = "let the gate be open from now on for an hour, whatever the day's hours"
    run.add_argument("--now", action="store_true", help=told)
    told = "stand at the gate until it closes, for those who hand in by the API"
    run.add_argument("--wait", action="store_true", help=told)
    run.set_defaults(quiet=1)
    told = "run each session as it falls due, until SIGTERM"
    subcommand(own, "serve", told, _serve)
    looked = subcommand(own, "show", "tell a session: its rows, awards and reasons", _show)
    looked.add_argument("session", nargs="?", help="its name; without, all sessions are listed")
    stop = subcommand(own, "stop", "let no further row of a session begin", _stop)
    stop.add_argument("session", help="its name")
    stop.add_argument("--why", required=True, help="what is noted")
    out = subcommand(own, "export", "write a session, each document with its proof", _export)
    out.add_argument("session", help="its name")
    out.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder")
    told = "write a trust file as well, on the operator's own word"
    out.add_argument("--trust-to", type=Path, metavar="FILE", help=told)
    check = subcommand(own, "verify", "recompute an export: same outcome, or not", _verify)
    check.add_argument("--trust", type=Path, required=True, metavar="FILE", help="trust file")
    check.add_argument("folder", type=Path, metavar="DIR", help="that it was exported to")


def _run(arguments: argparse.Namespace) -> int:
    from central.markets.running import run

    return run(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from central.markets.serving import serve

    return serve(arguments)


def _show(arguments: argparse.Namespace) -> int:
    from central.markets.looking import show

    return show(arguments)


def _stop(arguments: argparse.Namespace) -> int:
    from central.markets.looking import stop

    return stop(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from central.markets.checking import export

    return export(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from central.markets.checking import verify

    return verify(arguments)
