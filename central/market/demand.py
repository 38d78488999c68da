"""What cells are to reach together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Direction
from central.market.book import Book
from central.market.cells import Cells
from central.market.limits import Booleans, Floats, Integers, Limits


@dataclass(frozen=True)
class Demand:
    """Needs, quarter by quarter, and what each cell does for them.

    Args:
        start_ms: the quarter-hour of each row, ascending, shape (rows).
        need_w: what is to be reached, below 0 where there is room, shape (rows).
        cap_ueur_per_mwh: what a watt of shortage costs; infinite where there may be none.
        effect: of a watt of each cell on each row, by quarter-hour, shape (its rows, its cells).
    """

    start_ms: Integers
    need_w: Floats
    cap_ueur_per_mwh: Floats
    effect: dict[int, Floats]

    @classmethod
    def of(cls, cells: Cells, parts: Sequence[tuple[Limits, Floats, Floats]]) -> "Demand":
        """Return the demand of limits, each with its own need and cap.

        Args:
            cells: what may be taken.
            parts: limits, what must be reached of each row [W], and its cap.
        """
        start_ms = np.concatenate([limits.start_ms for limits, *_ in parts])
        order = np.argsort(start_ms, kind="stable")
        effect: dict[int, Floats] = {}
        for ms in map(int, np.unique(cells.start_ms)):
            inside = cells.start_ms == ms
            effect[ms] = np.vstack([effects(limits, cells, ms, inside) for limits, *_ in parts])
        return cls(
            start_ms[order],
            np.concatenate([need_w for _, need_w, _ in parts])[order],
            np.concatenate([cap for *_, cap in parts])[order],
            effect,
        )


def effects(limits: Limits, cells: Cells, start_ms: int, inside: Booleans) -> Floats:
    """Return what a watt of some cells does for the rows of a quarter-hour.

    Args:
        limits: with their nodes; a cell at another node does nothing.
        cells: of the book.
        start_ms: the quarter-hour.
        inside: which cells, shape (cells).
    """
    rows = np.flatnonzero(limits.start_ms == start_ms)
    column = np.array([limits.nodes.get(name, -1) for name in cells.names], dtype=np.int64)
    at = column[cells.node[inside]]
    known = at >= 0
    found = np.zeros((len(rows), len(at)))
    place = np.ix_(rows, at[known])
    with_var = limits.up[place] + limits.up_var[place] * cells.tan_phi[inside][known]
    found[:, known] = with_var * cells.sign[inside][known]
    return found


def effects_of(limits: Limits, book: Book, offers: Iterable[int], rows: Integers) -> Floats:
    """Return what a watt of some offers does for some rows, shape (rows, offers)."""
    told = [book.offers[at] for at in offers]
    column = np.array([limits.nodes.get(book.nodes[each.pod.code], -1) for each in told])
    sign = np.array([1.0 if each.direction is Direction.UP else -1.0 for each in told])
    known = column >= 0
    found = np.zeros((len(rows), len(told)))
    tan_phi = np.array([book.tan_phi.get(each.pod.code, 0.0) for each in told])
    place = np.ix_(rows, column[known])
    with_var = limits.up[place] + limits.up_var[place] * tan_phi[known]
    found[:, known] = with_var * sign[known]
    return found
