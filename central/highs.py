"""Linear programmes, with or without whole variables, solved by HiGHS.

```
least   cost x
where   row_low <= matrix x <= row_high,   0 <= x <= upper,   some of x whole
```

By the solver's own interface: a small programme takes two thirds of what it takes through scipy,
and the search for whole values can be spared heuristics. One thread, so that the same programme
gives the same answer on every machine.

Source: Huangfu, Hall: Parallelizing the dual revised simplex method (2018).
"""

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ledger.errors import InvariantBroken

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_GAP = 1e-9
_Options = dict[str, bool | float | str]
_QUIET: _Options = {"output_flag": False, "parallel": "off"}
_LINEAR: _Options = {"presolve": "off", "solver": "simplex"}
# The root's cuts close the gap of what markets ask; sub-programmes take longer than all the rest.
_WHOLE: _Options = {
    "mip_rel_gap": _GAP,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
}


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme as above.

    Args:
        cost: of one unit of each variable, shape (variables).
        matrix: shape (rows, variables).
        row_low: least of each row; minus infinity where there is none.
        row_high: most of each row; infinite where there is none.
        upper: of each variable; infinite where there is none.
        whole: which variables are whole; none if None.
    """

    cost: Floats
    matrix: sparse.csc_array
    row_low: Floats
    row_high: Floats
    upper: Floats
    whole: Booleans | None = None


@dataclass(frozen=True, slots=True)
class Optimum:
    """The cheapest values, and what one more of each row's bound would cost (linear only)."""

    x: Floats
    dual: Floats


def optimum(programme: Programme, *, where: str) -> Optimum:
    """Return the cheapest values of a programme; whole ones to a relative gap of 1e-9.

    Args:
        programme: to be solved.
        where: what is solved, for the error.

    Raises:
        InvariantBroken: there is no solution, or the solver gave up.
    """
    solver = _solver(_LINEAR if programme.whole is None else _WHOLE)
    solver.passModel(_model(programme))
    return _solved(solver, where)


class Growing:
    """A linear programme to which columns and rows are added, solved on from where it stood.

    Args:
        where: what is solved, for the error.
    """

    def __init__(self, *, where: str) -> None:
        self._where = where
        self._solver = _solver(_LINEAR)

    def add_columns(self, cost: Floats, low: Floats, high: Floats, rows: sparse.csc_array) -> None:
        """Add variables within bounds, and what they do to the rows so far."""
        self._solver.addCols(
            len(cost), cost, low, high, rows.nnz, rows.indptr[:-1], rows.indices, rows.data
        )

    def add_rows(self, high: Floats, columns: sparse.csr_array) -> None:
        """Add rows that may be so much at most, over all columns so far."""
        low, starts = np.full(len(high), -np.inf), columns.indptr[:-1]
        self._solver.addRows(
            len(high), low, high, columns.nnz, starts, columns.indices, columns.data
        )

    def optimum(self) -> Optimum:
        """Return the cheapest values as it is by now.

        Raises:
            InvariantBroken: there is no solution, or the solver gave up.
        """
        return _solved(self._solver, self._where)


def _solver(options: _Options) -> highspy.Highs:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in (_QUIET | options).items():
        solver.setOptionValue(name, value)
    return solver


def _solved(solver: highspy.Highs, where: str) -> Optimum:
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise InvariantBroken(
            f"HiGHS does not solve {solver.getNumRow()} rows of {solver.getNumCol()} "
            f"variables: {solver.modelStatusToString(status)}",
            where=where,
            remedy="keep what went into this run, and report it",
        )
    found = solver.getSolution()
    return Optimum(np.array(found.col_value), np.array(found.row_dual))


def _model(programme: Programme) -> highspy.HighsLp:
    model, matrix = highspy.HighsLp(), programme.matrix
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_ = programme.cost
    model.col_lower_, model.col_upper_ = np.zeros(len(programme.cost)), programme.upper
    model.row_lower_, model.row_upper_ = programme.row_low, programme.row_high
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = matrix.indptr
    model.a_matrix_.index_ = matrix.indices
    model.a_matrix_.value_ = matrix.data
    if programme.whole is not None:
        kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        model.integrality_ = [kinds[each] for each in programme.whole.astype(int)]
    return model
