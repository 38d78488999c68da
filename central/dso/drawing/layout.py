"""Where each node stands in a picture: sources at the left, feeders as trees to the right.

```
 hops      0       1       2       3
           HV ──── MV-1 ── MV-2 ── LV-2-R1
                        └─ MV-3
```
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from central.dso.grid.model import Booleans, Floats, Grid


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of nodes: columns from the source, rows from the top; shape (nodes).

    Nodes that nothing feeds stand in a row of their own at the bottom.
    """

    column: Floats
    row: Floats

    @property
    def columns(self) -> float:
        """Return the last column."""
        return float(self.column.max(initial=0.0))

    @property
    def rows(self) -> float:
        """Return the last row."""
        return float(self.row.max(initial=0.0))


def laid_out(grid: Grid, closed: Booleans | None = None) -> Layout:
    """Return the places for a state of the switches; rings are opened where they close last."""
    parent = _parents(grid, grid.closed if closed is None else closed)
    children = _children(parent)
    column, row = np.full(len(parent), np.nan), np.full(len(parent), np.nan)
    free = 0.0
    for source in grid.source_nodes:
        free = _place(int(source), children, column, row, free)
    unfed = np.flatnonzero(np.isnan(column[: len(grid.nodes)]))
    column[unfed], row[unfed] = np.arange(len(unfed)), free + 1
    return Layout(column[: len(grid.nodes)], row[: len(grid.nodes)])


def _parents(grid: Grid, closed: Booleans) -> list[int]:
    """Return each node's parent; -1 for sources and for what nothing feeds."""
    root, sources = len(grid.nodes), grid.source_nodes
    start = np.concatenate([grid.branch_from[closed], np.full(len(sources), root)])
    end = np.concatenate([grid.branch_to[closed], sources])
    links = sparse.coo_array((np.ones(len(start)), (start, end)), shape=(root + 1, root + 1))
    _, before = breadth_first_order(links.tocsr(), root, directed=False)
    return [int(node) if 0 <= node < root else -1 for node in before[:root]]


def _children(parent: list[int]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parent]
    for node, above in enumerate(parent):
        if above >= 0:
            children[above].append(node)
    return children


def _place(
    source: int, children: list[list[int]], column: Floats, row: Floats, free: float
) -> float:
    """Place what hangs on a source, the deepest branch straight on; return the next free row."""
    order = [source]
    column[source] = 0
    for node in order:
        for child in children[node]:
            column[child] = column[node] + 1
            order.append(child)
    depth = np.zeros(len(children))
    for node in reversed(order):
        depth[node] = 1 + max((depth[child] for child in children[node]), default=0.0)
    stack = [source]
    while stack:
        node = stack.pop()
        if np.isnan(row[node]):
            row[node] = free
        first, *others = sorted(children[node], key=lambda child: -depth[child]) or [-1]
        if first < 0:
            free += 1
            continue
        stack += sorted(others, key=lambda child: -depth[child])
        row[first] = row[node]
        stack.append(first)
    return free
