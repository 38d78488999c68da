"""Linear programmes with few rows and many bounded columns, each row with a price for breaking it.

```
least   cost·x + price·slack
where   short + slopes effect (x - rest) <= slack,   0 <= slack,   low <= x <= high
```

Such a programme always has a solution. Its matrix is a product that is never multiplied out: what
places do to rows, and what columns do at places. HiGHS solves it over the columns that matter:
columns that could pay by the prices of the last solution join until there is none, so that the
answer is the optimum over all of them. Programmes that have nothing to do with one another are
solved in one call, which costs far less than one call each.

Source: Desrosiers, Lübbecke: A Primer in Column Generation (2005), section 1; Huangfu, Hall:
Parallelizing the dual revised simplex method (2018), for HiGHS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from central.dso.grid.model import Booleans, Floats, Integers
from ledger.errors import InvariantBroken

_AMPLE = 1.2
_NOTHING = 1e-9
_JOINING = 20
_UNITS = 1e3  # the solver's tolerances are absolute: its numbers go up to this


@dataclass(frozen=True, slots=True)
class Programme:
    """A linear programme as above.

    Args:
        cost: above 0, shape (columns).
        short: by how much rows are broken while columns rest, below 0 where there is room.
        slopes: what places do to rows, shape (rows, places).
        effect: what columns do at places, shape (places, columns).
        size: what one unit of the strongest column does to each row, above 0.
        price: of one unit of each row's slack.
        low, high: shape (columns).
        rest: where columns stay that nothing speaks for moving, between `low` and `high`.
        likely: columns to look at from the beginning.
    """

    cost: Floats
    short: Floats
    slopes: sparse.csr_array
    effect: sparse.csr_array
    size: Floats
    price: Floats
    low: Floats
    high: Floats
    rest: Floats
    likely: Booleans


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
    """A programme over some of its columns, as steps from where they rest; rows scaled."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.short = programme.short / programme.size
        self.unit = max(float(np.abs(self.short).max(initial=0.0)), 1.0) / _UNITS
        self.columns: Integers = np.flatnonzero(programme.likely)
        self.x = programme.rest.copy() if len(self.short) else programme.low.copy()
        self.slack, self.marginal = np.zeros((2, len(self.short)))

    @property
    def cost(self) -> Floats:
        """Return the cost of the chosen columns."""
        return self.programme.cost[self.columns]

    @property
    def steps(self) -> Floats:
        """Return their least and greatest steps, shape (columns, 2)."""
        programme, columns = self.programme, self.columns
        ends = np.column_stack([programme.low[columns], programme.high[columns]])
        steps: Floats = (ends - programme.rest[columns, None]) / self.unit
        return steps

    @property
    def matrix(self) -> sparse.csr_array:
        """Return their effect on the rows."""
        rows = sparse.csr_array(self.programme.slopes @ self.programme.effect[:, self.columns])
        rows.data /= np.repeat(self.programme.size, np.diff(rows.indptr))
        return rows

    def take(self, steps: Floats, slack: Floats, marginal: Floats) -> None:
        """Note a solution of the same."""
        self.x[self.columns] = self.programme.rest[self.columns] + steps * self.unit
        self.slack, self.marginal = slack * self.unit, marginal

    def grow(self) -> bool:
        """Let columns join that pay, those first that pay most; tell whether there are any."""
        programme = self.programme
        worth = programme.effect.T @ (programme.slopes.T @ (self.marginal / programme.size))
        saved = worth / programme.cost - 1
        saved[self.columns] = 0.0
        pays = np.where(saved > 0, programme.high > programme.rest, programme.low < programme.rest)
        gain = np.abs(saved) * pays
        joining = np.flatnonzero(gain > _NOTHING)
        if len(joining) > (most := len(self.columns) + _JOINING):
            joining = joining[np.argpartition(-gain[joining], most)[:most]]
        self.columns = np.concatenate([self.columns, joining])
        return len(joining) > 0

    def optimum(self) -> Optimum:
        """Return the last solution in the programme's own units."""
        size = self.programme.size
        return Optimum(self.x, self.slack * size, -self.marginal / size)


def _solve(programmes: Sequence[_Restricted]) -> None:
    """Solve programmes side by side."""
    matrix = sparse.block_diag([each.matrix for each in programmes])
    count, width = matrix.shape
    slack_bounds = np.tile([0.0, np.inf], (count, 1))
    found = linprog(
        np.concatenate(
            [each.cost for each in programmes]
            + [each.programme.price * each.programme.size for each in programmes]
        ),
        A_ub=sparse.hstack([matrix, -sparse.eye_array(count)], format="csc"),
        b_ub=np.concatenate([-each.short / each.unit for each in programmes]),
        bounds=np.concatenate([*(each.steps for each in programmes), slack_bounds]),
        method="highs-ds",
        options={"presolve": False},
    )
    if found.status != 0:
        raise InvariantBroken(
            f"HiGHS did not solve {len(programmes)} programmes: {found.message}",
            where="linear programme",
            remedy="keep the grid and the forecast of this run, and report them",
        )
    columns = np.cumsum([len(each.columns) for each in programmes])[:-1]
    rows = np.cumsum([len(each.short) for each in programmes])[:-1]
    for each, *part in zip(
        programmes,
        np.split(found.x[:width], columns),
        np.split(found.x[width:], rows),
        np.split(found.ineqlin.marginals, rows),
        strict=True,
    ):
        each.take(*part)


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
