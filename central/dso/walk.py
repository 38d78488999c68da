"""The way of one part of a task to its cheapest relief: linear programmes, step by step.

What the steps are for, and their sources, is told in `relief`.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from central.dso.excess import NEAR_PU, direction, outstanding, rows_at
from central.dso.grid.model import Booleans, Floats, Integers, Phasors
from central.dso.levers import Pull, distinct
from central.dso.linear import Optimum, Programme, promising
from central.dso.sensitivity import Jacobians
from central.dso.tasks import Part, State, Task, Use, rows_of

_DEAR = 1e4  # what breaking a limit costs beside curing it at the best place by the dearest lever
_STATIONARY = 1e-5
_ALIKE = 3
_WEIGHT = 2.0
_TRUSTED, _DOUBTED, _CONFIRMED = 0.75, 0.25, 0.05
_BENT = 3.0  # of a slope, for each pu by which the state differs
_MENDED_PU = 1e-5
_MENDING = 10.0  # how far a step that only mends may go beyond what the best lever would need


class Walk:
    """The way of one part."""

    def __init__(self, task: Task, part: Part, state: State, jacobians: Jacobians) -> None:
        self.part = part
        self.x = self.target = np.zeros_like(part.cost)
        self.rounds = 0
        self.is_mending = self.is_hurried = False
        self.focus, self.stale = np.zeros_like(part.is_told_by_itself), ~part.is_told_by_itself
        self._task = task
        self._state = state
        self._jacobians = jacobians
        self._radius = self._reach = self._mending_reach = np.inf
        self._gain = 0.0
        self._row: Integers = np.zeros((0, 2), dtype=np.int64)
        self._size, self._price, self._weight, self._dual = np.zeros((4, 0))
        slope: Phasors = np.zeros((0, task.drawn_va.shape[1]), dtype=complex)
        self._pull = Pull(part.levers, self._row[:, 0], slope)
        self._told_by, self._told_pu = part.slopes_from.copy(), dict[int, Phasors]()
        rows = np.flatnonzero(part.is_told_by_itself)
        excess = state.excess_pu[part.situations[rows]]
        self.is_open = bool((excess > 0).any())
        if self.is_open:
            self.watch(rows, excess)

    def drawn_va(self, rows: Integers) -> Phasors:
        """Return what is drawn in some situations at the target, shape (these, nodes)."""
        drawn_va = self.part.levers.changed_va(self.target, rows)
        drawn_va += self._task.drawn_va[self.part.situations[rows]]
        return drawn_va

    def watch(self, rows: Integers, excess: Floats) -> None:
        """Take in limits of some situations; of those that share slopes, the worst few."""
        setting = rows_of(self._task.setting, self.part.situations[rows])
        at, column = np.nonzero(outstanding(self._task.power_flow.grid, setting, excess))
        shared = self.part.slopes_from[rows[at]] * excess.shape[1] + column
        order = np.lexsort((-excess[at, column], shared))
        first = np.searchsorted(shared[order], shared[order])
        chosen = order[np.arange(len(order)) - first < _ALIKE]
        found = np.column_stack([rows[at], column])[chosen]
        key = np.array([excess.shape[1], 1])
        new = found[~np.isin(found @ key, self._row @ key)]
        self._row = np.concatenate([self._row, new])
        self.focus[new[:, 0]] = self.focus[self.part.slopes_from[new[:, 0]]] = True

    def reopen(self, rows: Integers, excess: Floats) -> None:
        """Go on, since some situations that were left out break limits, or may do so."""
        self.is_open, self._radius = True, np.inf
        self.watch(rows, excess)

    def doubtful(self) -> Booleans:
        """Tell which situations left out may break a limit as it is watched where they resemble.

        They are taken to move it from there along the slopes; of each limit the worst few.
        """
        found = np.zeros_like(self.stale)
        if not (self.stale.any() and len(self._row)):
            return found
        self._pull, short = self._pulled(), self._short()
        watched = self._row[:, 0]
        rows = np.flatnonzero(self.stale & self.focus[self.part.slopes_from])
        told_by = self.part.slopes_from[rows]
        told_va = self._state.drawn_va[self.part.situations[told_by]]
        more_va = self.drawn_va(rows) - told_va
        for each in np.intersect1d(told_by, watched):
            mine, limits = np.flatnonzero(told_by == each), watched == each
            slope = self._pull.slope[limits]
            moved = more_va[mine].view(np.float64) @ slope.view(np.float64).T
            excess = short[limits] + moved
            worst = np.argsort(-excess, axis=0)[:_ALIKE]
            near = np.take_along_axis(excess, worst, axis=0) > -NEAR_PU
            found[rows[mine[worst[near]]]] = True
        return found

    def sharpen(self) -> None:
        """Go on where slopes of another state may judge a limit wrongly: it gets its own.

        As far as states differ, slopes do. So it is for limits that an effect was used against
        which may have another sign, and for those that stay broken since nothing seems to help.
        """
        broken = self._broken(self._short())[: len(self._dual)] > 0
        rows = np.flatnonzero(broken | (self._dual > 0))
        situation = self._row[rows, 0]
        seen, place = distinct(situation, len(self.stale))
        moved_pu = np.array([self._moved_pu(row, self._told_by[row]) for row in seen])[place]
        which, lever, effect = self._pull.entries(rows)
        unsure = (self.x[lever] > 0) & (effect < 0)
        unsure &= -effect < _BENT * moved_pu[which] * self._size[rows][which]
        doubted = broken[rows] & (moved_pu > self._task.accuracy.alike_pu)
        doubted[which[unsure]] = True
        for each in np.unique(situation[doubted]).tolist():
            self._told_by[each] = each
            self._told_pu.pop(each, None)
            self.is_open, self._radius = True, np.inf

    @property
    def has_solution(self) -> bool:
        """Tell whether each situation that was tried has a power flow."""
        return bool((self._state.flow.solved[self.part.situations] | self.stale).all())

    @property
    def is_broken(self) -> bool:
        """Tell whether some limit is not kept."""
        return bool((self._state.excess_pu[self.part.situations] > 0).any())

    def retreat(self, share: float) -> None:
        """Aim at a point on the way to the refuge, 1 being there; nothing says it is cheapest."""
        self.is_open = True
        self._reach = 0.0
        refuge = self.part.refuge if self.part.refuge is not None else self.x
        self.x = self.target = self.x + share * (refuge - self.x)

    def settle(self) -> None:
        """Stop if the last programme's prices tell that another one would gain nothing.

        Where its answer was gone to, and neither slopes nor bounds have changed, they are prices
        of the next one as well, and no answer of it is cheaper than they make the room that limits
        have by now.
        """
        short, dual = self._short(), self._dual
        is_there = self.x is self.target and self._reach == np.inf
        if self.is_open and len(dual) and is_there and not self._outdated().any():
            spared = float(dual @ np.maximum(-short[: len(dual)], 0.0))
            cheap = spared <= _STATIONARY * float(self.part.cost @ self.x)
            self.is_open = not cheap or bool(self._broken(short).any())
            self.target = self.x

    def hurry(self) -> None:
        """Stop where no limit is broken as far as it is watched, be it the cheapest or not."""
        self.is_hurried = True
        if self.is_open and not self._broken(self._short()).any():
            self.is_open, self.target = False, self.x

    def programme(self) -> Programme:
        """Return the linear programme around the present state."""
        self.rounds += 1
        self.is_mending = False
        self._pull = self._pulled()
        new = np.arange(len(self._size), len(self._row))
        pull = self._pull.matrix(new)
        strongest = _strongest(pull)
        price = np.where(strongest > 0, _DEAR * float(self.part.cost.max(initial=0.0)), 0.0)
        self._size = np.concatenate([self._size, np.where(strongest > 0, strongest, 1.0)])
        self._price = np.concatenate([self._price, price / self._size[new]])
        self._weight = np.concatenate([self._weight, np.zeros(len(new))])
        programme = self._within(self._radius)
        return replace(programme, likely=programme.likely | promising(programme, new, pull))

    def mending(self) -> Programme:
        """Return the same programme for a small step."""
        alone = self._broken(self._short()) / self._size
        return self._within(min(_MENDING * float(alone.max(initial=0.0)), self._mending_reach))

    def _within(self, reach: float) -> Programme:
        """Return the linear programme whose levers move by no more than `reach`."""
        self._reach = reach
        binding = np.zeros(len(self._row), dtype=bool)
        binding[: len(self._dual)] = self._dual > 0
        return Programme(
            cost=self.part.cost,
            short=self._short(),
            pull=self._pull,
            size=self._size,
            price=self._price,
            low=np.maximum(self.x - reach, 0.0),
            high=np.minimum(self.x + reach, self.part.most),
            rest=self.x,
            likely=(self.x > 0) & (self.x < self.part.most),
            binding=binding,
        )

    def _pulled(self) -> Pull:
        """Return what levers do to each row around the present state, or one not far from it."""
        situation, column = self._row.T
        told_by, known = self._told_by[situation], self._pull.slope
        wanted = np.append(self._outdated(), np.ones(len(situation) - len(known), dtype=bool))
        if not wanted.any():
            return self._pull
        slope: Phasors = np.empty((len(column), known.shape[1]), dtype=complex)
        slope[: len(known)] = known
        for row in np.unique(told_by[wanted]):
            mine = wanted & (told_by == row)
            slope[mine] = self._slopes_in(row, situation[mine], column[mine])
            if mine[: len(known)].any() or row not in self._told_pu:
                self._told_pu[row] = self._state.flow.phasors_pu(self.part.situations[row])
        return Pull(self.part.levers, situation, slope)

    def _outdated(self) -> Booleans:
        """Tell which slopes were taken in another state than the one that is to tell them now."""
        alike_pu = self._task.accuracy.alike_pu
        outdated = np.ones_like(self.stale)
        outdated[[row for row in self._told_pu if self._moved_pu(row, row) <= alike_pu]] = False
        return outdated[self._told_by[self._pull.situation]]

    def _moved_pu(self, row: int, told_by: int) -> float:
        """Return how far a situation is from the state in which one told slopes."""
        here_pu = self._state.flow.phasors_pu(self.part.situations[row])
        return float(np.abs(here_pu - self._told_pu[told_by]).max())

    def _slopes_in(self, told_by: int, situation: Integers, column: Integers) -> Phasors:
        """Return what a W and j times what a var at each node does, shape (columns, nodes)."""
        state, there = self._state, int(self.part.situations[told_by])
        jacobian = self._jacobians.of(there)
        seen, place = distinct(situation, len(self.stale))
        seen_pu = state.flow.phasors_pu(self.part.situations[seen])[place]
        rows = rows_at(jacobian, seen_pu, column)
        found = jacobian.sensitivity(
            state.flow.phasors_pu(there), state.drawn_va[there], rows, seen_pu=seen_pu
        )
        sign = direction(seen_pu.shape[1], column)[:, None]
        return sign * found.per_va

    def _short(self) -> Floats:
        """Return by how much each row misses what is aimed at; below 0 where there is room."""
        situation, column = self._row.T
        excess: Floats = self._state.excess_pu[self.part.situations[situation], column]
        return excess + self._task.accuracy.inside_pu

    def aim(self, programme: Programme, best: Optimum) -> None:
        """Go for the programme's answer, or stay where nothing can be gained."""
        broken, left = self._broken(self._short()), self._broken(best.slack)
        if self.is_mending:
            self.is_mending = not left.any()
            if not self.is_mending:
                return
        self._dual, self.target = best.dual, best.x
        spared = float(self.part.cost @ (self.x - best.x))
        healed = float((broken - left).sum())
        # A weight above what a limit is worth makes the merit exact, and no larger one is wanted:
        # it would take back steps that bend a limit by a little for a great gain. So it falls
        # again where a limit is worth less by now, by half of the way at a time.
        floor = np.clip(_WEIGHT * best.dual, programme.price / _DEAR, programme.price)
        self._weight = np.maximum(floor, (self._weight + floor) / 2)
        self._gain = spared + float(self._weight @ (broken - left))
        cheap = self.is_mending or spared <= _STATIONARY * float(self.part.cost @ self.x)
        self.is_open = healed > _STATIONARY * broken.sum() or not cheap
        self.is_mending = cheap and self.is_open and healed < _MENDED_PU
        if not self.is_open:
            self.target = self.x

    def judge(self, rows: Integers, excess: Floats) -> bool:
        """Go to the target if its power flow keeps what the programme promised; tell whether.

        Args:
            rows: situations of this part that were solved there.
            excess: of these.
        """
        step = float(np.abs(self.target - self.x).max(initial=0.0))
        situation, column = self._row.T
        there = excess[np.searchsorted(rows, situation), column]
        left = self._broken(np.nan_to_num(there, posinf=0.0) + self._task.accuracy.inside_pu)
        gained = self.part.cost @ (self.x - self.target)
        gained += self._weight @ (self._broken(self._short()) - left)
        has_solution = bool((excess < np.inf).any(axis=1).all())
        confirmed = float(gained) / self._gain if has_solution else -np.inf
        if confirmed < _DOUBTED and self.is_mending:
            self._mending_reach = step / 2  # the same again would be the same for ever
        elif confirmed < _DOUBTED:
            self._radius = step / 2
        elif confirmed > _TRUSTED:
            self._radius *= 2
        if confirmed >= _CONFIRMED:
            touched = self.part.levers.touched(np.flatnonzero(self.target != self.x))
            self.x = self.target
            self.stale = self.stale | (touched & ~self.focus)
        return confirmed >= _CONFIRMED

    def _broken(self, short: Floats) -> Floats:
        """Return what limits miss of what is aimed at, less what means nothing."""
        broken: Floats = np.maximum(short - self._task.accuracy.noise_pu, 0.0)
        return broken

    def use(self) -> Use:
        """Return what was reached."""
        situation, column = self._row[: len(self._dual)].T
        return Use(
            self.x,
            self.rounds,
            not (self.is_open or self.is_hurried) and self.has_solution,
            self.part.situations[situation],
            column,
            self._dual,
            Pull(self.part.levers, situation, self._pull.slope[: len(self._dual)]),
        )


def _strongest(pull: sparse.csr_array) -> Floats:
    """Return the greatest effect of any lever on each row, as a magnitude."""
    found = np.zeros(pull.shape[0])
    full = np.diff(pull.indptr) > 0
    found[full] = np.maximum.reduceat(np.abs(pull.data), pull.indptr[:-1][full])
    return found
