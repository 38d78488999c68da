"""The need, its sensitivities and the validation of offers, beside the naive ways."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from central.dso.assessment import Assessment, assess
from central.dso.delivering import NO_REBOUND, Cases, Rebound, Taken, usual_scenarios
from central.dso.excess import excess_pu
from central.dso.expectation import Expectation, expected
from central.dso.grid.admittance import Admittance
from central.dso.grid.model import Booleans, Floats, Grid, Integers, Phasors
from central.dso.limits import NO_MARGIN, Limits, Margin, violations
from central.dso.powerflow import PowerFlow
from central.dso.requesting import Need, Resources, size_need
from central.dso.sensitivity import Jacobian, Rows
from central.dso.validation import Validation, validate
from central.dso.verifying import verify
from tests.bench.conftest import Figure, Figures, seconds_of
from tests.grids import feeder

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

QUARTERS = 96
GRID = feeder(144, seed=3, feeders=8, rating_a=200.0)
FLOW = PowerFlow(GRID)
KEPT = Limits.of(GRID, Margin())


def day(
    grid: Grid, mean_w: float, *, evening: float = 1.0, quarters: int = QUARTERS
) -> Expectation:
    """Return a day with a peak in the evening, customers each with their own height."""
    draw = np.random.default_rng(3)
    hours = np.arange(quarters) / quarters * 24
    shape = 0.75 + 0.25 * evening * np.cos((hours - 19) / 24 * 2 * np.pi)
    heights = draw.uniform(0.3, 1.7, (len(grid.pods), 1))
    return expected(grid, 0, {"mean": mean_w * heights * shape})


def resources(grid: Grid, count: int, most_w: float, quarters: int = QUARTERS) -> Resources:
    """Return resources at random nodes, each with its own weight."""
    draw = np.random.default_rng(4)
    most = draw.uniform(0.1, 1.0, (quarters, count)) * most_w
    return Resources.of(
        draw.integers(2, len(grid.nodes), count), most, most / 2,
        weight=draw.uniform(0.5, 1.5, count), tan_phi=np.full(count, 0.2),
    )  # fmt: skip


@pytest.mark.parametrize("count", [200, 2_000])
def test_the_need_of_a_day(figures: Figures, count: int) -> None:
    assessment = assess(FLOW, day(GRID, 1.65e5))
    offered = resources(GRID, count, 2e7 / count)
    need = size_need(FLOW, assessment, offered, confidence=0.95)
    assert not need.residual
    assert need.settled.all()
    broken = len({one.quarter for one in assessment.congestions})
    figures.take(
        Figure(
            subject="DSO: the need of a day", size=f"{QUARTERS} quarters × {count:,} resources",
            unit="s",
            ours=seconds_of(
                lambda: size_need(FLOW, assessment, offered, confidence=0.95), repeats=3
            ),
            reach="3 s for 96 × 2,000",
            note=f"144 nodes in 8 feeders; {len(assessment.congestions):,} violations in {broken} "
            "quarters, all cured, each resource with a weight of its own; every state by Newton",
        )
    )  # fmt: skip
    figures.take(
        Figure(
            subject="DSO: published states, power mismatch", size=f"{count:,} resources", unit="W",
            ours=verify(GRID, drawn_with(need), need.flow), reach="1e-3 W",
            note="By our own matrices, written apart from the engine: the greatest of all nodes "
            "and quarters",
        )
    )  # fmt: skip


def drawn_with(need: Need) -> Phasors:
    more_w = need.at_nodes(need.down_w - need.up_w)
    more_var = need.at_nodes((need.down_w - need.up_w) * need.resources.tan_phi)
    drawn: Phasors = need.assessment.expectation.drawn_va[0] + more_w + 1j * more_var
    return drawn


@pytest.mark.parametrize("nodes", [12, 24])
def test_one_quarter_beside_an_ac_optimal_power_flow(figures: Figures, nodes: int) -> None:
    grid = feeder(nodes, seed=1, length_km=5.0, rating_a=400.0)
    power_flow = PowerFlow(grid)
    assessment = assess(power_flow, day(grid, 6e6 / nodes, quarters=1), margin=NO_MARGIN)
    offered = resources(grid, nodes, 1e6, quarters=1)
    need = size_need(power_flow, assessment, offered, confidence=0.95)
    ours = float((need.up_w + need.down_w)[0] @ offered.weight)
    theirs = optimal_cost(power_flow, assessment, offered)
    assert assessment.congestions
    assert ours == pytest.approx(theirs, rel=6e-5)
    figures.take(
        Figure(
            subject="DSO: need beside an AC optimal power flow", size=f"{nodes} nodes, 1 quarter",
            unit="ms",
            ours=1e3 * seconds_of(
                lambda: size_need(power_flow, assessment, offered, confidence=0.95)
            ),
            peer=1e3 * seconds_of(
                lambda: optimal_cost(power_flow, assessment, offered), repeats=3
            ),
            peer_name="SLSQP on the exact equations",
            note=f"Both cost the same to {abs(ours / theirs - 1):.0e} at {nodes} nodes; "
            "derivatives of the peer by central differences in one batch of the same engine",
        )
    )  # fmt: skip


def optimal_cost(power_flow: PowerFlow, assessment: Assessment, offered: Resources) -> float:
    """Return the least cost of the first quarter by a general solver."""
    count, limits = len(offered.node), Limits.of(power_flow.grid, NO_MARGIN)
    base_va, nodes = assessment.expectation.drawn_va[0, 0], len(power_flow.grid.nodes)

    def excess(x_mw: Floats) -> Floats:
        more_va = np.zeros((len(x_mw), nodes), dtype=complex)
        change_w = (x_mw[:, count:] - x_mw[:, :count]) * 1e6 * (1 + 1j * offered.tan_phi)
        np.add.at(more_va.T, offered.node, change_w.T)
        return excess_pu(power_flow.solve(base_va + more_va, exact=True), limits)

    def slopes(x_mw: Floats) -> Floats:
        step = 1e-6 * np.eye(2 * count)
        above, below = excess(x_mw + step), excess(x_mw - step)
        found: Floats = -1e2 * ((above - below)[:, np.isfinite(above).all(axis=0)] / 2e-6).T
        return found

    def room(x_mw: Floats) -> Floats:
        now = excess(x_mw[None])[0]
        found: Floats = -1e2 * now[np.isfinite(now)]
        return found

    cost = np.tile(offered.weight, 2)
    most = np.concatenate([offered.up_w[0], offered.down_w[0]]) / 1e6
    found = minimize(
        lambda x_mw: cost @ x_mw, most / 2, jac=lambda _: cost, method="SLSQP",
        bounds=[(0, each) for each in most], options={"maxiter": 500, "ftol": 1e-9},
        constraints={"type": "ineq", "fun": room, "jac": slopes},
    )  # fmt: skip
    assert found.success, found.message
    return float(found.fun * 1e6)


def test_sensitivities_of_a_quarter(figures: Figures) -> None:
    drawn_va = day(GRID, 1.65e5).drawn_va[0, 76]
    u_pu = FLOW.solve(drawn_va[None], exact=True).u_pu[0]
    admittance = Admittance.of(GRID)
    jacobian, watched = Jacobian(admittance), np.arange(4, 124, 4)
    count = len(watched)
    rows = Rows(watched, np.ones(count, dtype=bool), np.zeros(count, dtype=bool))
    found = jacobian.sensitivity(u_pu, drawn_va, rows)

    def naive() -> Floats:
        steps = 1e3 * np.concatenate([unit * np.eye(len(drawn_va)) for unit in (1, -1, 1j, -1j)])
        seen = FLOW.solve(drawn_va + steps, exact=True).voltage_pu[:, watched]
        above, below = seen.reshape(2, 2, len(drawn_va), count).swapaxes(0, 1)
        differences: Floats = (above - below) / 2e3
        return differences

    per_w, per_var = naive()
    np.testing.assert_allclose(found.per_w.T, per_w, rtol=1e-5, atol=1e-13)
    np.testing.assert_allclose(found.per_var.T, per_var, rtol=1e-5, atol=1e-13)
    figures.take(
        Figure(
            subject="DSO: sensitivities of a quarter", size="144 nodes, 30 rows", unit="ms",
            ours=1e3 * seconds_of(
                lambda: jacobian.sensitivity(u_pu, drawn_va, rows), repeats=20
            ),
            peer=1e3 * seconds_of(naive),
            peer_name="central differences, one batch of power flows", reach="2.4 ms",
            note="P and Q of every node on every row",
        )
    )  # fmt: skip


def offers() -> tuple[Taken, Floats]:
    """Return 200 offers in every quarter, a third of them UP, and their prices."""
    draw = np.random.default_rng(6)
    pods = [GRID.pods[k] for k in draw.integers(0, len(GRID.pods), 200)]
    power_w = draw.uniform(0.2, 1.8, (200, QUARTERS)) * 90e3
    taken = Taken.of(
        GRID, [f"offer-{k}" for k in range(200)], pods, is_up=draw.random(200) < 1 / 3,
        power_w=power_w,
    )  # fmt: skip
    return taken, draw.uniform(50, 200, 200)


def test_validation_of_a_day(figures: Figures) -> None:
    taken, price_eur = offers()
    drawn_va = day(GRID, 1.2e5).drawn_va[0]
    assert not violations(GRID, FLOW.solve(drawn_va), KEPT)
    unchecked = FLOW.solve(drawn_va + taken.changed_va(GRID, taken.power_w))
    broken = len({one.situation for one in violations(GRID, unchecked, KEPT)})
    found = validate(FLOW, drawn_va, taken, KEPT)
    assert found.is_largest
    assert broken_quarters(drawn_va, taken, found.accepted_w).sum() == 0
    cheapest_w = by_price(drawn_va, taken, price_eur)
    assert broken_quarters(drawn_va, taken, cheapest_w).sum() == 0
    note = (
        f"144 nodes, {len(found.scenarios)} scenarios; unchecked, {broken} quarters break a limit "
        "with all offers delivering; after validation none in any scenario"
    )

    def ours() -> Validation:
        return validate(FLOW, drawn_va, taken, KEPT)

    figures.take(
        Figure(
            subject="DSO: validation of a day", size="200 offers × 96 quarters", unit="s",
            ours=seconds_of(ours, repeats=3),
            peer=seconds_of(lambda: by_price(drawn_va, taken, price_eur), repeats=1),
            peer_name="cutting the dearest, by bisection", reach="1.5 s", note=note,
        )
    )  # fmt: skip
    volume_w = taken.power_w.sum()
    figures.take(
        Figure(
            subject="DSO: volume accepted by validation", size="200 offers × 96 quarters", unit="%",
            ours=100 * float(found.accepted_w.sum() / volume_w),
            peer=100 * float(cheapest_w.sum() / volume_w),
            peer_name="cutting the dearest, by bisection", reach="92.9 % beside 80.2 %", note=note,
        )
    )  # fmt: skip


def test_validation_of_a_day_that_comes_back(figures: Figures) -> None:
    taken, _ = offers()
    back = Rebound(share=0.9, first=1, quarters=6)
    coming = replace(taken, rebounds=(back, NO_REBOUND) * (len(taken.mrids) // 2))
    drawn_va = day(GRID, 1.2e5).drawn_va[0]
    found = validate(FLOW, drawn_va, coming, KEPT)
    assert found.is_largest
    assert broken_quarters(drawn_va, coming, found.accepted_w).sum() == 0
    figures.take(
        Figure(
            subject="DSO: validation of a day, half of the offers with rebound",
            size="200 offers × 96 quarters", unit="s",
            ours=seconds_of(lambda: validate(FLOW, drawn_va, coming, KEPT), repeats=3),
            peer=seconds_of(lambda: validate(FLOW, drawn_va, taken, KEPT), repeats=3),
            peer_name="the same offers without",
            note="0.9 of the energy comes back in six quarters: the whole day hangs together",
        )
    )  # fmt: skip


def broken_quarters(drawn_va: Phasors, taken: Taken, power_w: Floats) -> Booleans:
    """Tell which quarters break a limit in some scenario, by power flows alone."""
    kept = Taken(
        taken.mrids, taken.node, taken.tan_phi, taken.is_up, power_w, taken.rebounds
    )  # fmt: skip
    cases = Cases.of(GRID, kept, usual_scenarios(GRID, taken))
    flow = FLOW.solve(drawn_va[cases.quarter] + cases.changed_va)
    broken = np.zeros(len(drawn_va), dtype=bool)
    broken[cases.quarter[(excess_pu(flow, KEPT) > 0).any(axis=1)]] = True
    return broken


def by_price(drawn_va: Phasors, taken: Taken, price_eur: Floats) -> Floats:
    """Return what is left when in each quarter only the cheapest offers that hold are kept."""
    rank = np.argsort(np.argsort(price_eur))
    kept, holds = np.full(len(drawn_va), len(price_eur)), np.zeros(len(drawn_va), dtype=int)
    first = broken_quarters(drawn_va, taken, taken.power_w)
    holds[~first] = len(price_eur)
    breaks: Integers = np.where(first, kept, kept + 1)
    while (open_quarters := np.flatnonzero(breaks - holds > 1)).size:
        kept = np.where(breaks - holds > 1, (breaks + holds) // 2, holds)
        tried_w = np.where(rank[:, None] < kept, taken.power_w, 0.0)
        some = Taken(
            taken.mrids, taken.node, taken.tan_phi, taken.is_up,
            tried_w[:, open_quarters], taken.rebounds,
        )  # fmt: skip
        broken = broken_quarters(drawn_va[open_quarters], some, some.power_w)
        breaks[open_quarters[broken]] = kept[open_quarters[broken]]
        holds[open_quarters[~broken]] = kept[open_quarters[~broken]]
    return np.where(rank[:, None] < holds, taken.power_w, 0.0)
