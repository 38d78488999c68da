"""The cheapest change of what is drawn that keeps every limit: a sequential linear programme.

Around the present state the voltages and currents that are broken, or nearly, become rows of a
linear programme (see `linear`); its answer is solved again as an AC power flow, which brings new
rows and a new linearisation, until nothing is broken and nothing could be cheaper. A step that
the power flow does not confirm is taken back and tried again, shorter. What cannot be kept
carries a price so high that it is broken only where nothing helps: it is the residual.

Situations fall into parts, for example the quarters of a day, that share no lever: each part
goes its own way, but all of them through the same batches of the engine and of the solver.

Source: Fletcher, Sainz de la Maza: Nonlinear programming and nonsmooth optimization by successive
linear programming (Math. Programming 43, 1989), section 2; for the exact penalty Nocedal, Wright:
Numerical Optimization (2nd ed., 2006), section 17.2.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import sparse

from central.dso.excess import direction, excess_pu, outstanding, rows_at
from central.dso.grid.model import Booleans, Floats, Integers, Phasors
from central.dso.limits import Limits
from central.dso.linear import Optimum, Programme, optima, promising
from central.dso.powerflow import Flow, PowerFlow, Setting
from central.dso.sensitivity import Jacobians

MOST_ROUNDS = 50
_DEAR = 1e4  # what breaking a limit costs beside curing it at the best place by the dearest lever
_STATIONARY = 1e-5
_ALIKE = 3
_WEIGHT = 2.0
_TRUSTED, _DOUBTED, _CONFIRMED = 0.75, 0.25, 0.05
_BACK = (0.25, 0.5, 1.0)  # of what is left of the way to a refuge, step by step
_MENDED_PU = 1e-5
_MENDING = 10.0  # how far a step that only mends may go beyond what the best lever would need


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How exactly limits are kept.

    Args:
        exact: states by Newton, else by iterated current.
        inside_pu: how far inside a limit is aimed at, so that it holds in spite of `noise_pu`.
        noise_pu: what means nothing.
    """

    exact: bool
    inside_pu: float
    noise_pu: float


PUBLISHED = Accuracy(exact=True, inside_pu=1e-8, noise_pu=1e-9)
CHECKED = Accuracy(exact=False, inside_pu=5e-6, noise_pu=2e-6)


@dataclass(frozen=True, slots=True)
class Part:
    """Situations that share levers; a lever is a column.

    Args:
        situations: their rows in the task.
        slopes_from: of each the position in this part of the situation whose state tells how
            voltages respond in it: its own, or that of one that resembles it.
        effect: active, then reactive power that each node of each situation draws more for one
            unit of a lever, load convention [W, var], shape (2 * situations * nodes, columns).
        most: the most of each lever, shape (columns); the least is 0.
        cost: of one unit, above 0, shape (columns).
        refuge: a use that breaks no limit, and that has a power flow even where the situations as
            they are have none: with it, no limit is broken in the end.
    """

    situations: Integers
    slopes_from: Integers
    effect: sparse.csr_array
    most: Floats
    cost: Floats
    refuge: Floats | None = None

    def changed_va(self, x: Floats) -> Phasors:
        """Return what levers make each node draw more, shape (situations, nodes) [VA]."""
        more_w, more_var = (self.effect @ x).reshape(2, len(self.situations), -1)
        changed: Phasors = more_w + 1j * more_var
        return changed


@dataclass(frozen=True, slots=True)
class Task:
    """Situations whose limits are to be kept.

    Args:
        power_flow: of the grid.
        drawn_va: what is drawn while no lever is used, shape (situations, nodes).
        setting: of all situations, or one row for each.
        limits: as `excess_pu` takes them.
        parts: a situation in no part is none of this task's business.
        accuracy: how exactly limits are kept.
        one_thread: for power flows, else all cores.
    """

    power_flow: PowerFlow
    drawn_va: Phasors
    setting: Setting
    limits: Limits
    parts: Sequence[Part]
    accuracy: Accuracy = PUBLISHED
    one_thread: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """How the levers of a part are used in the end.

    Args:
        x: how much of each, shape (columns).
        rounds: linear programmes that it took; 0 where nothing was broken.
        settled: whether nothing is broken that could be kept, and nothing could be cheaper; else
            it is the best that was found in `MOST_ROUNDS`.
        situation, column: where in `excess_pu` the limits are that were rows, shape (rows).
        dual: what would be saved if such a limit were 1 pu wider.
        slopes: what power drawn does to their excess [pu], shape (rows, rows of `Part.effect`).
    """

    x: Floats
    rounds: int
    settled: bool
    situation: Integers
    column: Integers
    dual: Floats
    slopes: sparse.csr_array


