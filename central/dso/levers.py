"""What may be changed: power drawn at nodes, lever by lever, and what that does to limits.

A limit with the slope ``g = dr/dP + j dr/dQ`` at each node moves by ``dr = sum Re(g* dS)`` where
nodes draw ``dS`` more. A lever is at one node, so its effect on a limit is one product. The table
of all effects is wide and mostly of no interest: only what is asked of it is multiplied out.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from central.dso.grid.model import Floats, Integers, Phasors


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
        count = self.share.shape[0]
        some = np.arange(count) if situations is None else situations
        summed: Phasors = np.zeros((len(some), self.nodes), dtype=complex)
        if len(used := np.flatnonzero(x)):
            column, entry = _entries(self._by_lever.indptr, used)
            place = np.full(count, -1)
            place[some] = np.arange(len(some))
            row = place[self._by_lever.indices[entry]]
            column, entry, row = column[row >= 0], entry[row >= 0], row[row >= 0]
            changed_va = self._by_lever.data[entry] * (self.unit_va * x)[used][column]
            at = row * self.nodes + self.node[used][column]
            summed.real = np.bincount(at, changed_va.real, summed.size).reshape(summed.shape)
            summed.imag = np.bincount(at, changed_va.imag, summed.size).reshape(summed.shape)
        return summed

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

    def matrix(self, rows: Integers) -> sparse.csr_array:
        """Return what one unit of each lever does to some rows, shape (these rows, levers)."""
        return _effect(self.levers, self.situation[rows], self.slope[rows])

    def over(self, levers: Integers) -> "Pull":
        """Return what some of the levers do."""
        return Pull(self.levers.part(slice(None), levers), self.situation, self.slope)

    def worth(self, dual: Floats) -> Floats:
        """Return what one unit of each lever does to all rows, each by what it is worth."""
        rows = np.flatnonzero(dual)
        situations, place = np.unique(self.situation[rows], return_inverse=True)
        slope: Phasors = np.zeros((len(situations), self.slope.shape[1]), dtype=complex)
        np.add.at(slope, place, dual[rows, None] * self.slope[rows])
        effect = _effect(self.levers, situations, slope)
        columns = len(self.levers.node)
        worth: Floats = np.bincount(effect.indices, effect.data, columns).astype(np.float64)
        return worth

    def moved(self, step: Floats) -> Floats:
        """Return what all rows do when levers are used by so much more, shape (rows)."""
        situations, place = np.unique(self.situation, return_inverse=True)
        changed_va = self.levers.changed_va(step, situations)[place]
        by_w = np.einsum("rn,rn->r", self.slope.real, changed_va.real)
        by_var = np.einsum("rn,rn->r", self.slope.imag, changed_va.imag)
        moved: Floats = by_w + by_var
        return moved


def _effect(levers: Levers, situation: Integers, slope: Phasors) -> sparse.csr_array:
    """Return what one unit of each lever does to rows in these situations, shape (rows, levers)."""
    row, entry = _entries(levers.share.indptr, situation)
    lever = levers.share.indices[entry]
    at, unit_va = slope[row, levers.node[lever]], levers.unit_va[lever]
    effect = levers.share.data[entry] * (at.real * unit_va.real + at.imag * unit_va.imag)
    starts = np.searchsorted(row, np.arange(len(situation) + 1))
    return sparse.csr_array((effect, lever, starts), (len(situation), len(levers.node)))


def _entries(starts: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Return which of these rows each of their entries is in, and where it stands."""
    first, count = starts[rows], starts[rows + 1] - starts[rows]
    row = np.repeat(np.arange(len(rows)), count)
    entry: Integers = np.arange(len(row)) + np.repeat(first - (np.cumsum(count) - count), count)
    return row, entry
