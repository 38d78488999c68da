"""The need (DA-7a, DA-9a, RT-5a): the least flexibility that keeps every limit, and where.

What remains after own means is put to resources that may be asked: by how much each would have
to take less or more, in every quarter, so that under all scenarios together every voltage and
every current is kept. The request (I-06) carries the answer with the sensitivities around it:
whoever has other resources at other nodes can tell what they are worth to the grid.

UP is less taken or more given, DOWN the reverse; power itself follows the load convention.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from central.dso.assessment import Assessment
from central.dso.excess import FULL_PCT, excess_pu, limit_at, rows_at
from central.dso.expectation import every_scenario
from central.dso.grid.model import Booleans, Floats, Grid, Integers
from central.dso.levers import Levers
from central.dso.limits import Bound, Limits, Violation, violations
from central.dso.powerflow import Flow, PowerFlow
from central.dso.relief import Relief, relieve
from central.dso.sensitivity import Jacobian, Jacobians
from central.dso.tasks import Part, Task
from ledger.errors import Rejected

ACCURACY_PU = 1e-6
"""How exactly the need tells how a limit stands, far above noise and far below any margin.

In pu of voltage, and 1 % of a rating is 0.01: nearer to its limit a state binds, be it inside or
beyond; what is beyond by more is a residual.
"""


@dataclass(frozen=True, slots=True)
class Resources:
    """What may be asked for, position by position: a customer, or all that a node has.

    Args:
        node: position of the node of each.
        up_w, down_w: the most in each direction, 0 or more, shape (quarters, resources).
        weight: what one watt costs beside the others, above 0, shape (resources).
        tan_phi: var that come and go with each watt, shape (resources).
        reactive_var: the most var drawn less or more apart from that, 0 or more, shape
            (quarters, resources).
        reactive_weight: what one var costs, above 0, shape (resources).
    """

    node: Integers
    up_w: Floats
    down_w: Floats
    weight: Floats
    tan_phi: Floats
    reactive_var: Floats
    reactive_weight: Floats

    @classmethod
    def of(
        cls,
        node: Integers,
        up_w: Floats,
        down_w: Floats,
        *,
        weight: Floats | None = None,
        tan_phi: Floats | None = None,
        reactive_var: Floats | None = None,
        reactive_weight: Floats | None = None,
    ) -> "Resources":
        """Return resources of equal weight and without reactive power, where nothing is said.

        Raises:
            Rejected: `bad_shape`, or `bad_resource`: a number that is missing or below what it
                may be.
        """
        ones, zeros = np.ones(len(node)), np.zeros(len(node))
        made = cls(
            node,
            up_w,
            down_w,
            ones if weight is None else weight,
            zeros if tan_phi is None else tan_phi,
            np.zeros_like(up_w) if reactive_var is None else reactive_var,
            ones if reactive_weight is None else reactive_weight,
        )
        made._check()
        return made

    def _check(self) -> None:
        count = len(self.node)
        wide = {"up_w": self.up_w, "down_w": self.down_w, "reactive_var": self.reactive_var}
        flat = {"weight": self.weight, "reactive_weight": self.reactive_weight}
        for name, values in {**wide, **flat, "tan_phi": self.tan_phi}.items():
            expected = self.up_w.shape if name in wide else (count,)
            if values.shape != expected or values.shape[-1] != count:
                raise Rejected(
                    f"{name} has the shape {values.shape} for {count} resources",
                    where="resources",
                    reason="bad_shape",
                )
            least = {"tan_phi": -np.inf}.get(name, np.finfo(float).tiny if name in flat else 0.0)
            if len(bad := np.argwhere(~np.isfinite(values) | (values < least))):
                raise Rejected(
                    f"{name} of resource {bad[0][-1]} is {values[tuple(bad[0])]}",
                    where="resources",
                    remedy="power must be 0 or more, weights above 0",
                    reason="bad_resource",
                )


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit that the need is there for, and what moves it: a row of the sensitivity table.

    Around the state in which the need is met: ``forecast + change`` is what the table promises,
    and it is exact for the need itself but for `prediction_error`.

    Args:
        quarter: number of the quarter, from 0.
        scenario: name of the scenario.
        bound, element: which limit of which node or branch.
        limit: what is to be kept, margin included [pu or % of rating].
        forecast, value: without and with the need, in the same unit.
        per_w, per_var: change of the value for one W or var more drawn at each node, load
            convention, shape (nodes).
        change: what the table makes of the need.
        worth: what the need would cost less if the limit were wider by 0.01 pu or 1 %.
    """

    quarter: int
    scenario: str
    bound: Bound
    element: int
    limit: float
    forecast: float
    value: float
    per_w: Floats
    per_var: Floats
    change: float
    worth: float

    @property
    def prediction_error(self) -> float:
        """Return how far the table is from the power flow at the need [pu or % of rating]."""
        return abs(self.forecast + self.change - self.value)