@dataclass(frozen=True, slots=True)
class Relief:
    """What came out: the use of each part's levers, and all situations with it."""

    uses: tuple[Use, ...]
    drawn_va: Phasors
    flow: Flow
    excess_pu: Floats


def relieve(task: Task) -> Relief:
    """Return the cheapest use of the levers that keeps every limit that can be kept.

    Raises:
        NotConverged: a situation has no power flow at the start.
        InvariantBroken: a linear programme was not solved.
    """
    state, begin = _begun(task)
    jacobians = Jacobians(task.power_flow.grid, task.setting)
    walks = [
        _Walk(task, part, x, state, jacobians) for part, x in zip(task.parts, begin, strict=True)
    ]
    for _ in range(MOST_ROUNDS):
        if not (going := [walk for walk in walks if walk.is_open]):
            break
        _aim(going, [walk.programme() for walk in going])
        # What is cheap enough and only not quite within its limits is mended by a small step.
        if mending := [walk for walk in going if walk.is_mending]:
            _aim(mending, [walk.mending() for walk in mending])
        if moving := [walk for walk in going if walk.is_open]:
            _advance(task, moving, state)
        if ending := [walk for walk in going if not walk.is_open and walk.stale.any()]:
            _confirm(task, ending, state)
    if late := [walk for walk in walks if walk.stale.any()]:
        _confirm(task, late, state)
    _secure(task, walks, state)
    return Relief(tuple(walk.use() for walk in walks), state.drawn_va, state.flow, state.excess_pu)


def _begun(task: Task) -> tuple["_State", list[Floats]]:
    """Return the states at the start, and where each part's levers stand: unused if possible."""
    every = np.arange(len(task.drawn_va))
    begin = [np.zeros_like(part.cost) for part in task.parts]
    state = _State.of(task, every, task.drawn_va.copy(), partial=True)
    if state.flow.solved.all():
        return state, begin
    drawn_va = task.drawn_va.copy()
    for place, part in enumerate(task.parts):
        if part.refuge is not None and not state.flow.solved[part.situations].all():
            begin[place] = part.refuge
            drawn_va[part.situations] += part.changed_va(part.refuge)
    return _State.of(task, every, drawn_va), begin


def _aim(walks: Sequence["_Walk"], programmes: Sequence[Programme]) -> None:
    """Solve a linear programme of each walk, and let it decide where to go."""
    for walk, programme, found in zip(walks, programmes, optima(programmes), strict=True):
        walk.aim(programme, found)


def _advance(task: Task, walks: Sequence["_Walk"], state: "_State") -> None:
    """Solve the power flow where each walk wants to go, and let it go there if that confirms."""
    for walk, trial in _tried(task, walks, [walk.focus for walk in walks]):
        rows = np.flatnonzero(walk.focus)
        if walk.judge(rows, trial.excess_pu):
            state.put(walk.part.situations[rows], trial)
        walk.watch(rows, trial.excess_pu)


def _confirm(task: Task, walks: Sequence["_Walk"], state: "_State") -> None:
    """Solve what was left out on the way of walks that are at their end, as they think."""
    for walk, trial in _tried(task, walks, [walk.stale for walk in walks]):
        rows = np.flatnonzero(walk.stale)
        state.put(walk.part.situations[rows], trial)
        walk.stale[:] = False
        if (trial.excess_pu > 0).any():
            walk.reopen(rows, trial.excess_pu)


def _secure(task: Task, walks: Sequence["_Walk"], state: "_State") -> None:
    """Let walks that end with broken limits go as far towards their refuge as it takes."""
    for share in _BACK:
        lost = [walk for walk in walks if walk.part.refuge is not None and walk.is_broken]
        for walk in lost:
            walk.retreat(share)
        for walk, trial in _tried(task, lost, [np.ones_like(walk.stale) for walk in lost]):
            state.put(walk.part.situations, trial)


