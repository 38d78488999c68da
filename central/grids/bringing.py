"""A grid brought from elsewhere, with every loss told."""

import argparse
from collections.abc import Mapping

from central.dso.grid.checking import Fault, faults
from central.dso.grid.file import write_grid
from central.dso.grid.importing.conversion import RefusedImport
from central.dso.grid.importing.origin import imported
from central.dso.grid.importing.report import ImportReport
from central.grids.looking import fault_row
from central.grids.verbs import SUFFIX
from ledger.command import Exit, show
from ledger.errors import Rejected


def bring(arguments: argparse.Namespace) -> int:
    """Import a grid, and tell every loss and every fault of it.

    Raises:
        Rejected: the source cannot be read, or the file to write is there already.
    """
    target = arguments.to
    if not target.name.endswith(SUFFIX):
        raise Rejected(f"{target.name} must end in {SUFFIX}", where="--to", reason="bad_arguments")
    if target.exists():
        remedy = "name another, or take it away first"
        raise Rejected("is there already", where=str(target), remedy=remedy, reason="exists")
    try:
        brought = imported(arguments.source, pod_prefix=arguments.pods)
    except RefusedImport as refused:
        _tell(arguments, refused.report, [], {}, written="")
        return Exit.FALSE
    found = faults(brought.grid)
    if not arguments.dry_run:
        write_grid(brought.grid, target, msgpack=arguments.msgpack)
    written = "" if arguments.dry_run else str(target)
    _tell(arguments, brought.report, found, brought.origin, written=written)
    return Exit.FALSE if found else Exit.OK


def _tell(
    arguments: argparse.Namespace, report: ImportReport, found: list[Fault],
    origin: Mapping[str, str], *, written: str,
) -> None:  # fmt: skip
    if arguments.json:
        losses = [
            {"effect": each.effect, "table": each.table, "elements": each.elements,
             "what": each.what}
            for each in report.losses
        ]  # fmt: skip
        show({"file": written, "losses": losses, "faults": [*map(fault_row, found)],
              "pods": dict(origin)}, "grid-import")  # fmt: skip
        return
    for line in [*report.losses, *(f"fault: {each}" for each in found)]:
        print(line)
    print(f"written: {written}" if written else "nothing was written")