@dataclass(frozen=True)
class Need:
    """What a grid needs for a day, or for the next hours.

    Args:
        assessment: what it answers.
        resources: what it may draw on.
        up_w, down_w: asked of each resource, shape (quarters, resources).
        reactive_var: var drawn more by each resource, below 0 less, in the same shape.
        constraints: the limits it is there for, by quarter, scenario and element.
        residual: what stays broken by more than `ACCURACY_PU` although everything useful is asked
            for, by situation (scenario by scenario, see `Expectation`); why is told by `why_left`.
        flow: the AC states with it, by situation.
        rounds: linear programmes that each quarter took, 0 where nothing is needed.
        settled: whether each quarter is known to need no less; else it is a plan that holds as
            `residual` says, but a smaller one may exist.
        confidence: the quantile of the forecast that the outer scenarios are, 0 … 1.
    """

    assessment: Assessment
    resources: Resources
    up_w: Floats
    down_w: Floats
    reactive_var: Floats
    constraints: tuple[Constraint, ...]
    residual: tuple[Violation, ...]
    flow: Flow
    rounds: Integers
    settled: Booleans
    confidence: float

    @property
    def prediction_error_pu(self) -> float:
        """Return the worst error of the table at the need; 1 % of a rating is 0.01."""
        errors = (
            each.prediction_error / (1.0 if each.bound.is_voltage else FULL_PCT)
            for each in self.constraints
        )
        return max(errors, default=0.0)

    def why_left(self, residual: Violation) -> str:
        """Return why a limit stays broken: nothing more helps, or nobody knows whether it would."""
        if self.settled[self.assessment.expectation.quarter_of(residual.situation)]:
            return "all that could be moved does not suffice"
        return "the search ended before it was known whether all that could be moved suffices"

    def at_nodes(self, of_resources: Floats) -> Floats:
        """Return values of resources summed at their nodes, shape (quarters, nodes)."""
        nodes = self.flow.voltage_pu.shape[1]
        ones = np.ones(len(self.resources.node))
        places = (np.arange(len(ones)), self.resources.node)
        summed: Floats = of_resources @ sparse.csr_array((ones, places), shape=(len(ones), nodes))
        return summed


def size_need(
    power_flow: PowerFlow, assessment: Assessment, resources: Resources, *, confidence: float
) -> Need:
    """Return the least flexibility, by weight, with which every limit holds in every scenario.

    Args:
        power_flow: of the grid.
        assessment: what is to be solved, after own means.
        resources: what may be asked for.
        confidence: the quantile of the forecast that the outer scenarios are, 0 … 1.

    Raises:
        Rejected: `bad_shape`: resources are for other quarters.
        NotConverged: some situation has no power flow without flexibility.
        InvariantBroken: a linear programme was not solved.
    """
    expectation = assessment.expectation
    if len(resources.up_w) != expectation.quarters:
        raise Rejected(
            f"resources are for {len(resources.up_w)} quarters, the forecast for "
            f"{expectation.quarters}",
            where=power_flow.grid.name,
            reason="bad_shape",
        )
    scenarios, quarters = len(expectation.scenarios), expectation.quarters
    limits = Limits.of(power_flow.grid, assessment.margin)
    task = Task(
        power_flow,
        expectation.situations_va,
        every_scenario(assessment.setting, scenarios),
        limits,
        [*_parts(power_flow.grid, resources, scenarios)],
    )
    found = relieve(task)
    kinds = _kinds(resources)
    used = np.zeros((4, *resources.up_w.shape))
    shape = (quarters, kinds.sum(), len(resources.node))
    used[kinds] = np.stack([use.x for use in found.uses]).reshape(shape).swapaxes(0, 1)
    return Need(
        assessment,
        resources,
        up_w=used[0],
        down_w=used[1],
        reactive_var=used[2] - used[3],
        constraints=tuple(_constraints(task, assessment, found)),
        residual=tuple(violations(power_flow.grid, found.flow, limits, slack=ACCURACY_PU)),
        flow=found.flow,
        rounds=np.array([use.rounds for use in found.uses]),
        settled=np.array([use.settled for use in found.uses]),
        confidence=confidence,
    )