def _tried(
    task: Task, walks: Sequence["_Walk"], wanted: Sequence[Booleans]
) -> Iterator[tuple["_Walk", "_State"]]:
    """Yield each walk with some of its situations as they are at its target, solved together."""
    if not walks:
        return
    rows = np.concatenate(
        [walk.part.situations[each] for walk, each in zip(walks, wanted, strict=True)]
    )
    changed_va = [
        walk.part.changed_va(walk.target)[each] for walk, each in zip(walks, wanted, strict=True)
    ]
    drawn_va = task.drawn_va[rows] + np.concatenate(changed_va)
    trial = _State.of(task, rows, drawn_va, partial=True)
    end = np.cumsum([len(each) for each in changed_va])
    for walk, stop, each in zip(walks, end, changed_va, strict=True):
        yield walk, trial.part(slice(stop - len(each), stop))


@dataclass(frozen=True, slots=True)
class _State:
    """Solved situations."""

    drawn_va: Phasors
    flow: Flow
    excess_pu: Floats

    @classmethod
    def of(
        cls, task: Task, rows: Integers, drawn_va: Phasors, *, partial: bool = False
    ) -> "_State":
        how = {"exact": task.accuracy.exact, "one_thread": task.one_thread, "partial": partial}
        flow = task.power_flow.solve(drawn_va, rows_of(task.setting, rows), **how)
        return cls(drawn_va, flow, excess_pu(flow, _limits_of(task.limits, rows)))

    def part(self, rows: slice) -> "_State":
        """Return some of the situations."""
        flow = Flow(*(getattr(self.flow, each.name)[rows] for each in fields(self.flow)))
        return _State(self.drawn_va[rows], flow, self.excess_pu[rows])

    def put(self, rows: Integers, other: "_State") -> None:
        """Write another state over some of the situations that are here."""
        self.drawn_va[rows], self.excess_pu[rows] = other.drawn_va, other.excess_pu
        for each in fields(self.flow):
            getattr(self.flow, each.name)[rows] = getattr(other.flow, each.name)


