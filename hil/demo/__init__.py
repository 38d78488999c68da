"""`certiflex hil demo`: the whole house on one machine, with faults on the way."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ledger import command


def main(argv: Sequence[str]) -> int:
    """Run the demo and return its exit status: 0 if everything held, 1 if not."""
    made = command.parser("hil", "The whole house on one machine, with faults on the way.")
    verbs = made.add_subparsers()
    demo = command.subcommand(verbs, "demo", "show the whole system at work", _demo)
    demo.add_argument("--keep", action="store_true", help="stay up at the end, until Ctrl-C")
    demo.add_argument("--directory", type=Path, default=Path("var/demo"), metavar="DIR")
    demo.add_argument("--nodes", type=int, default=20, metavar="N", help="houses, at least 6")
    demo.add_argument("--rate", type=float, default=10.0, help="times faster than the wall clock")
    return command.run(made, ["demo", *argv])


def _demo(arguments: argparse.Namespace) -> int:
    from hil.demo.performance import run

    return run(arguments)
