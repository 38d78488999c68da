"""What is to be relieved: situations with limits, levers that change them, and how both stand."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from central.dso.excess import excess_pu
from central.dso.grid.model import Booleans, Floats, Integers, Phasors
from central.dso.levers import Levers, Pull
from central.dso.limits import Limits
from central.dso.powerflow import Flow, PowerFlow, Setting


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How exactly limits are kept.

    Args:
        exact: states by Newton and with powers, as they are published, else by iterated current.
        inside_pu: how far inside a limit is aimed at, so that it holds in spite of `noise_pu`.
        noise_pu: what means nothing.
        alike_pu: how far voltages may move until their slopes are taken anew.
    """

    exact: bool
    inside_pu: float
    noise_pu: float
    alike_pu: float


PUBLISHED = Accuracy(exact=True, inside_pu=1e-8, noise_pu=1e-9, alike_pu=0.0)
CHECKED = Accuracy(exact=False, inside_pu=5e-6, noise_pu=2e-6, alike_pu=1e-3)


@dataclass(frozen=True, slots=True)
class Part:
    """Situations that share levers; a lever is a column.

    Args:
        situations: their rows in the task.
        slopes_from: of each the position in this part of the situation whose state tells how
            voltages respond in it: its own, or that of one that resembles it.
        levers: what they do in these situations.
        most: the most of each lever, shape (columns); the least is 0.
        cost: of one unit, above 0, shape (columns).
        refuge: a use that breaks no limit, and that has a power flow even where the situations as
            they are have none: with it, no limit is broken in the end.
    """

    situations: Integers
    slopes_from: Integers
    levers: Levers
    most: Floats
    cost: Floats
    refuge: Floats | None = None

    @property
    def is_told_by_itself(self) -> Booleans:
        """Tell which situations resemble no other."""
        itself: Booleans = self.slopes_from == np.arange(len(self.situations))
        return itself


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
        pull: what levers do to their excess [pu].
    """

    x: Floats
    rounds: int
    settled: bool
    situation: Integers
    column: Integers
    dual: Floats
    pull: Pull


@dataclass(frozen=True, slots=True)
class State:
    """Solved situations."""

    drawn_va: Phasors
    flow: Flow
    excess_pu: Floats

    @classmethod
    def of(cls, task: Task, rows: Integers, drawn_va: Phasors, *, partial: bool = False) -> "State":
        """Return the solved states of some situations in which this is drawn."""
        exact = task.accuracy.exact
        how = {"exact": exact, "powers": exact, "one_thread": task.one_thread, "partial": partial}
        flow = task.power_flow.solve(drawn_va, rows_of(task.setting, rows), **how)
        return cls(drawn_va, flow, excess_pu(flow, _limits_of(task.limits, rows)))

    def part(self, rows: slice) -> "State":
        """Return some of the situations."""
        return State(self.drawn_va[rows], self.flow.part(rows), self.excess_pu[rows])

    def among(self, rows: Integers, count: int) -> "State":
        """Return these as some rows of `count` situations; the others have no solution yet."""
        flow = Flow(*(_spread(getattr(self.flow, each.name), rows, count) for each in fields(Flow)))
        return State(
            _spread(self.drawn_va, rows, count), flow, _spread(self.excess_pu, rows, count)
        )

    def put(self, rows: Integers, other: "State") -> None:
        """Write another state over some of the situations that are here."""
        self.drawn_va[rows], self.excess_pu[rows] = other.drawn_va, other.excess_pu
        for each in fields(self.flow):
            getattr(self.flow, each.name)[rows] = getattr(other.flow, each.name)


def _spread(values: Any, rows: Integers, count: int) -> Any:  # noqa: ANN401 -- arrays of any element
    """Return values at these rows of `count`, and 0 elsewhere."""
    wide = np.zeros((count, *values.shape[1:]), values.dtype)
    wide[rows] = values
    return wide


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
