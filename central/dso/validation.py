"""Technical validation (DA-14a, RT-12a): what of the market's preliminary list the grid can bear.

Every quarter is an AC power flow in several scenarios (see `delivering`): all offers deliver, all
deliver too much, the offers of each node alone deliver nothing, and what was moved comes back
later. Where a limit breaks, the least volume is cut (see `relief`); every cut names the limit,
quarter and scenario that binds.

Interpretation of the specification: offers must not break a limit, and where one is broken
without any offer, they must not make it worse, by more than 1e-5 pu or 0.001 % of a rating.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from central.dso.delivering import Cases, Scenario, Taken, usual_scenarios
from central.dso.excess import FULL_PCT, limit_at
from central.dso.grid.model import Floats, Integers, Phasors
from central.dso.limits import Limits, Violation, violations
from central.dso.powerflow import AS_BUILT, Flow, PowerFlow, Setting
from central.dso.relief import Relief, relieve
from central.dso.tasks import CHECKED, Part, Task, Use, rows_of
from ledger.errors import Rejected

_WORSE_PU = 1e-5
_LEAST_CUT_W = 0.5


@dataclass(frozen=True, slots=True)
class Cut:
    """What is not accepted of an offer in a quarter, and the limit that stands against it.

    Args:
        offer: position in the list.
        quarter: number of the quarter.
        offered_w, accepted_w: what the market would take, and what of it the grid bears.
        binding: the limit; `situation` is the quarter in which it binds, which is a later one
            where it is rebound that would break it.
        scenario: in which it binds.
    """

    offer: int
    quarter: int
    offered_w: float
    accepted_w: float
    binding: Violation
    scenario: str


@dataclass(frozen=True)
class Validation:
    """What the grid says to a preliminary list.

    Args:
        taken: the list.
        accepted_w: what is accepted of it, shape (offers, quarters).
        cuts: whatever is not accepted, by offer and quarter.
        scenarios: names of those that were checked.
        residual: limits that are broken without any offer and still are when all deliver;
            `situation` is the quarter.
        flow: the states when all deliver what is accepted, quarter by quarter.
        is_largest: whether it is known that the grid bears no more.
    """

    taken: Taken
    accepted_w: Floats
    cuts: tuple[Cut, ...]
    scenarios: tuple[str, ...]
    residual: tuple[Violation, ...]
    flow: Flow
    is_largest: bool


def validate(
    power_flow: PowerFlow,
    drawn_va: Phasors,
    taken: Taken,
    limits: Limits,
    *,
    setting: Setting = AS_BUILT,
    scenarios: Sequence[Scenario] | None = None,
    one_thread: bool = False,
) -> Validation:
    """Return the largest volume of a preliminary list that breaks no limit in any scenario.

    Args:
        power_flow: of the grid.
        drawn_va: what is drawn without any offer, shape (quarters, nodes), load convention.
        taken: the preliminary list.
        limits: what is to be kept; where it is not, what is must not get worse.
        setting: one for all quarters, or one row for each.
        scenarios: `usual_scenarios` if None; in the first all offers deliver.
        one_thread: for power flows, else all cores.

    Raises:
        Rejected: `bad_shape`: offers are for other quarters.
        NotConverged: a quarter has no power flow without any offer.
        InvariantBroken: a linear programme was not solved.
    """
    grid = power_flow.grid
    if taken.power_w.shape[1] != len(drawn_va):
        raise Rejected(
            f"offers are for {taken.power_w.shape[1]} quarters, the forecast for {len(drawn_va)}",
            where=grid.name,
            reason="bad_shape",
        )
    chosen = usual_scenarios(grid, taken) if scenarios is None else list(scenarios)
    before = power_flow.solve(drawn_va, setting)
    cases = Cases.of(grid, taken, chosen)
    planned_va = cases.changed_va
    planned_va += drawn_va[cases.quarter]
    task = Task(
        power_flow,
        planned_va,
        rows_of(setting, cases.quarter),
        _not_worse(limits, before, cases.quarter),
        cases.parts,
        CHECKED,
        one_thread=one_thread,
    )
    found = relieve(task)
    cuts = sorted(_cuts(cases, task, found, chosen), key=lambda cut: (cut.offer, cut.quarter))
    accepted_w = taken.power_w.copy()
    for cut in cuts:
        accepted_w[cut.offer, cut.quarter] = cut.accepted_w
    flow = power_flow.solve(drawn_va + taken.changed_va(grid, accepted_w), setting, exact=True)
    return Validation(
        taken,
        accepted_w,
        tuple(cuts),
        tuple(each.name for each in chosen),
        tuple(violations(grid, flow, limits)),
        flow,
        is_largest=all(use.settled for use in found.uses),
    )


def _not_worse(limits: Limits, before: Flow, quarter: Integers) -> Limits:
    """Return the limits of each situation, wider where they are broken without any offer."""
    was_pu, was_pct = before.voltage_pu, before.loading_pct
    low_pu = np.where(was_pu < limits.low_pu, was_pu - _WORSE_PU, limits.low_pu)
    high_pu = np.where(was_pu > limits.high_pu, was_pu + _WORSE_PU, limits.high_pu)
    worse_pct = was_pct + _WORSE_PU * FULL_PCT
    most_pct = np.where(was_pct > limits.most_pct, worse_pct, limits.most_pct)
    return Limits(low_pu[quarter], high_pu[quarter], most_pct[quarter])


def _binding(found: Relief, part: Part, use: Use) -> Iterator[tuple[int, int]]:
    """Yield for each lever the situation and limit that speak most against its being used less."""
    excess = found.excess_pu[part.situations]
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    situation = np.full(len(use.x), part.situations[row])
    limit = np.full(len(use.x), column)
    rows = np.flatnonzero(use.dual > 0)
    cured = use.pull.matrix(rows).tocoo()
    against = -cured.data * use.dual[rows][cured.row]
    order = np.lexsort((-cured.row, against, cured.col))
    strongest = order[np.append(np.diff(cured.col[order]) > 0, True)[: len(order)]]
    strongest = strongest[against[strongest] > 0]
    lever, which = cured.col[strongest], rows[cured.row[strongest]]
    situation[lever], limit[lever] = use.situation[which], use.column[which]
    yield from zip(situation.tolist(), limit.tolist(), strict=True)


def _cuts(cases: Cases, task: Task, found: Relief, scenarios: Sequence[Scenario]) -> Iterator[Cut]:
    """Yield what is cut, with the limit that binds."""
    grid, first = task.power_flow.grid, 0
    for part, use in zip(task.parts, found.uses, strict=True):
        cut_w = np.where(use.x < _LEAST_CUT_W, 0.0, use.x)
        binding = list(_binding(found, part, use)) if cut_w.any() else []
        for lever in np.flatnonzero(cut_w > 0):
            situation, column = binding[lever]
            limit = limit_at(grid, task.limits, found.flow, situation, column)
            offered_w = float(part.most[lever])
            yield Cut(
                offer=int(cases.offer[first + lever]),
                quarter=int(cases.delivery[first + lever]),
                offered_w=offered_w,
                accepted_w=max(offered_w - float(cut_w[lever]), 0.0),
                binding=replace(limit, situation=int(cases.quarter[situation])),
                scenario=scenarios[int(cases.scenario[situation])].name,
            )
        first += len(cut_w)
