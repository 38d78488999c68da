"""Levers and their effect, beside the tables multiplied out."""

import numpy as np
import pytest
from scipy import sparse

from central.dso.grid.model import Floats
from central.dso.levers import Levers, Pull

NODES, COUNT, SITUATIONS, ROWS = 5, 12, 4, 6
DRAW = np.random.default_rng(1)
SHARE = DRAW.uniform(-1, 1, (SITUATIONS, COUNT)) * (DRAW.random((SITUATIONS, COUNT)) < 0.6)
LEVERS = Levers(
    NODES, DRAW.integers(0, NODES, COUNT), DRAW.normal(size=COUNT) + 1j * DRAW.normal(size=COUNT),
    sparse.csr_array(SHARE),
)  # fmt: skip
PULL = Pull(
    LEVERS, DRAW.integers(0, SITUATIONS, ROWS),
    DRAW.normal(size=(ROWS, NODES)) + 1j * DRAW.normal(size=(ROWS, NODES)),
)  # fmt: skip
X = DRAW.uniform(0, 3, COUNT) * (DRAW.random(COUNT) < 0.5)


def multiplied_out() -> Floats:
    """Return what each lever does to each row."""
    found = np.zeros((ROWS, COUNT))
    for row, situation in enumerate(PULL.situation):
        for lever, node in enumerate(LEVERS.node):
            more_va = SHARE[situation, lever] * LEVERS.unit_va[lever]
            slope = PULL.slope[row, node]
            found[row, lever] = slope.real * more_va.real + slope.imag * more_va.imag
    return found


def test_levers_change_their_own_nodes_by_their_share() -> None:
    expected = np.zeros((SITUATIONS, NODES), dtype=complex)
    for lever, node in enumerate(LEVERS.node):
        expected[:, node] += SHARE[:, lever] * LEVERS.unit_va[lever] * X[lever]
    assert LEVERS.changed_va(X) == pytest.approx(expected)
    some = np.array([3, 1])
    assert LEVERS.changed_va(X, some) == pytest.approx(expected[some])
    assert not LEVERS.changed_va(np.zeros(COUNT)).any()


def test_a_lever_touches_the_situations_in_which_it_does_something() -> None:
    some = np.array([7, 2, 5])
    assert LEVERS.touched(some).tolist() == (SHARE[:, some] != 0).any(axis=1).tolist()
    assert not LEVERS.touched(np.zeros(0, dtype=np.int64)).any()


def test_some_levers_in_some_situations_are_as_they_were() -> None:
    part = LEVERS.part(slice(1, 3), np.array([7, 2]))
    x = np.zeros(COUNT)
    x[[7, 2]] = [2.0, 5.0]
    assert part.changed_va(np.array([2.0, 5.0])) == pytest.approx(LEVERS.changed_va(x)[1:3])


def test_the_table_of_some_rows_is_a_part_of_the_whole() -> None:
    rows = np.array([4, 0, 5])
    assert PULL.matrix(rows).toarray() == pytest.approx(multiplied_out()[rows])
    row, lever, effect = PULL.entries(rows)
    assert effect == pytest.approx(multiplied_out()[rows][row, lever])
    assert (np.diff(row) >= 0).all()


def test_steps_are_multiplied_without_the_table() -> None:
    assert PULL.moved(X) == pytest.approx(multiplied_out() @ X)