class _Walk:
    """The way of one part."""

    def __init__(
        self, task: Task, part: Part, begin: Floats, state: _State, jacobians: Jacobians
    ) -> None:
        self.part = part
        self.x = self.target = begin
        self.rounds = 0
        self.is_mending = False
        self.focus, self.stale = np.zeros((2, len(part.situations)), dtype=bool)
        self._task = task
        self._state = state
        self._jacobians = jacobians
        self._radius = np.inf
        self._gain = 0.0
        self._row: Integers = np.zeros((0, 2), dtype=np.int64)
        self._size, self._price, self._weight, self._dual = np.zeros((4, 0))
        self._slopes = sparse.csr_array((0, part.effect.shape[0]))
        excess = state.excess_pu[part.situations]
        self.is_open = bool((excess > 0).any() or begin.any())
        if self.is_open:
            self.watch(np.arange(len(excess)), excess)
        self.focus |= begin.any()

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
        """Go on, since some situations that were left out break limits."""
        self.is_open, self._radius = True, np.inf
        self.watch(rows, excess)

    @property
    def is_broken(self) -> bool:
        """Tell whether some limit is not kept."""
        return bool((self._state.excess_pu[self.part.situations] > 0).any())

    def retreat(self, share: float) -> None:
        """Aim at a point on the way to the refuge, 1 being there."""
        refuge = self.part.refuge if self.part.refuge is not None else self.x
        self.x = self.target = self.x + share * (refuge - self.x)

    def programme(self) -> Programme:
        """Return the linear programme around the present state."""
        self.rounds += 1
        self.is_mending = False
        self._slopes = self._sloped()
        new = np.arange(len(self._size), len(self._row))
        pull = sparse.csr_array(self._slopes[new] @ self.part.effect)
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
        return self._within(_MENDING * float(alone.max(initial=0.0)))

    def _within(self, reach: float) -> Programme:
        """Return the linear programme whose levers move by no more than `reach`."""
        return Programme(
            cost=self.part.cost,
            short=self._short(),
            slopes=self._slopes,
            effect=self.part.effect,
            size=self._size,
            price=self._price,
            low=np.maximum(self.x - reach, 0.0),
            high=np.minimum(self.x + reach, self.part.most),
            rest=self.x,
            likely=(self.x > 0) & (self.x < self.part.most),
        )

    def _sloped(self) -> sparse.csr_array:
        """Return what power drawn does to each row around the present state."""
        situation, column = self._row.T
        nodes, count = self._state.drawn_va.shape[1], len(self.part.situations)
        slopes = np.empty((len(column), 2, nodes))
        told_by = self.part.slopes_from[situation]
        for row in np.unique(told_by):
            mine = told_by == row
            slopes[mine] = self._slopes_in(
                self.part.situations[row], self.part.situations[situation[mine]], column[mine]
            )
        first = (np.array([0, count]) + situation[:, None]) * nodes
        places = first[:, :, None] + np.arange(nodes)
        starts = np.arange(len(column) + 1) * 2 * nodes
        shape = (len(column), 2 * count * nodes)
        return sparse.csr_array((slopes.ravel(), places.ravel(), starts), shape=shape)

    def _slopes_in(self, told_by: int, situation: Integers, column: Integers) -> Floats:
        """Return what a W and a var at each node do to limits, shape (columns, 2, nodes)."""
        state, jacobian = self._state, self._jacobians.of(int(told_by))
        seen_pu = state.flow.u_pu[situation]
        rows = rows_at(jacobian, seen_pu, column)
        found = jacobian.sensitivity(
            state.flow.u_pu[told_by], state.drawn_va[told_by], rows, seen_pu=seen_pu
        )
        sign = direction(seen_pu.shape[1], column)[:, None, None]
        return sign * np.stack([found.per_w, found.per_var], axis=1)

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
        # it would take back steps that bend a limit by a little for a great gain.
        floor = np.minimum(_WEIGHT * best.dual, programme.price)
        self._weight = np.maximum(np.maximum(self._weight, programme.price / _DEAR), floor)
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
        left = self._broken(np.nan_to_num(there) + self._task.accuracy.inside_pu)
        gained = self.part.cost @ (self.x - self.target)
        gained += self._weight @ (self._broken(self._short()) - left)
        has_solution = bool((excess < np.inf).any(axis=1).all())
        confirmed = float(gained) / self._gain if has_solution else -np.inf
        if confirmed < _DOUBTED:
            self._radius = self._radius if self.is_mending else step / 2
        elif confirmed > _TRUSTED:
            self._radius *= 2
        if confirmed >= _CONFIRMED:
            self.x = self.target
            self.stale = self.stale | ~self.focus
        return confirmed >= _CONFIRMED

    def _broken(self, short: Floats) -> Floats:
        """Return what limits miss of what is aimed at, less what means nothing."""
        broken: Floats = np.maximum(short - self._task.accuracy.noise_pu, 0.0)
        return broken

    def use(self) -> Use:
        """Return what was reached."""
        situation, column = self._row[: len(self._dual)].T
        has_solution = bool(self._state.flow.solved[self.part.situations].all())
        return Use(
            self.x,
            self.rounds,
            not self.is_open and has_solution,
            self.part.situations[situation],
            column,
            self._dual,
            self._slopes[: len(self._dual)],
        )


def _strongest(pull: sparse.csr_array) -> Floats:
    """Return the greatest effect of any lever on each row, as a magnitude."""
    found = np.zeros(pull.shape[0])
    full = np.diff(pull.indptr) > 0
    found[full] = np.maximum.reduceat(np.abs(pull.data), pull.indptr[:-1][full])
    return found


def rows_of(setting: Setting, situations: Integers) -> Setting:
    """Return the setting of some situations only."""
    chosen = {}
    for each in fields(setting):
        values = getattr(setting, each.name)
        if values is not None and (values.ndim > 1 or each.name == "source_pu"):
            chosen[each.name] = values[situations]
    return replace(setting, **chosen)


def _limits_of(limits: Limits, situations: Integers) -> Limits:
    every = (limits.low_pu, limits.high_pu, limits.most_pct)
    return Limits(*(each[situations] if each.ndim > 1 else each for each in every))
