"""Linear programmes with many rows and bounded columns, each row with a price for breaking it.

```
least   cost·x + price·slack
where   short + pull (x - rest) <= slack,   0 <= slack,   low <= x <= high
```

Such a programme always has a solution. HiGHS solves it over the rows and columns that matter: rows
that the last solution breaks and columns that could pay by its prices join until there is none, so
that the answer is the optimum over all of them. Programmes that have nothing to do with one
another are solved in one call, which costs far less than one call each.

Source: Desrosiers, Lübbecke: A Primer in Column Generation (2005), section 1; Huangfu, Hall:
Parallelizing the dual revised simplex method (2018), for HiGHS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from central.dso.grid.model import Booleans, Floats, Integers
from central.dso.levers import Pull
from ledger.errors import InvariantBroken

_AMPLE = 1.2
_NOTHING = 1e-9
_KEPT = 1e-7  # of a unit: the solver's own tolerance
_ROWS, _COLUMNS = 10, 20  # how many join at once
_UNITS = 1e3  # the solver's tolerances are absolute: its numbers go up to this


@dataclass(frozen=True, slots=True)
class Programme:
    """A linear programme as above.

    Args:
        cost: above 0, shape (columns).
        short: by how much rows are broken while columns rest, below 0 where there is room.
        pull: what columns do to rows.
        size: what one unit of the strongest column does to each row, above 0.
        price: of one unit of each row's slack.
        low, high: shape (columns).
        rest: where columns stay that nothing speaks for moving, between `low` and `high`.
        likely: columns to look at from the beginning.
        binding: rows to look at from the beginning.
    """

    cost: Floats
    short: Floats
    pull: Pull
    size: Floats
    price: Floats
    low: Floats
    high: Floats
    rest: Floats
    likely: Booleans
    binding: Booleans


@dataclass(frozen=True, slots=True)
class Optimum:
    """The solution of a programme.

    Args:
        x: shape (columns).
        slack: by how much each row is broken, shape (rows).
        dual: what would be saved if a row were 1 less short, shape (rows).
    """

    x: Floats
    slack: Floats
    dual: Floats


def optima(programmes: Sequence[Programme]) -> list[Optimum]:
    """Return the solution of each programme.

    Raises:
        InvariantBroken: the solver gave up.
    """
    restricted = [_Restricted(each) for each in programmes]
    growing = [each for each in restricted if len(each.short)]
    while growing:
        _solve(growing)
        growing = [each for each in growing if each.grow()]
    return [each.optimum() for each in restricted]


class _Restricted:
    """A programme over some of its rows and columns, as steps from where they rest; rows scaled."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.short = programme.short / programme.size
        self.unit = max(float(np.abs(self.short).max(initial=0.0)), 1.0) / _UNITS
        self.rows: Integers = np.union1d(
            np.flatnonzero(programme.binding), _most(self.short, _ROWS)
        )
        self.columns: Integers = np.flatnonzero(programme.likely)
        self.x = programme.rest.copy() if len(self.short) else programme.low.copy()
        self.slack, self.marginal = np.zeros((2, len(self.short)))

    @property
    def cost(self) -> Floats:
        """Return the cost of the chosen columns, then of the chosen rows' slack."""
        programme, rows = self.programme, self.rows
        return np.append(programme.cost[self.columns], (programme.price * programme.size)[rows])

    @property
    def bounds(self) -> Floats:
        """Return the least and greatest step of columns, and slack of rows, shape (both, 2)."""
        programme, columns = self.programme, self.columns
        ends = np.column_stack([programme.low[columns], programme.high[columns]])
        steps = (ends - programme.rest[columns, None]) / self.unit
        return np.concatenate([steps, np.tile([0.0, np.inf], (len(self.rows), 1))])

    @property
    def matrix(self) -> tuple[Integers, Integers, Floats]:
        """Return row, column and value of what these columns, and slack, do to these rows."""
        every, count = np.arange(len(self.rows)), len(self.columns)
        pull = self.programme.pull.over(self.columns).matrix(self.rows)
        row = np.repeat(every, np.diff(pull.indptr))
        return (
            np.append(row, every),
            np.append(pull.indices, count + every),
            np.append(pull.data / self.programme.size[self.rows][row], -np.ones(len(every))),
        )

    @property
    def limit(self) -> Floats:
        """Return what the rows may be at most."""
        return -self.short[self.rows] / self.unit

    def take(self, steps: Floats, marginal: Floats) -> None:
        """Note a solution of the same."""
        count = len(self.columns)
        self.x[self.columns] = self.programme.rest[self.columns] + steps[:count] * self.unit
        self.slack[self.rows] = steps[count:] * self.unit
        self.marginal[self.rows] = marginal

    def grow(self) -> bool:
        """Let rows join that are broken and columns that pay; tell whether there are any."""
        broken, paying = self._broken(), self._paying()
        self.columns = np.concatenate([self.columns, paying])
        self.rows = np.concatenate([self.rows, broken])
        return len(broken) + len(paying) > 0

    def _broken(self) -> Integers:
        """Return rows that the last solution breaks although nobody looked at them."""
        programme = self.programme
        left = self.short + programme.pull.moved(self.x - programme.rest) / programme.size
        left[self.rows] = 0.0
        worst = _most(left, _ROWS)
        return worst[left[worst] > _KEPT * self.unit]

    def _paying(self) -> Integers:
        """Return columns that pay by the prices of the last solution, the best if they are many."""
        programme = self.programme
        worth = programme.pull.worth(self.marginal / programme.size)
        saved = worth / programme.cost - 1
        saved[self.columns] = 0.0
        pays = np.where(saved > 0, programme.high > programme.rest, programme.low < programme.rest)
        gain = np.abs(saved) * pays
        best = _most(gain, len(self.columns) + _COLUMNS)
        return best[gain[best] > _NOTHING]

    def optimum(self) -> Optimum:
        """Return the last solution in the programme's own units."""
        size = self.programme.size
        return Optimum(self.x, self.slack * size, -self.marginal / size)


