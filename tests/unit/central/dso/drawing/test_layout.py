"""Places of nodes: to the right of their parents, and no two on one another."""

import numpy as np
import pytest

from central.dso.drawing.layout import laid_out
from central.dso.grid.islands import hops
from tests.grids import feeder


@pytest.mark.parametrize("seed", range(8))
def test_each_node_has_a_place_of_its_own_as_far_right_as_it_is_away(seed: int) -> None:
    grid = feeder(40, seed=seed, rings=3)
    layout = laid_out(grid)
    places = set(zip(layout.column.tolist(), layout.row.tolist(), strict=True))
    assert len(places) == len(grid.nodes)
    assert layout.column.tolist() == hops(grid).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_used_up_and_a_straight_line_stays_in_one(seed: int) -> None:
    grid = feeder(30, seed=seed)
    layout = laid_out(grid)
    assert set(layout.row.tolist()) == set(map(float, range(int(layout.rows) + 1)))
    ends = np.bincount(np.concatenate([grid.branch_from, grid.branch_to]))
    leaves = int((ends == 1).sum()) - 1
    assert layout.rows + 1 == leaves


def test_what_nothing_feeds_stands_below_all_others() -> None:
    grid = feeder(12)
    closed = grid.closed.copy()
    closed[-1] = False
    layout = laid_out(grid, closed)
    assert not np.isnan(layout.column).any()
    assert (layout.row[1:] > layout.row[0]).all()


def test_a_ring_is_drawn_all_the_same() -> None:
    grid = feeder(12, rings=2)
    layout = laid_out(grid, np.ones(len(grid.branches), dtype=bool))
    assert not np.isnan(layout.row).any()
