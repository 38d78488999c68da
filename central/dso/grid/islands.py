"""Which nodes hang together through closed branches, and which of them a source feeds."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from central.dso.grid.model import Booleans, Grid, Integers


def island_of(grid: Grid, closed: Booleans | None = None) -> Integers:
    """Return the number of the island of each node; None is closed as in the file."""
    live = grid.closed if closed is None else closed
    start, end = grid.branch_from[live], grid.branch_to[live]
    count = len(grid.nodes)
    links = sparse.coo_array((np.ones(len(start)), (start, end)), shape=(count, count))
    numbers: Integers = connected_components(links.tocsr(), directed=False)[1].astype(np.int64)
    return numbers


def islands(grid: Grid, closed: Booleans | None = None) -> list[Integers]:
    """Return the nodes of each island."""
    numbers = island_of(grid, closed)
    return [np.flatnonzero(numbers == number) for number in range(int(numbers.max()) + 1)]


def unfed_nodes(grid: Grid, closed: Booleans | None = None) -> Integers:
    """Return the nodes that no source reaches."""
    numbers = island_of(grid, closed)
    fed = np.unique(numbers[grid.source_nodes])
    return np.flatnonzero(~np.isin(numbers, fed))


def is_radial(grid: Grid, closed: Booleans | None = None) -> bool:
    """Tell whether there is no ring: each island has one branch fewer than nodes."""
    live = grid.closed if closed is None else closed
    numbers = island_of(grid, closed)
    return int(live.sum()) == len(grid.nodes) - int(numbers.max()) - 1
