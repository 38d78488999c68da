"""The verbs of `certiflex central grid`."""

import argparse
import json
from pathlib import Path

from central.dso.grid.importing import MADE_UP_PODS
from central.dso.grid.listing import LISTS
from ledger.command import Exit, subcommand

SUFFIX = ".grid.json"
_FORMATS = ("pgm-json", "pgm-msgpack", "csv")


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `grid` with its verbs to a program."""
    grid = verbs.add_parser("grid", help="the grid that is reckoned with")
    own = grid.add_subparsers(metavar="VERB")
    bring = subcommand(own, "import", "bring a grid from elsewhere, and tell every loss", _import)
    told = "pandapower's JSON, simbench:CODE, or CGMES (XML, ZIP or folder)"
    bring.add_argument("source", metavar="SOURCE", help=told)
    told = f"grid file to write, NAME{SUFFIX}"
    bring.add_argument("--to", type=Path, required=True, metavar="FILE", help=told)
    told = f"how made-up POD codes begin; {MADE_UP_PODS} if not given"
    bring.add_argument("--pods", default=MADE_UP_PODS, metavar="PREFIX", help=told)
    bring.add_argument("--msgpack", action="store_true", help="the network as msgpack, not JSON")

    _of_grid(subcommand(own, "check", "tell every fault of a grid", _check))
    seen = _of_grid(subcommand(own, "show", "show a grid, or one element of it", _show))
    one = seen.add_mutually_exclusive_group()
    one.add_argument("--node", metavar="NAME", help="one node and what hangs there")
    one.add_argument("--branch", metavar="NAME", help="one line, transformer or link")
    one.add_argument("--pod", metavar="CODE", help="one point of delivery")
    one.add_argument("--list", choices=LISTS, dest="listed", help="all elements of one kind")
    given = _of_grid(subcommand(own, "export", "write a grid for other programs", _export))
    told = "file to write; a folder for csv"
    given.add_argument("--to", type=Path, required=True, metavar="PATH", help=told)
    told = "power-grid-model's input data, or tables of elements"
    given.add_argument("--as", choices=_FORMATS, dest="form", default="pgm-json", help=told)
    subcommand(own, "schema", "print the JSON Schema of the grid file", _schema)


def _of_grid(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("file", type=Path, nargs="?", metavar="FILE", help=f"NAME{SUFFIX}")
    made.add_argument("--demo", action="store_true", help="the grid that the package ships")
    return made


def _import(arguments: argparse.Namespace) -> int:
    from central.grids.bringing import bring

    return bring(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from central.grids.looking import check

    return check(arguments)


def _show(arguments: argparse.Namespace) -> int:
    from central.grids.looking import show

    return show(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from central.grids.giving import give

    return give(arguments)


def _schema(_: argparse.Namespace) -> int:
    from central.dso.grid.file import GridTable
    from ledger.configuration import schema

    print(json.dumps(schema(GridTable), indent=2))
    return Exit.OK
