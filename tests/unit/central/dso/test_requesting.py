"""The need: minimal, sufficient, located, and honest about what it cannot solve."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from central.dso import relief
from central.dso.assessment import Assessment, assess
from central.dso.excess import excess_pu
from central.dso.expectation import expected
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.limits import NO_MARGIN, Bound, Limits, Margin, violations
from central.dso.powerflow import AS_BUILT, NotConverged, PowerFlow, Setting
from central.dso.requesting import ACCURACY_PU, Need, Resources, size_need
from central.dso.verifying import verify
from ledger.errors import Rejected
from tests.grids import feeder

DESIGN_ERROR = 6e-5


def problem(
    seed: int,
    *,
    mean_w: float,
    nodes: int = 12,
    rating_a: float = 400.0,
    scenarios: tuple[float, ...] = (),
    setting: Setting = AS_BUILT,
    margin: Margin = NO_MARGIN,
    rings: int = 0,
) -> tuple[PowerFlow, Assessment]:
    """Return a feeder with a day of four quarters, the third of which is the worst."""
    grid = feeder(nodes, seed=seed, rating_a=rating_a, length_km=5.0, rings=rings)
    draw = np.random.default_rng(seed)
    shape = np.array([0.2, 0.8, 1.0, 0.9]) * draw.uniform(0.5, 1.5, (len(grid.pods), 1))
    power_w = {f"p{number}": mean_w * factor * shape for number, factor in enumerate(scenarios)}
    day = expected(grid, 0, {"mean": mean_w * shape} | power_w)
    power_flow = PowerFlow(grid)
    return power_flow, assess(power_flow, day, setting=setting, margin=margin)


def resources(grid: Grid, *, most_w: float = 1e6, quarters: int = 4, seed: int = 0) -> Resources:
    """Return one resource at each POD, each with its own weight."""
    draw = np.random.default_rng(seed)
    most = np.full((quarters, len(grid.pods)), most_w)
    return Resources.of(
        grid.pod_node, most, most / 2, weight=draw.uniform(0.5, 2.0, len(grid.pods)),
        tan_phi=grid.tan_phi,
    )  # fmt: skip


def drawn_with(need: Need) -> Phasors:
    """Return what is drawn in every situation when the need is met [VA]."""
    expectation, offered = need.assessment.expectation, need.resources
    more_w = need.at_nodes(need.down_w - need.up_w)
    more_var = need.at_nodes((need.down_w - need.up_w) * offered.tan_phi + need.reactive_var)
    changed = np.concatenate([more_w + 1j * more_var] * len(expectation.scenarios))
    drawn: Phasors = expectation.situations_va + changed
    return drawn


CASES = {
    "low voltage": {"mean_w": 5e5},
    "high voltage": {"mean_w": -5e5},
    "hot line": {"mean_w": 3e5, "rating_a": 50.0},
    "both, fed back": {"mean_w": -5e5, "rating_a": 90.0},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 1, 5])
def test_it_is_what_an_ac_optimal_power_flow_finds(name: str, seed: int) -> None:
    power_flow, assessment = problem(seed, **CASES[name])  # type: ignore[arg-type]
    grid = power_flow.grid
    offered = resources(grid, seed=seed)
    need = size_need(power_flow, assessment, offered, confidence=0.95)
    limits = Limits.of(grid, NO_MARGIN)
    assert not need.residual
    assert need.settled.all()
    assert need.rounds[2] > 1
    for quarter in np.flatnonzero(need.rounds):
        ours = offered.weight @ (need.up_w + need.down_w)[quarter]
        theirs = optimal_cost(power_flow, assessment, offered, limits, int(quarter))
        assert ours == pytest.approx(theirs, rel=DESIGN_ERROR)


def optimal_cost(
    power_flow: PowerFlow, assessment: Assessment, offered: Resources, limits: Limits, quarter: int
) -> float:
    """Return the least cost by a general solver on the exact equations, derivatives by steps."""
    count = len(offered.node)
    drawn_va = assessment.expectation.drawn_va[0, quarter]

    def situations(x_mw: Floats) -> Floats:
        up_w, down_w = x_mw[..., :count] * 1e6, x_mw[..., count:] * 1e6
        more_va = power_flow.grid.at_nodes((down_w - up_w) * (1 + 1j * offered.tan_phi))
        return excess_pu(power_flow.solve(drawn_va + more_va, exact=True), limits)

    def room(x_mw: Floats) -> Floats:
        excess = situations(x_mw[None])[0]
        found: Floats = -1e2 * excess[np.isfinite(excess)]
        return found

    def slopes(x_mw: Floats) -> Floats:
        step = 1e-6 * np.eye(2 * count)
        above, below = situations(x_mw + step), situations(x_mw - step)
        kept = np.isfinite(above).all(axis=0)
        found: Floats = -1e2 * ((above - below)[:, kept] / 2e-6).T
        return found

    cost = np.tile(offered.weight, 2)
    most = np.concatenate([offered.up_w[quarter], offered.down_w[quarter]]) / 1e6
    found = minimize(
        lambda x_mw: cost @ x_mw, most / 2, jac=lambda _: cost, method="SLSQP",
        bounds=[(0, each) for each in most], options={"maxiter": 500, "ftol": 1e-9},
        constraints={"type": "ineq", "fun": room, "jac": slopes},
    )  # fmt: skip
    assert found.success, found.message
    assert room(found.x).min() > -1e-7
    return float(found.fun * 1e6)


def test_a_quiet_day_needs_nothing() -> None:
    power_flow, assessment = problem(1, mean_w=5e4)
    need = size_need(power_flow, assessment, resources(power_flow.grid), confidence=0.5)
    assert not need.up_w.any()
    assert not need.down_w.any()
    assert need.constraints == ()
    assert need.residual == ()
    assert not need.rounds.any()
    assert need.settled.all()
    assert need.prediction_error_pu == 0


def test_too_much_load_asks_up_and_too_much_generation_asks_down() -> None:
    for sign in (1, -1):
        power_flow, assessment = problem(1, mean_w=sign * 5e5)
        need = size_need(power_flow, assessment, resources(power_flow.grid), confidence=0.5)
        up_w, down_w = need.up_w.sum(), need.down_w.sum()
        assert (up_w > 1e4, down_w > 1e4) == (sign > 0, sign < 0)
        assert min(up_w, down_w) < 1.0


def test_the_dearer_resource_is_asked_only_where_the_cheap_one_is_not_enough() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    offered = resources(power_flow.grid)
    last = np.flatnonzero(offered.node == 11)
    twice = replace(
        offered,
        node=np.append(offered.node, offered.node[last]),
        up_w=np.hstack([offered.up_w, offered.up_w[:, last]]),
        down_w=np.hstack([offered.down_w, offered.down_w[:, last]]),
        weight=np.append(offered.weight, offered.weight[last] * 0.01),
        tan_phi=np.append(offered.tan_phi, offered.tan_phi[last]),
        reactive_var=np.zeros((4, len(offered.node) + 1)),
        reactive_weight=np.ones(len(offered.node) + 1),
    )
    need = size_need(power_flow, assessment, twice, confidence=0.5)
    assert need.up_w[2, -1] > 0
    dear = need.up_w[2, last[0]]
    assert dear == 0 or need.up_w[2, -1] == pytest.approx(1e6)


def test_reactive_power_alone_can_be_enough() -> None:
    power_flow, assessment = problem(5, mean_w=4.2e5)
    grid = power_flow.grid
    none = np.zeros((4, len(grid.pods)))
    offered = Resources.of(grid.pod_node, none, none, reactive_var=np.full_like(none, 3e5))
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    assert assessment.congestions
    assert not need.residual
    assert need.reactive_var.min() < -1e4
    assert need.reactive_var.max() < 1.0


def test_all_scenarios_are_kept_at_once() -> None:
    power_flow, assessment = problem(0, mean_w=3e5, scenarios=(2.0, -1.6))
    offered = resources(power_flow.grid)
    need = size_need(power_flow, assessment, offered, confidence=0.95)
    limits = Limits.of(power_flow.grid, NO_MARGIN)
    broken = {one.scenario for one in assessment.congestions}
    assert {"p0", "p1"} <= broken
    flow = power_flow.solve(drawn_with(need), exact=True)
    found = violations(power_flow.grid, flow, limits, slack=ACCURACY_PU)
    assert found == list(need.residual)
    assert {each.scenario for each in need.constraints} >= {"p0"}


def test_what_nobody_can_solve_is_said_with_its_place_and_quarter() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    grid = power_flow.grid
    need = size_need(power_flow, assessment, resources(grid, most_w=2e4), confidence=0.5)
    assert need.settled.all()
    assert {one.situation for one in need.residual} == {1, 2, 3}
    before = {
        (one.quarter, one.element): one.limit - one.value
        for one in assessment.congestions
        if one.bound is Bound.UNDERVOLTAGE
    }
    for one in need.residual:
        assert 0 < one.excess < before[one.situation, one.name(grid)]
    # All that helps is asked for, to the last watt.
    assert need.up_w[2] == pytest.approx(np.full(len(grid.pods), 2e4), abs=1.0)


@pytest.mark.parametrize(("short_by", "is_told"), [(3e-6, False), (1e-4, True)])
def test_what_is_below_the_stated_accuracy_is_no_residual(
    short_by: float, *, is_told: bool
) -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    grid = power_flow.grid
    enough = size_need(power_flow, assessment, resources(grid), confidence=0.5)
    # No more may be asked for than was, and a little less of it: what is missing is missing.
    most_w = enough.up_w * (1 - short_by)
    offered = Resources.of(grid.pod_node, most_w, np.zeros_like(most_w), tan_phi=grid.tan_phi)
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    beyond_pu = float(excess_pu(need.flow, Limits.of(grid, NO_MARGIN)).max())
    assert beyond_pu > 1e-8, "the case is too easy"
    assert is_told == (beyond_pu > ACCURACY_PU)
    told = [one.excess for one in need.residual]
    assert max(told, default=0.0) == pytest.approx(beyond_pu if is_told else 0.0)
    assert {need.why_left(one) for one in need.residual} <= {
        "all that could be moved does not suffice"
    }


def test_a_search_that_is_cut_short_does_not_say_that_nothing_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relief, "MOST_ROUNDS", 1)
    monkeypatch.setattr(relief, "LAST_ROUNDS", 0)
    power_flow, assessment = problem(1, mean_w=5e5)
    need = size_need(power_flow, assessment, resources(power_flow.grid), confidence=0.5)
    assert need.residual
    assert not need.settled[assessment.expectation.quarter_of(need.residual[0].situation)]
    assert need.why_left(need.residual[0]).startswith("the search ended before")


def test_what_no_lever_reaches_stays_as_it_is() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    grid = power_flow.grid
    at_source = np.full((4, 1), 1e6)
    offered = Resources.of(np.array([0]), at_source * 0, at_source * 0)
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    found = [(one.situation, one.bound, one.element) for one in need.residual]
    limits = Limits.of(grid, NO_MARGIN)
    assert found == [
        (one.situation, one.bound, one.element) for one in violations(grid, assessment.flow, limits)
    ]
    assert not need.up_w.any()


def test_the_table_says_what_the_need_does() -> None:
    power_flow, assessment = problem(5, mean_w=5e5, rating_a=85.0)
    grid = power_flow.grid
    need = size_need(power_flow, assessment, resources(grid), confidence=0.5)
    changed_w = need.at_nodes(need.down_w - need.up_w)
    changed_var = need.at_nodes((need.down_w - need.up_w) * need.resources.tan_phi)
    assert {each.bound for each in need.constraints} == {Bound.UNDERVOLTAGE, Bound.LINE}
    for each in need.constraints:
        promised = each.per_w @ changed_w[each.quarter] + each.per_var @ changed_var[each.quarter]
        assert each.change == pytest.approx(promised)
        assert each.prediction_error == abs(each.forecast + each.change - each.value)
        beyond = each.limit - each.value if each.bound is Bound.UNDERVOLTAGE else (
            each.value - each.limit
        )  # fmt: skip
        assert beyond <= 1e-9
        assert each.worth >= 0
        assert (each.worth == 0) or beyond > -1e-5
    listed = {(one.quarter, one.element) for one in assessment.congestions}
    binding = {
        (each.quarter, grid.nodes[each.element].name if each.bound.is_voltage else
         grid.branches[each.element].name)
        for each in need.constraints
    }  # fmt: skip
    assert {quarter for quarter, _ in listed} == {quarter for quarter, _ in binding}
    assert need.prediction_error_pu == max(
        each.prediction_error / (1 if each.bound.is_voltage else 100) for each in need.constraints
    )
    assert 1e-6 < need.prediction_error_pu < 0.1


def test_the_worth_of_a_limit_is_what_a_wider_one_saves() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    grid, offered = power_flow.grid, resources(power_flow.grid)
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    worthy = [each for each in need.constraints if each.quarter == 2 and each.worth > 0]
    assert len(worthy) == 1
    wider = replace(grid, nodes=tuple(
        replace(node, low_pu=node.low_pu - (1e-5 if place == worthy[0].element else 0))
        for place, node in enumerate(grid.nodes)
    ))  # fmt: skip
    other = PowerFlow(wider)
    again = assess(other, assessment.expectation, margin=NO_MARGIN)
    eased = size_need(other, again, offered, confidence=0.5)
    saved = (need.up_w[2] - eased.up_w[2]) @ offered.weight
    assert saved == pytest.approx(worthy[0].worth * 1e-3, rel=0.01)


def test_a_margin_is_kept_and_costs_more() -> None:
    power_flow, bare = problem(1, mean_w=5e5)
    _, kept = problem(1, mean_w=5e5, margin=Margin())
    offered = resources(power_flow.grid)
    without, with_it = (
        size_need(power_flow, each, offered, confidence=0.5) for each in (bare, kept)
    )
    assert with_it.up_w.sum() > without.up_w.sum() * 1.05
    assert with_it.flow.voltage_pu[:, 2:].min() >= 0.955


def test_taps_and_rings_are_taken_as_they_are_in_each_quarter() -> None:
    tap_pos = np.array([[0], [1], [-2], [2]])
    setting = Setting(tap_pos=tap_pos, closed=np.ones(14 - 1, dtype=bool))
    power_flow, assessment = problem(6, mean_w=6e5, setting=setting, rings=2)
    need = size_need(power_flow, assessment, resources(power_flow.grid), confidence=0.5)
    assert need.rounds.any()
    flow = power_flow.solve(drawn_with(need), setting, exact=True)
    assert flow.u_pu == pytest.approx(need.flow.u_pu, abs=1e-9)
    assert not violations(power_flow.grid, flow, Limits.of(power_flow.grid, NO_MARGIN))


def test_its_states_balance() -> None:
    power_flow, assessment = problem(5, mean_w=5e5, rating_a=85.0)
    need = size_need(power_flow, assessment, resources(power_flow.grid), confidence=0.5)
    assert verify(power_flow.grid, drawn_with(need), need.flow) < 1e-3


def test_scaling_the_units_of_weight_changes_nothing() -> None:
    power_flow, assessment = problem(5, mean_w=5e5, rating_a=85.0)
    offered = resources(power_flow.grid)
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    dearer = replace(offered, weight=offered.weight * 1e-3)
    again = size_need(power_flow, assessment, dearer, confidence=0.5)
    assert again.up_w == pytest.approx(need.up_w, rel=1e-4, abs=10.0)


def test_feeders_that_are_the_same_need_the_same() -> None:
    """Two feeders alike, side by side at one bus bar: their needs are alike."""
    grid = twins(feeder(9, seed=1, length_km=5.0))
    power_flow = PowerFlow(grid)
    day = expected(grid, 0, {"mean": np.full((len(grid.pods), 1), 5e5)})
    assessment = assess(power_flow, day, margin=NO_MARGIN)
    draw = np.random.default_rng(1).uniform(0.5, 2.0, 7)
    most_w = np.full((1, 14), 1e6)
    offered = Resources.of(grid.pod_node, most_w, most_w, weight=np.tile(draw, 2))
    need = size_need(power_flow, assessment, offered, confidence=0.5)
    assert need.up_w.sum() > 1e5
    assert need.up_w[0, :7] == pytest.approx(need.up_w[0, 7:], rel=1e-4, abs=20.0)


def twins(one: Grid) -> Grid:
    """Return a grid with the feeder behind its bus bar twice."""
    lines, nodes = one.network["line"], one.network["node"]
    count = len(nodes) - 2
    other_nodes, other_lines = nodes[2:].copy(), lines.copy()
    other_nodes["id"] += 1000
    other_lines["id"] += 1000
    for end in ("from_node", "to_node"):
        other_lines[end] = np.where(lines[end] > 1, lines[end] + 1000, lines[end])
    network = dict(one.network)
    network["node"] = np.concatenate([nodes, other_nodes])
    network["line"] = np.concatenate([lines, other_lines])
    transformer = one.branches[-1]
    return replace(
        one,
        network=network,
        nodes=(*one.nodes, *(replace(node, name=f"{node.name}'") for node in one.nodes[2:])),
        branches=(
            *one.branches[:-1],
            *(replace(line, name=f"{line.name}'") for line in one.branches[:-1]),
            transformer,
        ),
        connections=(
            *one.connections,
            *(replace(c, pod=f"{c.pod}'", node=c.node + count) for c in one.connections),
        ),
        substations=(replace(one.substations[0], transformers=(2 * len(lines),)),),
        taps=(replace(one.taps[0], branch=2 * len(lines)),),
    )


@pytest.mark.parametrize("quarters", [92, 96, 100])
def test_days_have_as_many_quarters_as_they_have(quarters: int) -> None:
    grid = feeder(8, seed=1, length_km=5.0)
    power_flow = PowerFlow(grid)
    shape = 0.5 + 0.5 * np.sin(np.linspace(0, np.pi, quarters))
    day = expected(grid, 0, {"mean": 5e5 * np.ones((len(grid.pods), 1)) * shape})
    need = size_need(
        power_flow, assess(power_flow, day), resources(grid, quarters=quarters), confidence=0.5
    )
    assert need.up_w.shape == (quarters, len(grid.pods))
    assert need.rounds[quarters // 2] > 0 == need.rounds[0]
    assert not need.residual


def test_beyond_what_the_grid_can_carry_the_quarter_is_named() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    lost = assessment.expectation.drawn_va.copy()
    lost[0, 1] *= 100
    beyond = replace(assessment, expectation=replace(assessment.expectation, drawn_va=lost))
    with pytest.raises(NotConverged, match="situation 1"):
        size_need(power_flow, beyond, resources(power_flow.grid), confidence=0.5)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"up_w": np.zeros((3, 10))}, "bad_shape"),
        ({"weight": np.zeros(10)}, "bad_resource"),
        ({"tan_phi": np.full(10, np.nan)}, "bad_resource"),
        ({"down_w": np.full((4, 10), -1.0)}, "bad_resource"),
        ({"reactive_weight": np.ones(9)}, "bad_shape"),
    ],
)
def test_resources_that_make_no_sense_are_refused(wrong: dict[str, Floats], reason: str) -> None:
    good = {"up_w": np.ones((4, 10)), "down_w": np.ones((4, 10))} | wrong
    with pytest.raises(Rejected) as caught:
        Resources.of(np.arange(10), good.pop("up_w"), good.pop("down_w"), **good)
    assert caught.value.reason == reason


def test_resources_for_another_day_are_refused() -> None:
    power_flow, assessment = problem(1, mean_w=5e5)
    with pytest.raises(Rejected, match="for 7 quarters, the forecast for 4"):
        size_need(power_flow, assessment, resources(power_flow.grid, quarters=7), confidence=0.5)
