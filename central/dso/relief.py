"""The cheapest change of what is drawn that keeps every limit: a sequential linear programme.

Around the present state the voltages and currents that are broken, or nearly, become rows of a
linear programme (see `linear`); its answer is solved again as an AC power flow, which brings new
rows and a new linearisation, until nothing is broken and nothing could be cheaper. A step that
the power flow does not confirm is taken back and tried again, shorter. What cannot be kept
carries a price so high that it is broken only where nothing helps: it is the residual.

Situations fall into parts, for example the quarters of a day, that share no lever: each part
goes its own way, but many of them through the same batches of the engine and of the solver. They
go in a few groups that take turns: while power flows of one are solved, the next one goes on.

Source: Fletcher, Sainz de la Maza: Nonlinear programming and nonsmooth optimization by successive
linear programming (Math. Programming 43, 1989), section 2; for the exact penalty Nocedal, Wright:
Numerical Optimization (2nd ed., 2006), section 17.2, and for its weights that fall again Powell: A
fast algorithm for nonlinearly constrained optimization calculations (1978), section 4.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from central.dso.grid.model import Booleans, Floats, Integers, Phasors
from central.dso.linear import Programme, optima
from central.dso.powerflow import Flow
from central.dso.sensitivity import Jacobians
from central.dso.tasks import State, Task, Use
from central.dso.walk import Walk

MOST_ROUNDS = 100
LAST_ROUNDS = 20  # in which limits are kept, and nothing is sought that would be cheaper
_GROUPS = 3  # with one thread too, so that the answer is the same
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
    turns = Lock()
    groups = [_Group(task, walks[first::_GROUPS], state, turns) for first in range(_GROUPS)]
    with ThreadPoolExecutor(1 if task.one_thread else _GROUPS) as threads:
        for done in [threads.submit(group.relieve) for group in groups]:
            done.result()
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


@dataclass(frozen=True, slots=True)
class _Group:
    """Walks that go side by side, while it is their turn."""

    task: Task
    walks: Sequence[Walk]
    state: State
    turns: Lock

    def relieve(self) -> None:
        """Let all of them go to their ends."""
        with self.turns:
            self._flee(self.walks)
            for each in range(MOST_ROUNDS + LAST_ROUNDS):
                for walk in self.walks:
                    walk.settle()
                    if each >= MOST_ROUNDS and walk.is_open:
                        walk.hurry()
                self._look()
                if not (going := [walk for walk in self.walks if walk.is_open]):
                    break
                _aim(going, [walk.programme() for walk in going])
                # What is cheap enough and only not quite within limits is mended by a small step.
                if mending := [walk for walk in going if walk.is_mending]:
                    _aim(mending, [walk.mending() for walk in mending])
                if moving := [walk for walk in going if walk.is_open]:
                    self._advance(moving)
            self._confirm(self.walks, [walk.stale for walk in self.walks])
            self._secure()

    def _advance(self, walks: Sequence[Walk]) -> None:
        """Solve the power flow where each walk wants to go, and let it go there if it confirms."""
        for walk, rows, trial in self._tried(walks, [walk.focus for walk in walks]):
            if walk.judge(rows, trial.excess_pu):
                self.state.put(walk.part.situations[rows], trial)
            walk.watch(rows, trial.excess_pu)

    def _look(self) -> None:
        """Solve what was left out where walks begin or end: what is in doubt first."""
        unsure = [walk for walk in self.walks if walk.rounds == 0 or not walk.is_open]
        self._confirm(unsure, [walk.doubtful() for walk in unsure])
        ending = [walk for walk in unsure if not walk.is_open]
        self._confirm(ending, [walk.stale for walk in ending])
        for walk in ending:
            if not (walk.is_open or walk.is_hurried):
                walk.sharpen()

    def _confirm(self, walks: Sequence[Walk], wanted: Sequence[Booleans]) -> None:
        """Solve some situations where walks stand, and let those go on that break limits there."""
        for walk, rows, trial in self._tried(walks, wanted):
            self.state.put(walk.part.situations[rows], trial)
            walk.stale[rows] = False
            if walk.is_open or (trial.excess_pu > 0).any():
                walk.reopen(rows, trial.excess_pu)
        self._flee(walks)

    def _flee(self, walks: Sequence[Walk]) -> None:
        """Let walks begin anew at their refuge, if they have no power flow where they are."""
        lost = [each for each in walks if each.part.refuge is not None and not each.has_solution]
        for walk in lost:
            walk.retreat(1.0)
        for walk, rows, trial in self._tried(lost, [np.ones_like(walk.stale) for walk in lost]):
            self.state.put(walk.part.situations, trial)
            walk.stale[:], walk.focus[:] = False, True
            walk.reopen(rows, trial.excess_pu)

    def _secure(self) -> None:
        """Let walks that end with broken limits go as far towards their refuge as it takes."""
        for share in _BACK:
            lost = [walk for walk in self.walks if walk.part.refuge is not None and walk.is_broken]
            for walk in lost:
                walk.retreat(share)
            for walk, _, trial in self._tried(lost, [np.ones_like(walk.stale) for walk in lost]):
                self.state.put(walk.part.situations, trial)

    def _tried(
        self, walks: Sequence[Walk], wanted: Sequence[Booleans]
    ) -> Iterator[tuple[Walk, Integers, State]]:
        """Yield walks with some of their situations as they are at the target, solved together."""
        places = [np.flatnonzero(each) for each in wanted]
        some = [(walk, rows) for walk, rows in zip(walks, places, strict=True) if len(rows)]
        if not some:
            return
        situations = np.concatenate([walk.part.situations[rows] for walk, rows in some])
        drawn_va = np.concatenate([walk.drawn_va(rows) for walk, rows in some])
        self.turns.release()
        try:
            trial = State.of(self.task, situations, drawn_va, partial=True)
        finally:
            self.turns.acquire()
        end = np.cumsum([len(rows) for _, rows in some])
        for (walk, rows), stop in zip(some, end, strict=True):
            yield walk, rows, trial.part(slice(stop - len(rows), stop))


def _aim(walks: Sequence[Walk], programmes: Sequence[Programme]) -> None:
    """Solve a linear programme of each walk, and let it decide where to go."""
    for walk, programme, found in zip(walks, programmes, optima(programmes), strict=True):
        walk.aim(programme, found)