def _solve(programmes: Sequence[_Restricted]) -> None:
    """Solve programmes side by side."""
    columns = np.cumsum([0, *(len(each.cost) for each in programmes)])
    rows = np.cumsum([0, *(len(each.rows) for each in programmes)])
    blocks = [
        (row + first_row, column + first_column, value)
        for (row, column, value), first_row, first_column in zip(
            (each.matrix for each in programmes), rows[:-1], columns[:-1], strict=True
        )
    ]
    row, column, value = (np.concatenate(part) for part in zip(*blocks, strict=True))
    found = linprog(
        np.concatenate([each.cost for each in programmes]),
        A_ub=sparse.csc_array((value, (row, column)), shape=(rows[-1], columns[-1])),
        b_ub=np.concatenate([each.limit for each in programmes]),
        bounds=np.concatenate([each.bounds for each in programmes]),
        method="highs-ds",
        options={"presolve": False},
    )
    if found.status != 0:
        raise InvariantBroken(
            f"HiGHS did not solve {len(programmes)} programmes: {found.message}",
            where="linear programme",
            remedy="keep the grid and the forecast of this run, and report them",
        )
    for each, *part in zip(
        programmes,
        np.split(found.x, columns[1:-1]),
        np.split(found.ineqlin.marginals, rows[1:-1]),
        strict=True,
    ):
        each.take(*part)


def _most(values: Floats, count: int) -> Integers:
    """Return where the greatest few values are."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count]


def promising(programme: Programme, rows: Integers, pull: sparse.csr_array) -> Booleans:
    """Return columns that would cure some rows, the cheapest for each in turn, and some more.

    Args:
        programme: as it will be solved.
        rows: which of its rows.
        pull: what columns do to these, shape (these rows, columns).
    """
    chosen = np.zeros(len(programme.cost), dtype=bool)
    room, joined = programme.high - programme.rest, np.zeros(len(programme.cost))
    left = programme.short[rows]
    while len(left) and left[worst := int(np.argmax(left))] > 0:
        entries = slice(pull.indptr[worst], pull.indptr[worst + 1])
        columns, effect = pull.indices[entries], -pull.data[entries]
        useful = (effect > 0) & (room[columns] > 0) & ~chosen[columns]
        columns, effect = columns[useful], effect[useful]
        order = np.argsort(programme.cost[columns] / effect)
        gained = np.cumsum((effect * room[columns])[order])
        joining = columns[order[: int(np.searchsorted(gained, _AMPLE * left[worst])) + 1]]
        chosen[joining] = True
        joined[joining] = room[joining]
        left = np.where(left > 0, programme.short[rows] + pull @ joined, 0.0)
        left[worst] = 0.0
    return chosen
