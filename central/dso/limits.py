"""What a state must keep to: voltage bands and current ratings, each tightened by a margin.

The margin is there because a forecast is not the day: without it a plan that just holds, on
paper, fails about every second time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from central.dso.grid.model import Booleans, Floats, Grid
from central.dso.powerflow import Flow

_FULL_PCT = 100.0


class Bound(StrEnum):
    """Which limit binds; the reasons that a flexibility request (I-06) can have."""

    UNDERVOLTAGE = "undervoltage"
    OVERVOLTAGE = "overvoltage"
    LINE = "line"
    TRANSFORMER = "transformer"

    @property
    def is_voltage(self) -> bool:
        """Tell whether the element is a node (value in pu), not a branch (value in %)."""
        return self in {Bound.UNDERVOLTAGE, Bound.OVERVOLTAGE}


@dataclass(frozen=True, slots=True)
class Margin:
    """What is kept free: of the voltage band at each end [pu], and of each rating [%]."""

    voltage_pu: float = 0.005
    current_pct: float = 2.0


NO_MARGIN = Margin(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Violation:
    """One limit that one situation does not keep.

    Args:
        situation: row of the flow.
        bound: which kind of limit.
        element: position of the node or branch.
        value: voltage [pu] or current [% of rating].
        limit: what it must keep, margin included, in the same unit.
    """

    situation: int
    bound: Bound
    element: int
    value: float
    limit: float

    @property
    def excess(self) -> float:
        """Return how far beyond the limit [pu or % of rating]; above 0."""
        return abs(self.value - self.limit)

    def name(self, grid: Grid) -> str:
        """Return what the element is called."""
        named = grid.nodes if self.bound.is_voltage else grid.branches
        return named[self.element].name


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a grid with a margin taken off.

    Args:
        low_pu, high_pu: shape (nodes).
        most_pct: greatest current of each branch [% of rating], shape (branches).
    """

    low_pu: Floats
    high_pu: Floats
    most_pct: Floats

    @classmethod
    def of(cls, grid: Grid, margin: Margin = NO_MARGIN) -> "Limits":
        """Return what the grid's file says, less a margin."""
        return cls(
            grid.low_pu + margin.voltage_pu,
            grid.high_pu - margin.voltage_pu,
            np.full(len(grid.branches), _FULL_PCT - margin.current_pct),
        )


def violations(grid: Grid, flow: Flow, limits: Limits, *, slack: float = 0.0) -> list[Violation]:
    """Return every limit that is not kept, by situation, then bound, then element.

    `slack` is what is let pass: numerical noise, in pu and in percent of rating / 100. Nodes
    that nothing feeds have no voltage to judge.
    """
    voltage_pu = flow.voltage_pu
    fed = voltage_pu > 0
    lines = grid.spans["line"]
    loading_pct, most_pct = flow.loading_pct, limits.most_pct
    over = loading_pct > most_pct + slack * _FULL_PCT
    is_line = np.zeros(len(grid.branches), dtype=bool)
    is_line[lines] = True
    found = [
        *_listed(Bound.UNDERVOLTAGE, fed & (voltage_pu < limits.low_pu - slack), voltage_pu,
                 limits.low_pu),
        *_listed(Bound.OVERVOLTAGE, voltage_pu > limits.high_pu + slack, voltage_pu,
                 limits.high_pu),
        *_listed(Bound.LINE, over & is_line, loading_pct, most_pct),
        *_listed(Bound.TRANSFORMER, over & ~is_line, loading_pct, most_pct),
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.situation)


def _listed(bound: Bound, where: Booleans, values: Floats, limits: Floats) -> Iterator[Violation]:
    for situation, element in np.argwhere(where):
        value, limit = float(values[situation, element]), float(limits[element])
        yield Violation(int(situation), bound, int(element), value, limit)


def excess_of(flow: Flow, limits: Limits) -> Floats:
    """Return how far each limit is exceeded [pu]: low and high of each node, then each branch.

    A branch at 110 % of its rating counts as 0.1; 0 where a limit holds; shape (situations,
    nodes + nodes + branches). All of a situation without a solution is inf.
    """
    voltage_pu = flow.voltage_pu
    low = np.where(voltage_pu > 0, limits.low_pu - voltage_pu, 0.0)
    over = (flow.loading_pct - limits.most_pct) / _FULL_PCT
    found = np.concatenate([low, voltage_pu - limits.high_pu, over], axis=1)
    excess: Floats = np.where(flow.solved[:, None], np.maximum(found, 0.0), np.inf)
    return excess


def excess_total(flow: Flow, limits: Limits) -> Floats:
    """Return how far each situation is beyond its limits, summed [pu]; see `excess_of`."""
    total: Floats = excess_of(flow, limits).sum(axis=1)
    return total
