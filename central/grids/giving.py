"""A grid written for other programs."""

import argparse
import csv
from pathlib import Path

from central.dso.grid.file import cannot_write, write_network
from central.dso.grid.listing import LISTS, Row
from central.grids.looking import grid_asked
from ledger.command import Exit, show


def give(arguments: argparse.Namespace) -> int:
    """Write a grid as power-grid-model's input data, or as tables of its elements.

    Raises:
        Rejected: there is no such grid, or it cannot be written there.
    """
    grid, target = grid_asked(arguments), arguments.to
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
        raise cannot_write(path, error) from error
    return path
