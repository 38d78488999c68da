"""A grid shown, and its faults."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from central.dso.grid.checking import Fault, faults
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import read_grid
from central.dso.grid.listing import (
    LISTS,
    Row,
    branch_detail,
    node_detail,
    pod_detail,
    summary,
)
from central.dso.grid.model import Grid
from ledger import command
from ledger.command import Exit
from ledger.errors import Rejected


def grid_asked(arguments: argparse.Namespace) -> Grid:
    """Return the grid that a command line names.

    Raises:
        Rejected: it names none or two, or what is there is no grid.
    """
    if arguments.demo == (arguments.file is not None):
        raise Rejected("name one grid: a FILE or --demo", where="grid", reason="bad_arguments")
    return demo_grid() if arguments.demo else read_grid(arguments.file)


def check(arguments: argparse.Namespace) -> int:
    """Tell every fault of a grid.

    Raises:
        Rejected: as `grid_asked`.
    """
    found = faults(grid_asked(arguments))
    if arguments.json:
        command.show({"faults": [*map(fault_row, found)]}, "grid-check")
    else:
        for fault in found:
            print(fault)
        print(f"{len(found)} faults" if found else "no faults")
    return Exit.FALSE if found else Exit.OK


def fault_row(fault: Fault) -> Row:
    """Return a fault as JSON has it."""
    return {
        "reason": fault.reason,
        "where": fault.where,
        "what": fault.what,
        "remedy": fault.remedy,
    }


def show(arguments: argparse.Namespace) -> int:
    """Show a grid, one element of it, or all of one kind.

    Raises:
        Rejected: as `grid_asked`, or there is no such element.
    """
    grid = grid_asked(arguments)
    if arguments.listed:
        rows = LISTS[arguments.listed](grid)
        if arguments.json:
            command.show({arguments.listed: rows}, f"grid-{arguments.listed}")
        else:
            _print_rows(rows)
        return Exit.OK
    name, value = _shown(arguments, grid)
    if arguments.json:
        command.show(value, name)
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
