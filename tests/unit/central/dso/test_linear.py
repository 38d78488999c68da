"""Few rows, many columns: the answer beside that of the whole programme at once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from central.dso.grid.model import Floats
from central.dso.levers import Levers, Pull
from central.dso.linear import Programme, optima, promising
from ledger.errors import InvariantBroken


def drawn(seed: int, *, rows: int = 5, columns: int = 60, tight: float = 0.3) -> Programme:
    """Return a programme whose rows are short of a share of what all columns could do."""
    draw = np.random.default_rng(seed)
    slope = -draw.uniform(0.1, 1.0, (rows, 8)) * 1e-8
    node = draw.integers(0, 8, columns)
    unit_va = draw.choice([-1.0, 1.0], columns, p=[0.2, 0.8]).astype(complex)
    once = Levers(8, node, unit_va, sparse.csr_array(np.ones((1, columns))))
    levers_pull = Pull(once, np.zeros(rows, dtype=np.int64), slope.astype(complex))
    high = draw.uniform(1e3, 5e3, columns)
    pull = table(levers_pull)
    could = np.maximum(-pull, 0) @ high
    size = np.abs(pull).max(axis=1)
    return Programme(
        cost=draw.uniform(0.5, 1.5, columns),
        short=could * draw.uniform(0, tight, rows),
        pull=levers_pull,
        size=size,
        price=1e4 * 1.5 / size,
        low=np.zeros(columns),
        high=high,
        rest=np.zeros(columns),
        likely=np.zeros(columns, dtype=bool),
        binding=np.zeros(rows, dtype=bool),
    )


def table(pull: Pull) -> Floats:
    """Return what every lever does to every row."""
    found: Floats = pull.matrix(np.arange(len(pull.situation))).toarray()
    return found


def at_once(programme: Programme) -> float:
    """Return the least cost by the solver over all columns."""
    pull = table(programme.pull) / programme.size[:, None]
    count = len(programme.short)
    found = linprog(
        np.concatenate([programme.cost, programme.price * programme.size]),
        A_ub=np.hstack([pull, -np.eye(count)]),
        b_ub=-programme.short / programme.size + pull @ programme.rest,
        bounds=[*zip(programme.low, programme.high, strict=True), *[(0, None)] * count],
    )
    return float(found.fun)


def total(programme: Programme, x: np.ndarray, slack: np.ndarray) -> float:
    return float(programme.cost @ x + programme.price @ slack)


@pytest.mark.parametrize("seed", range(20))
def test_columns_that_join_one_by_one_end_at_the_optimum_over_all(seed: int) -> None:
    programme = drawn(seed)
    (best,) = optima([programme])
    pull = table(programme.pull)
    assert total(programme, best.x, best.slack) == pytest.approx(at_once(programme), rel=1e-9)
    assert (programme.short + pull @ best.x - best.slack <= 1e-9 * programme.short.max()).all()
    assert ((best.x >= 0) & (best.x <= programme.high * (1 + 1e-12))).all()


def test_a_start_elsewhere_ends_at_the_same_cost() -> None:
    programme = drawn(3)
    (best,) = optima([programme])
    pull = table(programme.pull)
    rest = programme.high / 2
    moved = replace(programme, short=programme.short + pull @ rest, rest=rest)
    (other,) = optima([moved])
    expected = total(programme, best.x, best.slack)
    assert total(moved, other.x, other.slack) == pytest.approx(expected, rel=1e-9)


def test_programmes_side_by_side_are_those_alone() -> None:
    programmes = [drawn(seed, rows=2 + seed, columns=20 + seed) for seed in range(5)]
    together = optima(programmes)
    for programme, best in zip(programmes, together, strict=True):
        (alone,) = optima([programme])
        cost = total(programme, alone.x, alone.slack)
        assert total(programme, best.x, best.slack) == pytest.approx(cost, rel=1e-9)


def test_what_cannot_be_cured_is_slack_and_everything_useful_is_used() -> None:
    programme = drawn(1, tight=5.0, rows=1)
    (best,) = optima([programme])
    pull = table(programme.pull)[0]
    assert best.slack[0] > 0
    assert best.x[pull < 0] == pytest.approx(programme.high[pull < 0])
    assert not best.x[pull > 0].any()


def test_the_dual_is_what_a_row_is_worth() -> None:
    programme = drawn(7, rows=3)
    (best,) = optima([programme])
    row = int(np.argmax(best.dual))
    assert best.dual[row] > 0
    less = programme.short.copy()
    less[row] *= 1 - 1e-6
    (eased,) = optima([replace(programme, short=less)])
    saved = programme.cost @ (best.x - eased.x)
    assert saved == pytest.approx(best.dual[row] * programme.short[row] * 1e-6, rel=1e-3)


def test_without_rows_nothing_is_used() -> None:
    programme = drawn(1)
    no_rows = Pull(programme.pull.levers, np.zeros(0, dtype=np.int64), programme.pull.slope[:0])
    none = replace(
        programme, short=np.zeros(0), pull=no_rows, size=np.zeros(0), price=np.zeros(0),
        rest=programme.high, binding=np.zeros(0, dtype=bool),
    )  # fmt: skip
    (best,) = optima([none])
    assert not best.x.any()


def test_promising_columns_cover_what_rows_need() -> None:
    programme = drawn(5)
    rows = np.arange(len(programme.short))
    pull = programme.pull.matrix(rows)
    chosen = promising(programme, rows, pull)
    useful = np.minimum(pull.toarray(), 0)[:, chosen]
    assert (programme.short + useful @ programme.high[chosen] <= 1e-15).all()
    assert 0 < chosen.sum() < len(chosen)


def test_numbers_that_are_none_are_our_own_fault() -> None:
    programme = drawn(1)
    programme.price[0] = -1e12  # unbounded
    with pytest.raises(InvariantBroken, match="linear programme: HiGHS does not solve"):
        optima([programme])
