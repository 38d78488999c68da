"""The cheapest day of a stepped device, against every day there is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.dso.grid.model import Floats
from central.dso.remedies.stepping import Moves, cheapest_path

COSTS = st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=5).map(
    lambda rows: np.array(rows, dtype=float)
)


def cost_of(path: tuple[int, ...], cost_eur: Floats, moves: Moves, first: int) -> float:
    made = sum(abs(a - b) for a, b in itertools.pairwise((first, *path)))
    if made > moves.most:
        return float("inf")
    return float(sum(cost_eur[q, p] for q, p in enumerate(path))) + made * moves.cost_eur


@given(COSTS, st.integers(0, 2), st.integers(0, 5), st.sampled_from([0.0, 0.5, 4.0]))
def test_no_day_is_cheaper(cost_eur: Floats, first: int, most: int, move_eur: float) -> None:
    moves = Moves(move_eur, most)
    path = tuple(cheapest_path(cost_eur, moves, first=first).tolist())
    every = itertools.product(range(3), repeat=len(cost_eur))
    best = min(cost_of(one, cost_eur, moves, first) for one in every)
    assert cost_of(path, cost_eur, moves, first) == pytest.approx(best)


def test_without_moves_left_it_stays() -> None:
    cost_eur = np.array([[5.0, 0.0], [5.0, 0.0]])
    assert cheapest_path(cost_eur, Moves(0.0, 0), first=0).tolist() == [0, 0]
    assert cheapest_path(cost_eur, Moves(0.0, 1), first=0).tolist() == [1, 1]


def test_a_move_that_costs_more_than_it_brings_is_not_made() -> None:
    cost_eur = np.array([[1.0, 0.0]])
    assert cheapest_path(cost_eur, Moves(2.0, 5), first=0).tolist() == [0]


def test_where_the_device_cannot_be_it_is_not() -> None:
    cost_eur = np.array([[np.inf, 3.0], [0.0, np.inf]])
    assert cheapest_path(cost_eur, Moves(1.0, 5), first=0).tolist() == [1, 0]
