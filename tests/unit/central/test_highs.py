"""HiGHS solves what is asked, says what it cannot, and is quiet."""

import highspy
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from central.highs import Growing, Programme, optimum
from ledger.errors import InvariantBroken

WEIGHTS = np.array([10.0, 13.0, 7.0, 4.0])
VALUES = np.array([60.0, 74.0, 38.0, 21.0])


def knapsack(*, whole: bool) -> Programme:
    """Return the most valuable choice of four things of which 20 can be carried."""
    return Programme(
        cost=-VALUES,
        matrix=sparse.csc_array(WEIGHTS[None]),
        row_low=np.array([-np.inf]),
        row_high=np.array([20.0]),
        upper=np.ones(4),
        whole=np.ones(4, dtype=bool) if whole else None,
    )


def test_a_linear_programme_has_values_and_prices() -> None:
    found = optimum(knapsack(whole=False), where="here")
    other = linprog(-VALUES, A_ub=WEIGHTS[None], b_ub=[20.0], bounds=[(0, 1)] * 4)
    np.testing.assert_allclose(found.x, [1, 10 / 13, 0, 0])
    np.testing.assert_allclose(found.x, other.x)
    np.testing.assert_allclose(found.dual, other.ineqlin.marginals)


def test_whole_values_are_the_best_of_all_choices() -> None:
    found = optimum(knapsack(whole=True), where="here")
    choices = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    best = (VALUES @ choices)[WEIGHTS @ choices <= 20].max()
    assert VALUES @ found.x == pytest.approx(best)
    np.testing.assert_allclose(found.x, np.round(found.x), atol=1e-9)


@pytest.mark.parametrize("whole", [False, True])
def test_what_has_no_solution_is_told(*, whole: bool) -> None:
    asked = knapsack(whole=whole)
    too_much = Programme(
        asked.cost, asked.matrix, np.array([99.0]), np.array([np.inf]), asked.upper, asked.whole
    )
    with pytest.raises(InvariantBroken, match="Infeasible") as told:
        optimum(too_much, where="market clearing")
    assert told.value.where == "market clearing"


def test_what_presolve_has_lost_is_found_without_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As HiGHS 1.15 does with some books of whole offers whose watts and prices are far apart."""

    class Losing(highspy.Highs):
        def getModelStatus(self) -> highspy.HighsModelStatus:  # noqa: N802 -- the solver's name
            if self.getOptionValue("presolve")[1] == "off":
                return super().getModelStatus()
            return highspy.HighsModelStatus.kInfeasible

    monkeypatch.setattr(highspy, "Highs", Losing)
    found = optimum(knapsack(whole=True), where="here")
    assert VALUES @ found.x == pytest.approx(112.0)
    assert "solver.presolve_lost_all" in caplog.text


def test_a_programme_without_rows() -> None:
    free = Programme(
        np.array([1.0, -1.0]), sparse.csc_array((0, 2)), np.zeros(0), np.zeros(0), np.ones(2)
    )
    np.testing.assert_allclose(optimum(free, where="here").x, [0, 1])


def test_a_programme_that_grows_ends_as_the_whole_at_once() -> None:
    draw = np.random.default_rng(2)
    cost, high = draw.uniform(1, 2, 6), draw.uniform(1, 2, 6)
    table, limit = -draw.uniform(0.1, 1.0, (4, 6)), -draw.uniform(0.5, 1.0, 4)
    growing, rows, columns = Growing(where="here"), 0, 0
    for more_rows, more_columns in ((1, 3), (3, 4), (4, 6)):
        new = slice(columns, more_columns)
        growing.add_columns(
            cost[new], np.zeros(more_columns - columns), high[new],
            sparse.csc_array(table[:rows, new]),
        )  # fmt: skip
        growing.add_rows(
            limit[rows:more_rows], sparse.csr_array(table[rows:more_rows, :more_columns])
        )
        rows, columns = more_rows, more_columns
        found = growing.optimum()
        other = linprog(
            cost[:columns], A_ub=table[:rows, :columns], b_ub=limit[:rows],
            bounds=[*zip(np.zeros(columns), high, strict=False)],
        )  # fmt: skip
        assert found.x @ cost[:columns] == pytest.approx(other.fun)
        np.testing.assert_allclose(found.dual, other.ineqlin.marginals, atol=1e-9)


def test_a_programme_that_grew_too_far_is_told() -> None:
    growing = Growing(where="here")
    growing.add_columns(np.ones(1), np.zeros(1), np.ones(1), sparse.csc_array((0, 1)))
    growing.optimum()
    growing.add_rows(np.array([-2.0]), sparse.csr_array([[-1.0]]))
    with pytest.raises(InvariantBroken, match="1 rows of 1 variables: Infeasible"):
        growing.optimum()


def test_nothing_is_written_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    optimum(knapsack(whole=True), where="here")
    assert capfd.readouterr() == ("", "")
