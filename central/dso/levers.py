"""What may be changed: power drawn at nodes, lever by lever, and what that does to limits.

A limit with the slope ``g = dr/dP + j dr/dQ`` at each node moves by ``dr = sum Re(g* dS)`` where
nodes draw ``dS`` more. A lever is at one node, so its effect on a limit is one product. The table
of all effects is wide and mostly of no interest: only what is asked of it is multiplied out.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from central.dso.grid.model import Booleans, Floats, Integers, Phasors

Entries = tuple[Integers, Integers, Floats]

_AT_ONCE = 32  # levers whose entries stay in the cache


@dataclass(frozen=True)
class Levers:
    """What may be used of each, from nothing on.

    Args:
        nodes: how many the grid has.
        node: position of each lever's node, shape (levers).
        unit_va: what one unit of a lever makes its node draw more, load convention, shape (levers).
        share: of that in each situation, shape (situations, levers).
    """

    nodes: int
    node: Integers
    unit_va: Phasors
    share: sparse.csr_array

    def part(self, situations: slice, levers: slice | Integers) -> "Levers":
        """Return some of them in some situations."""
        share = self.share[situations, levers]
        return Levers(self.nodes, self.node[levers], self.unit_va[levers], share)

    def changed_va(self, x: Floats, situations: Integers | None = None) -> Phasors:
        """Return what levers used so far make nodes draw more, shape (situations, nodes).

        Args:
            x: how much of each is used, shape (levers).
            situations: which, each once; all if None.
        """
        if situations is None:
            starts = np.arange(len(x) + 1)
            by_node_va = (self.unit_va * x, self.node, starts), (len(x), self.nodes)
            every_va: Phasors = (self.share @ sparse.csr_array(*by_node_va)).toarray()
            return every_va
        count, place = len(situations), np.full(self.share.shape[0], -1)
        place[situations] = np.arange(count)
        changed_va: Phasors = np.zeros(count * self.nodes, dtype=complex)
        used, by_lever = np.flatnonzero(x), self._by_lever
        for first in range(0, len(used), _AT_ONCE):
            some = used[first : first + _AT_ONCE]
            which, entry = entries_of(by_lever.indptr, some)
            row, used_va = place[by_lever.indices[entry]], (self.unit_va[some] * x[some])[which]
            at, more_va = row * self.nodes + self.node[some][which], by_lever.data[entry] * used_va
            asked = row >= 0
            np.add.at(changed_va, at[asked], more_va[asked])
        return changed_va.reshape(count, self.nodes)

    def touched(self, levers: Integers) -> Booleans:
        """Tell in which situations some of these levers do anything."""
        by_lever = self._by_lever
        found = np.zeros(self.share.shape[0], dtype=bool)
        found[by_lever.indices[entries_of(by_lever.indptr, levers)[1]]] = True
        return found

    @cached_property
    def _by_lever(self) -> sparse.csc_array:
        return self.share.tocsc()


@dataclass(frozen=True, slots=True)
class Pull:
    """What levers do to limits.

    Args:
        levers: which.
        situation: in which each limit is watched, a row of `Levers.share`, shape (rows).
        slope: what a W and, as imaginary part, a var drawn more at each node does to each limit,
            shape (rows, nodes).
    """

    levers: Levers
    situation: Integers
    slope: Phasors

    def entries(self, rows: Integers) -> Entries:
        """Return (which of these rows, lever, what one unit of it does to the row), row by row."""
        levers, situation = self.levers, self.situation[rows]
        row, entry = entries_of(levers.share.indptr, situation)
        lever = levers.share.indices[entry]
        at, unit_va = self.slope[rows[row], levers.node[lever]], levers.unit_va[lever]
        effect = levers.share.data[entry] * (at.real * unit_va.real + at.imag * unit_va.imag)
        return row, lever, effect

    def matrix(self, rows: Integers) -> sparse.csr_array:
        """Return the same as a table, shape (these rows, levers)."""
        row, lever, effect = self.entries(rows)
        starts = np.searchsorted(row, np.arange(len(rows) + 1))
        return sparse.csr_array((effect, lever, starts), (len(rows), len(self.levers.node)))

    def moved(self, step: Floats) -> Floats:
        """Return what all rows do when levers are used by so much more, shape (rows)."""
        seen, place = distinct(self.situation, self.levers.share.shape[0])
        changed_va = self.levers.changed_va(step, seen)[place]
        moved: Floats = np.vecdot(self.slope.view(np.float64), changed_va.view(np.float64))
        return moved


def distinct(values: Integers, end: int) -> tuple[Integers, Integers]:
    """Return the values that there are, in order, and of each the place of its own among them.

    Args:
        values: 0 or more.
        end: above all of them.
    """
    found = np.zeros(end, dtype=bool)
    found[values] = True
    return np.flatnonzero(found), (np.cumsum(found) - 1)[values]


def entries_of(starts: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Return which of these rows each of their entries is in, and where it stands.

    Args:
        starts: where the entries of each row begin, and the last one's end.
        rows: which.
    """
    first, count = starts[rows], starts[rows + 1] - starts[rows]
    row = np.repeat(np.arange(len(rows)), count)
    entry: Integers = np.arange(len(row)) + np.repeat(first - (np.cumsum(count) - count), count)
    return row, entry
