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
from dataclasses import dataclass

import numpy as np

from central.dso.grid.model import Booleans, Floats, Integers, Phasors
from central.dso.linear import Programme, optima
from central.dso.powerflow import Flow
from central.dso.sensitivity import Jacobians
from central.dso.tasks import State, Task, Use
from central.dso.walk import Walk

MOST_ROUNDS = 100
_BACK = (0.25, 0.5, 1.0)  # of what is left of the way to a refuge, step by step


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
    state = _begun(task)
    jacobians = Jacobians(task.power_flow.grid, task.setting)
    walks = [Walk(task, part, state, jacobians) for part in task.parts]
    _flee(task, [walk for walk in walks if not walk.has_solution], state)
    for _ in range(MOST_ROUNDS):
        for walk in walks:
            walk.settle()
        _look(task, walks, state)
        if not (going := [walk for walk in walks if walk.is_open]):
            break
        _aim(going, [walk.programme() for walk in going])
        # What is cheap enough and only not quite within its limits is mended by a small step.
        if mending := [walk for walk in going if walk.is_mending]:
            _aim(mending, [walk.mending() for walk in mending])
        if moving := [walk for walk in going if walk.is_open]:
            _advance(task, moving, state)
    _confirm(task, walks, [walk.stale for walk in walks], state)
    _secure(task, walks, state)
    return Relief(tuple(walk.use() for walk in walks), state.drawn_va, state.flow, state.excess_pu)


def _begun(task: Task) -> State:
    """Return the states at the start; of situations that resemble another there is none yet."""
    told = np.ones(len(task.drawn_va), dtype=bool)
    for part in task.parts:
        told[part.situations] = part.is_told_by_itself
    rows = np.flatnonzero(told)
    found = State.of(task, rows, task.drawn_va[rows], partial=True)
    state = found.among(rows, len(told))
    lost = told & ~state.flow.solved
    if any(part.refuge is None and lost[part.situations].any() for part in task.parts):
        State.of(task, np.arange(len(told)), task.drawn_va)  # raises, and says which
    return state


def _aim(walks: Sequence[Walk], programmes: Sequence[Programme]) -> None:
    """Solve a linear programme of each walk, and let it decide where to go."""
    for walk, programme, found in zip(walks, programmes, optima(programmes), strict=True):
        walk.aim(programme, found)


def _advance(task: Task, walks: Sequence[Walk], state: State) -> None:
    """Solve the power flow where each walk wants to go, and let it go there if that confirms."""
    for walk, rows, trial in _tried(task, walks, [walk.focus for walk in walks]):
        if walk.judge(rows, trial.excess_pu):
            state.put(walk.part.situations[rows], trial)
        walk.watch(rows, trial.excess_pu)


def _look(task: Task, walks: Sequence[Walk], state: State) -> None:
    """Solve what was left out where walks begin, or are at their end: what is in doubt first."""
    unsure = [walk for walk in walks if walk.rounds == 0 or not walk.is_open]
    _confirm(task, unsure, [walk.doubtful() for walk in unsure], state)
    ending = [walk for walk in unsure if not walk.is_open]
    _confirm(task, ending, [walk.stale for walk in ending], state)


def _confirm(task: Task, walks: Sequence[Walk], wanted: Sequence[Booleans], state: State) -> None:
    """Solve some situations where walks stand, and let those go on that break limits there."""
    for walk, rows, trial in _tried(task, walks, wanted):
        state.put(walk.part.situations[rows], trial)
        walk.stale[rows] = False
        if walk.is_open or (trial.excess_pu > 0).any():
            walk.reopen(rows, trial.excess_pu)
    _flee(task, [walk for walk in walks if not walk.has_solution], state)


def _flee(task: Task, walks: Sequence[Walk], state: State) -> None:
    """Let walks begin anew at their refuge, since they have no power flow where they are."""
    lost = [walk for walk in walks if walk.part.refuge is not None]
    for walk in lost:
        walk.retreat(1.0)
    for walk, rows, trial in _tried(task, lost, [np.ones_like(walk.stale) for walk in lost]):
        state.put(walk.part.situations, trial)
        walk.stale[:], walk.focus[:] = False, True
        walk.reopen(rows, trial.excess_pu)


def _secure(task: Task, walks: Sequence[Walk], state: State) -> None:
    """Let walks that end with broken limits go as far towards their refuge as it takes."""
    for share in _BACK:
        lost = [walk for walk in walks if walk.part.refuge is not None and walk.is_broken]
        for walk in lost:
            walk.retreat(share)
        for walk, _, trial in _tried(task, lost, [np.ones_like(walk.stale) for walk in lost]):
            state.put(walk.part.situations, trial)


def _tried(
    task: Task, walks: Sequence[Walk], wanted: Sequence[Booleans]
) -> Iterator[tuple[Walk, Integers, State]]:
    """Yield walks with some of their situations as they are at the target, solved together."""
    places = [np.flatnonzero(each) for each in wanted]
    some = [(walk, rows) for walk, rows in zip(walks, places, strict=True) if len(rows)]
    if not some:
        return
    situations = np.concatenate([walk.part.situations[rows] for walk, rows in some])
    drawn_va = np.concatenate([walk.drawn_va(rows) for walk, rows in some])
    trial = State.of(task, situations, drawn_va, partial=True)
    end = np.cumsum([len(rows) for _, rows in some])
    for (walk, rows), stop in zip(some, end, strict=True):
        yield walk, rows, trial.part(slice(stop - len(rows), stop))