def _most(resources: Resources) -> Floats:
    """Return the most of each lever: UP, DOWN, more var, less var; (4, quarters, resources)."""
    reactive_var = resources.reactive_var
    return np.stack([resources.up_w, resources.down_w, reactive_var, reactive_var])


def _kinds(resources: Resources) -> Booleans:
    """Return which of the four kinds of levers there are at all."""
    return np.array([bool(each.any()) for each in _most(resources)])


def _parts(grid: Grid, resources: Resources, scenarios: int) -> Iterator[Part]:
    """Yield each quarter under all scenarios, with the kinds of levers that there are."""
    kinds, count = _kinds(resources), len(resources.node)
    by_w = np.array([-1.0, 1.0, 0.0, 0.0])[kinds, None] * np.ones(count)
    by_var = by_w * resources.tan_phi + np.array([0.0, 0.0, 1.0, -1.0])[kinds, None]
    weights = np.stack([*[resources.weight] * 2, *[resources.reactive_weight] * 2])
    levers = Levers(
        len(grid.nodes),
        np.tile(resources.node, len(by_w)),
        (by_w + 1j * by_var).ravel(),
        sparse.csr_array(np.ones((scenarios, by_w.size))),
    )
    quarters = len(resources.up_w)
    for quarter, most in enumerate(_most(resources)[kinds].swapaxes(0, 1)):
        yield Part(
            quarter + np.arange(scenarios) * quarters,
            np.arange(scenarios),
            levers,
            most=most.ravel(),
            cost=weights[kinds].ravel(),
        )


def _constraints(task: Task, assessment: Assessment, found: Relief) -> Iterator[Constraint]:
    """Yield the limits that were broken or that bind, with their sensitivities."""
    jacobians = Jacobians(task.power_flow.grid, task.setting)
    before = excess_pu(assessment.flow, task.limits)
    for use in found.uses:
        was, now = (each[use.situation, use.column] for each in (before, found.excess_pu))
        wanted = np.flatnonzero((was > 0) | (now > -ACCURACY_PU) | (use.dual > 0))
        for situation in np.unique(use.situation[wanted]):
            rows = wanted[use.situation[wanted] == situation]
            rows = rows[np.argsort(use.column[rows])]
            told = _Told(task, assessment, found, jacobians.of(int(situation)), int(situation))
            yield from told.constraints(use.column[rows], use.dual[rows])


@dataclass(frozen=True, slots=True)
class _Told:
    """One situation, without and with the need."""

    task: Task
    assessment: Assessment
    found: Relief
    jacobian: Jacobian
    situation: int

    def constraints(self, column: Integers, dual: Floats) -> Iterator[Constraint]:
        """Yield limits of this situation."""
        at, grid, limits = self.situation, self.jacobian.grid, self.task.limits
        drawn_va, u_pu = self.found.drawn_va[at], self.found.flow.phasors_pu(at)
        table = self.jacobian.sensitivity(u_pu, drawn_va, rows_at(self.jacobian, u_pu, column))
        more_va = drawn_va - self.task.drawn_va[at]
        change = (np.conj(table.per_va) @ more_va).real
        expectation = self.assessment.expectation
        for row, each in enumerate(column):
            was = limit_at(grid, limits, self.assessment.flow, at, int(each))
            now = limit_at(grid, limits, self.found.flow, at, int(each))
            yield Constraint(
                expectation.quarter_of(at), expectation.scenario_of(at), now.bound, now.element,
                now.limit, was.value, now.value, table.per_w[row], table.per_var[row],
                float(change[row]), float(dual[row]) / FULL_PCT,
            )  # fmt: skip
