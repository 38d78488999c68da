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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from central import highs
from central.dso.grid.model import Booleans, Floats, Integers
from central.dso.levers import Entries, Pull, entries_of

_AMPLE = 1.2
_NOTHING = 1e-9
_KEPT = 1e-7  # of a unit: the solver's own tolerance
_ROWS, _COLUMNS = 10, 20  # how many join at once, at least
_SHARE = 40  # in a large programme, one row in so many
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
    joint = _Joint()
    while growing:
        found = joint.solved_with(growing)
        growing = [each for each in growing if each.grow(found)]
    return [each.optimum() for each in restricted]


class _Restricted:
    """A programme over some of its rows and columns, as steps from where they rest; rows scaled.

    Of each column, row and row's slack it knows where the solver has it, -1 where it has none.
    """

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.short = programme.short / programme.size
        self.unit = max(float(np.abs(self.short).max(initial=0.0)), 1.0) / _UNITS
        self.x = programme.rest.copy() if len(self.short) else programme.low.copy()
        self.slack, self.marginal = np.zeros((2, len(self.short)))
        self.column_at = np.full(len(programme.cost), -1)
        self.slack_at, self.row_at = np.full((2, len(self.short)), -1)
        self._new_rows = np.union1d(
            np.flatnonzero(programme.binding), _most(self.short, _at_once(self.short))
        )
        self._new_columns: Integers = np.flatnonzero(programme.likely)
        self._effects: list[Entries] = []

    def join(self, column: int, row: int) -> tuple[int, int]:
        """Take places for what is new from these on; return what comes after."""
        columns, rows = self._new_columns, self._new_rows
        self.column_at[columns] = column + np.arange(len(columns))
        self.slack_at[rows] = column + len(columns) + np.arange(len(rows))
        self.row_at[rows] = row + np.arange(len(rows))
        which, lever, effect = self.programme.pull.entries(rows)
        self._effects.append(
            (self.row_at[rows][which], lever, effect / self.programme.size[rows][which])
        )
        return column + len(columns) + len(rows), row + len(rows)

    @property
    def cost(self) -> Floats:
        """Return the cost of new columns, then of new rows' slack."""
        programme, rows = self.programme, self._new_rows
        return np.append(
            programme.cost[self._new_columns], (programme.price * programme.size)[rows]
        )

    @property
    def bounds(self) -> Floats:
        """Return the least and greatest of the same, shape (2, both)."""
        programme, columns = self.programme, self._new_columns
        ends = np.stack([programme.low[columns], programme.high[columns]])
        slack = np.repeat([[0.0], [np.inf]], len(self._new_rows), axis=1)
        return np.concatenate([(ends - programme.rest[columns]) / self.unit, slack], axis=1)

    @property
    def limit(self) -> Floats:
        """Return what new rows may be at most."""
        return -self.short[self._new_rows] / self.unit

    def entries(self, column: int, row: int) -> Iterator[Entries]:
        """Yield row, column and value of what is new: columns from `column`, rows from `row` on."""
        for which, lever, effect in self._effects:
            at = self.column_at[lever]
            new = (at >= 0) & ((at >= column) | (which >= row))
            yield which[new], at[new], effect[new]
        yield (
            self.row_at[self._new_rows],
            self.slack_at[self._new_rows],
            -np.ones(len(self._new_rows)),
        )

    def grow(self, found: highs.Optimum) -> bool:
        """Note a solution, and let rows join that are broken and columns that pay; tell if any."""
        columns, rows = np.flatnonzero(self.column_at >= 0), np.flatnonzero(self.row_at >= 0)
        step = found.x[self.column_at[columns]] * self.unit
        self.x[columns] = self.programme.rest[columns] + step
        self.slack[rows] = found.x[self.slack_at[rows]] * self.unit
        self.marginal[rows] = found.dual[self.row_at[rows]]
        self._new_rows, self._new_columns = self._broken(), self._paying(found.dual)
        return len(self._new_rows) + len(self._new_columns) > 0

    def _broken(self) -> Integers:
        """Return rows that the last solution breaks although nobody looked at them."""
        programme = self.programme
        left = self.short + programme.pull.moved(self.x - programme.rest) / programme.size
        left[self.row_at >= 0] = 0.0
        worst = _most(left, _at_once(left))
        return worst[left[worst] > _KEPT * self.unit]

    def _paying(self, dual: Floats) -> Integers:
        """Return columns that pay by the prices of the last solution, the best if they are many."""
        programme = self.programme
        row, lever, effect = (np.concatenate(part) for part in zip(*self._effects, strict=True))
        worth = np.bincount(lever, dual[row] * effect, len(programme.cost))
        saved = worth / programme.cost - 1
        saved[self.column_at >= 0] = 0.0
        pays = np.where(saved > 0, programme.high > programme.rest, programme.low < programme.rest)
        gain = np.abs(saved) * pays
        best = _most(gain, int((self.column_at >= 0).sum()) + _COLUMNS)
        return best[gain[best] > _NOTHING]

    def optimum(self) -> Optimum:
        """Return the last solution in the programme's own units."""
        size = self.programme.size
        return Optimum(self.x, self.slack * size, -self.marginal / size)


class _Joint:
    """Programmes side by side in one solver, which goes on from its last solution."""

    def __init__(self) -> None:
        self._solver = highs.Growing(where="linear programme")
        self._columns = self._rows = 0

    def solved_with(self, growing: Sequence[_Restricted]) -> highs.Optimum:
        """Return the solution with what is new of some programmes."""
        first_column, first_row = self._columns, self._rows
        for each in growing:
            self._columns, self._rows = each.join(self._columns, self._rows)
        entries = (entry for each in growing for entry in each.entries(first_column, first_row))
        row, column, value = (np.concatenate(part) for part in zip(*entries, strict=True))
        low, high = np.concatenate([each.bounds for each in growing], axis=1)
        stands = row < first_row
        self._solver.add_columns(
            np.concatenate([each.cost for each in growing]),
            low,
            high,
            sparse.csc_array(
                (value[stands], (row[stands], column[stands] - first_column)),
                shape=(first_row, self._columns - first_column),
            ),
        )
        self._solver.add_rows(
            np.concatenate([each.limit for each in growing]),
            sparse.csr_array(
                (value[~stands], (row[~stands] - first_row, column[~stands])),
                shape=(self._rows - first_row, self._columns),
            ),
        )
        return self._solver.optimum()


def _at_once(rows: Floats) -> int:
    return max(_ROWS, len(rows) // _SHARE)


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
    room, by_lever = programme.high - programme.rest, pull.tocsc()
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
        which, entry = entries_of(by_lever.indptr, joining)
        cured = by_lever.data[entry] * room[joining][which]
        left = left + np.bincount(by_lever.indices[entry], cured, len(left)) * (left > 0)
        left[worst] = 0.0
    return chosen
