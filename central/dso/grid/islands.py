"""Which nodes hang together through closed branches, and which of them a source feeds."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from central.dso.grid.model import Booleans, Floats, Grid, Integers


def _links(grid: Grid, closed: Booleans | None) -> sparse.csr_array:
    live = grid.closed if closed is None else closed
    start, end = grid.branch_from[live], grid.branch_to[live]
    count = len(grid.nodes)
    return sparse.coo_array((np.ones(len(start)), (start, end)), shape=(count, count)).tocsr()


def island_of(grid: Grid, closed: Booleans | None = None) -> Integers:
    """Return the number of the island of each node; None is closed as in the file."""
    found = connected_components(_links(grid, closed), directed=False)
    numbers: Integers = found[1].astype(np.int64)
    return numbers


def hops(grid: Grid, closed: Booleans | None = None) -> Floats:
    """Return how many branches lie between each node and its nearest source; inf if none."""
    found: Floats = dijkstra(
        _links(grid, closed), directed=False, indices=grid.source_nodes, unweighted=True
    )
    nearest: Floats = found.min(axis=0)
    return nearest


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
