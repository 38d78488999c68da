"""Ridge regression of many at once: against the textbook, one after the other."""

import numpy as np
import pytest

from central.dso.forecast.ridge import Sums, solve

DICE = np.random.default_rng(7)
X = DICE.standard_normal((5, 80, 3)) * [1.0, 20.0, 0.1]
Y = DICE.standard_normal((5, 80, 2))
SIZE = np.sqrt((X**2).mean(axis=1))


def sums(factor: float = 1.0) -> Sums:
    own = X * factor
    return Sums(own.swapaxes(1, 2) @ own, own.swapaxes(1, 2) @ Y, np.full(5, 80.0))


def test_each_is_the_textbooks() -> None:
    found = solve(sums(), SIZE, 0.05)
    for one in range(5):
        scaled = X[one] / SIZE[one]
        stacked = np.vstack([scaled, np.sqrt(0.05 * 80) * np.eye(3)])
        target = np.vstack([Y[one], np.zeros((3, 2))])
        expected = np.linalg.lstsq(stacked, target, rcond=None)[0] / SIZE[one][:, None]
        assert np.allclose(found[one], expected)


@pytest.mark.parametrize("factor", [1e-3, 1e6])
def test_the_unit_does_not_matter(factor: float) -> None:
    assert np.allclose(solve(sums(factor), SIZE * factor, 0.05) * factor, solve(sums(), SIZE, 0.05))


def test_more_penalty_means_less() -> None:
    sizes = [np.abs(solve(sums(), SIZE, share)).sum() for share in (1e-6, 0.1, 10.0, 1e6)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-4


def test_nothing_counted_is_nothing_learnt() -> None:
    empty = Sums(np.zeros((2, 3, 3)), np.zeros((2, 3, 1)), np.zeros(2))
    assert not solve(empty, np.ones((2, 3)), 0.1).any()


def test_a_common_count_serves_all() -> None:
    alone = sums()
    common = Sums(alone.gram, alone.right, np.full(1, 80.0))
    assert np.array_equal(solve(common, SIZE, 0.1), solve(alone, SIZE, 0.1))
