"""`certiflex central grid`: import, check, show and export grids."""

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from central.dso.grid.checking import Fault, faults
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import GridTable, read_grid, write_grid, write_network
from central.dso.grid.importing.conversion import RefusedImport
from central.dso.grid.importing.origin import MADE_UP_PODS, imported
from central.dso.grid.importing.report import ImportReport
from central.dso.grid.listing import (
    LISTS,
    Row,
    branch_detail,
    node_detail,
    pod_detail,
    summary,
)
from central.dso.grid.model import Grid
from ledger.command import Exit, show, subcommand
from ledger.configuration import schema
from ledger.errors import Rejected

_SUFFIX = ".grid.json"
_FORMATS = ("pgm-json", "pgm-msgpack", "csv")


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `grid` with its verbs to a program."""
    grid = verbs.add_parser("grid", help="the grid that is reckoned with")
    own = grid.add_subparsers(metavar="VERB")
    bring = subcommand(own, "import", "bring a grid from elsewhere, and tell every loss", _import)
    told = "pandapower's JSON, simbench:CODE, or CGMES (XML, ZIP or folder)"
    bring.add_argument("source", metavar="SOURCE", help=told)
    told = f"grid file to write, NAME{_SUFFIX}"
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
    made.add_argument("file", type=Path, nargs="?", metavar="FILE", help=f"NAME{_SUFFIX}")
    made.add_argument("--demo", action="store_true", help="the grid that the package ships")
    return made


def _grid(arguments: argparse.Namespace) -> Grid:
    if arguments.demo == (arguments.file is not None):
        raise Rejected("name one grid: a FILE or --demo", where="grid", reason="bad_arguments")
    return demo_grid() if arguments.demo else read_grid(arguments.file)


def _import(arguments: argparse.Namespace) -> int:
    target: Path = arguments.to
    if not target.name.endswith(_SUFFIX):
        raise Rejected(f"{target.name} must end in {_SUFFIX}", where="--to", reason="bad_arguments")
    if target.exists():
        remedy = "name another, or take it away first"
        raise Rejected("is there already", where=str(target), remedy=remedy, reason="exists")
    try:
        brought = imported(arguments.source, pod_prefix=arguments.pods)
    except RefusedImport as refused:
        _tell_import(arguments, refused.report, [], {}, written="")
        return Exit.FALSE
    found = faults(brought.grid)
    if not arguments.dry_run:
        write_grid(brought.grid, target, msgpack=arguments.msgpack)
    written = "" if arguments.dry_run else str(target)
    _tell_import(arguments, brought.report, found, brought.origin, written=written)
    return Exit.FALSE if found else Exit.OK


def _tell_import(
    arguments: argparse.Namespace, report: ImportReport, found: list[Fault],
    origin: Mapping[str, str], *, written: str,
) -> None:  # fmt: skip
    if arguments.json:
        losses = [
            {"effect": each.effect, "table": each.table, "elements": each.elements,
             "what": each.what}
            for each in report.losses
        ]  # fmt: skip
        show({"file": written, "losses": losses, "faults": [*map(_told, found)],
              "pods": dict(origin)}, "grid-import")  # fmt: skip
        return
    for line in [*report.losses, *(f"fault: {each}" for each in found)]:
        print(line)
    print(f"written: {written}" if written else "nothing was written")


def _check(arguments: argparse.Namespace) -> int:
    found = faults(_grid(arguments))
    if arguments.json:
        show({"faults": [*map(_told, found)]}, "grid-check")
    else:
        for fault in found:
            print(fault)
        print(f"{len(found)} faults" if found else "no faults")
    return Exit.FALSE if found else Exit.OK


def _told(fault: Fault) -> Row:
    return {
        "reason": fault.reason,
        "where": fault.where,
        "what": fault.what,
        "remedy": fault.remedy,
    }


def _show(arguments: argparse.Namespace) -> int:
    grid = _grid(arguments)
    if arguments.listed:
        rows = LISTS[arguments.listed](grid)
        if arguments.json:
            show({arguments.listed: rows}, f"grid-{arguments.listed}")
        else:
            _print_rows(rows)
        return Exit.OK
    name, value = _shown(arguments, grid)
    if arguments.json:
        show(value, name)
    else:
        _print_tree(value)
    return Exit.OK


def _shown(arguments: argparse.Namespace, grid: Grid) -> tuple[str, Row]:
    if arguments.node:
        return "grid-node", node_detail(grid, arguments.node)
    if arguments.branch:
        return "grid-branch", branch_detail(grid, arguments.branch)
    if arguments.pod:
        return "grid-pod", pod_detail(grid, arguments.pod)
    return "grid-summary", summary(grid)


def _export(arguments: argparse.Namespace) -> int:
    grid, target = _grid(arguments), arguments.to
    if arguments.dry_run:
        return Exit.OK
    if arguments.form == "csv":
        written = [_write_csv(target / f"{name}.csv", of(grid)) for name, of in LISTS.items()]
    else:
        write_network(grid, target, msgpack=arguments.form == "pgm-msgpack")
        written = [target]
    if arguments.json:
        show({"files": [*map(str, written)]}, "grid-export")
    for path in [] if arguments.json else written:
        print(path)
    return Exit.OK


def _write_csv(path: Path, rows: list[Row]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        what = error.strerror or "cannot be written"
        raise Rejected(what, where=str(path), reason="cannot_write") from error
    return path


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(GridTable), indent=2))
    return Exit.OK


# ── for people ──────────────────────────────────────────────────────────────────────────────


def _print_rows(rows: Iterable[Row]) -> None:
    """Print a table, every column as wide as its widest value."""
    told = [[_cell(value) for value in row.values()] for row in rows]
    head = [[*row] for row in list(rows)[:1]]
    widths = [max(map(len, column)) for column in zip(*head, *told, strict=True)]
    for line in [*head, *told]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _print_tree(value: Mapping[str, Any], indent: str = "") -> None:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            print(f"{indent}{key}")
            _print_tree(inner, indent + "  ")
        elif isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
            print(f"{indent}{key}")
            for row in inner:
                print(f"{indent}  " + "  ".join(_cell(cell) for cell in row.values()))
        else:
            told = ", ".join(inner) if isinstance(inner, list) else _cell(inner)
            print(f"{indent}{key}  {told or '-'}")


def _cell(value: object) -> str:
    match value:
        case None | {}:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
