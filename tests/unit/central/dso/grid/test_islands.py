"""What hangs together, what is fed, and what is a ring."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.grid.islands import is_radial, island_of, islands, unfed_nodes
from central.dso.grid.model import Booleans, Grid
from tests.grids import feeder, station


def opened(grid: Grid, *names: str) -> Booleans:
    closed = grid.closed.copy()
    closed[[grid.branch(name) for name in names]] = False
    return closed


def test_a_grid_as_built_is_one_island_and_fed() -> None:
    grid = station()
    assert np.unique(island_of(grid)).tolist() == [0]
    assert [island.tolist() for island in islands(grid)] == [[0, 1, 2, 3, 4, 5]]
    assert unfed_nodes(grid).size == 0


def test_what_an_open_branch_cuts_off_is_not_fed() -> None:
    grid = station()
    closed = opened(grid, "TS")
    assert [island.tolist() for island in islands(grid, closed)] == [[0, 1, 2, 3], [4, 5]]
    assert unfed_nodes(grid, closed).tolist() == [4, 5]
    assert unfed_nodes(grid, opened(grid, "TS", "D-E", "TR")).tolist() == [1, 2, 3, 4, 5]


def test_a_second_source_feeds_its_own_island() -> None:
    grid = station()
    source = np.repeat(grid.network["source"], 2)
    source["id"], source["node"] = [60, 61], [10, 15]
    both = replace(grid, network={**grid.network, "source": source})
    assert unfed_nodes(both, opened(both, "TS")).size == 0
    assert unfed_nodes(both, opened(both, "TS", "A-B")).tolist() == [2, 3]


@pytest.mark.parametrize("name", ["B-C bis", "A-C", "A-C bis"])
def test_a_branch_more_makes_a_ring(name: str) -> None:
    grid = station()
    assert is_radial(grid)
    closed = grid.closed.copy()
    closed[grid.branch(name)] = True
    assert not is_radial(grid, closed)


def test_a_ring_opened_elsewhere_is_radial_again() -> None:
    grid = feeder(20, rings=1)
    ring, tree = len(grid.branches) - 2, grid.closed.copy()
    tree[ring] = True
    assert not is_radial(grid, tree)
    radial = 0
    for branch in range(ring):
        tree[branch] = False
        radial += is_radial(grid, tree) and unfed_nodes(grid, tree).size == 0
        tree[branch] = True
    assert radial >= 2, "any branch of the ring, but the one that closed it, may open it"


def test_a_forest_is_radial_though_part_of_it_is_dark() -> None:
    grid = station()
    assert is_radial(grid, opened(grid, "TS", "A-B"))
