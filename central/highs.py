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

import logging
from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ledger.errors import InvariantBroken

log = logging.getLogger("central")

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
    _pass(solver, programme)
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
    status = _run(solver)
    if status == highspy.HighsModelStatus.kInfeasible and _presolves(solver):
        # Presolve can lose all answers of a programme whose numbers are far apart.
        log.warning("solver.presolve_lost_all", extra={"where": where})
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        status = _run(solver)
    if status != highspy.HighsModelStatus.kOptimal:
        raise InvariantBroken(
            f"HiGHS does not solve {solver.getNumRow()} rows of {solver.getNumCol()} "
            f"variables: {solver.modelStatusToString(status)}",
            where=where,
            remedy="keep what went into this run, and report it",
        )
    found = solver.getSolution()
    return Optimum(np.array(found.col_value), np.array(found.row_dual))


def _presolves(solver: highspy.Highs) -> bool:
    _, chosen = solver.getOptionValue("presolve")
    return bool(chosen != "off")


def _run(solver: highspy.Highs) -> highspy.HighsModelStatus:
    solver.run()
    return solver.getModelStatus()


def _pass(solver: highspy.Highs, programme: Programme) -> None:
    """Hand over a programme as arrays: number by number it takes as long as to solve it."""
    matrix, none = programme.matrix, np.zeros(0, dtype=np.int32)
    count, columns = len(programme.row_low), len(programme.cost)
    solver.addRows(count, programme.row_low, programme.row_high, 0, none, none, np.zeros(0))
    solver.addCols(
        columns, programme.cost, np.zeros(columns), programme.upper, matrix.nnz,
        matrix.indptr[:-1], matrix.indices, matrix.data,
    )  # fmt: skip
    if programme.whole is not None:
        whole = np.flatnonzero(programme.whole).astype(np.int32)
        kinds = np.full(len(whole), int(highspy.HighsVarType.kInteger), dtype=np.uint8)
        solver.changeColsIntegrality(len(whole), whole, kinds)
