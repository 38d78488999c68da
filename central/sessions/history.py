"""What the platform forecasts from: certified quarters, and imported ones where there are none."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from central.dso.forecast.history import Customers, Floats, History, Origin
from central.dso.forecast.rows import CertifiedRows, HistoryBuilder
from central.dso.grid.model import Grid
from central.scd.inquiry import Inquiry, StatedQuarter
from central.scd.ports import Evidence
from central.sessions.imports import imported_rows
from ledger.facts.interval import Interval

log = logging.getLogger("central")

SOURCE = "Shared Customer Database"
_MOST_OF_CONTRACT = 10.0
_MOST_NAMED = 5


def gather_history(
    grid: Grid, evidence: Evidence, inquiry: Inquiry, imports: Path | None, interval: Interval
) -> History:
    """Return the past of every POD of a grid in an interval.

    What was imported and is beyond ten times the contract no meter has let through: another unit,
    or a slip. It counts as missing, and its POD is named in the log.

    Raises:
        Rejected: an imported file is wrong.
        StoreAway: the evidence cannot be read.
    """
    builder = HistoryBuilder(grid.pods, interval)
    for rows in imported_rows(imports, grid.pods, interval) if imports else ():
        builder.add_imported(rows)
    builder.add_certified(certified_rows(grid.pods, evidence, inquiry, interval))
    return _plausible(builder.build(), customers_of(grid).contract_w)


def _plausible(history: History, contract_w: Floats) -> History:
    """Return a history without the imported quarters that nobody can have drawn or given."""
    beyond = np.abs(history.power_w) > _MOST_OF_CONTRACT * contract_w[:, None]
    beyond &= history.origin == Origin.IMPORTED
    if not beyond.any():
        return history
    pods = [history.pods[row] for row in np.flatnonzero(beyond.any(axis=1))]
    log.warning("session.history_implausible", extra={
        "quarters": int(beyond.sum()), "pods": len(pods), "first_pods": pods[:_MOST_NAMED],
        "contracts": _MOST_OF_CONTRACT,
    })  # fmt: skip
    return replace(
        history,
        power_w=np.where(beyond, 0.0, history.power_w),
        origin=np.where(beyond, np.uint8(Origin.MISSING), history.origin),
    )


def certified_rows(
    pods: Sequence[str], evidence: Evidence, inquiry: Inquiry, interval: Interval
) -> CertifiedRows:
    """Return the metered quarters of some PODs, of every node that measures them."""
    wanted = set(pods)
    found: list[tuple[str, StatedQuarter]] = [
        (registered.pod, quarter)
        for registered in evidence.registrations()
        if registered.pod in wanted
        for quarter in inquiry.quarters(registered.node_index, interval)
    ]
    energies = [quarter.energy for _, quarter in found]
    return CertifiedRows(
        SOURCE,
        [pod for pod, _ in found],
        np.array([each.interval.start_ms for each in energies], dtype=np.int64),
        np.array([each.import_wh for each in energies], dtype=np.float64),
        np.array([each.export_wh for each in energies], dtype=np.float64),
        np.array([each.covered_s for each in energies], dtype=np.int64),
        [quarter.state.value for _, quarter in found],
    )


def customers_of(grid: Grid) -> Customers:
    """Return contract and group of each POD of a grid."""
    return Customers(
        np.array([each.contract_w for each in grid.connections], dtype=np.float64),
        tuple(each.profile for each in grid.connections),
    )
