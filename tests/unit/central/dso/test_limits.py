"""What breaks a limit, by how much, and what a margin takes off."""

import numpy as np
import pytest

from central.dso.grid.model import Booleans, Floats
from central.dso.limits import (
    NO_MARGIN,
    Bound,
    Limits,
    Margin,
    excess_total,
    violations,
)
from central.dso.powerflow import Flow
from tests.grids import station

GRID = station()


def flow(voltage_pu: Floats, loading_pct: Floats | None = None) -> Flow:
    rows = len(voltage_pu)
    loading = np.zeros((rows, len(GRID.branches))) if loading_pct is None else loading_pct
    no: Booleans = np.zeros(rows, dtype=bool)
    source_va = np.zeros((rows, 1), dtype=complex)
    angle_rad, from_va = np.zeros_like(voltage_pu), loading.astype(complex)
    return Flow(voltage_pu, angle_rad, loading, from_va, source_va, no, ~no)


def flat(**at: float) -> Floats:
    voltages: Floats = np.ones((1, len(GRID.nodes)))
    for name, value in at.items():
        voltages[0, GRID.node(name)] = value
    return voltages


def loaded(**at: float) -> Floats:
    loading: Floats = np.zeros((1, len(GRID.branches)))
    for name, value in at.items():
        loading[0, GRID.branch(name)] = value
    return loading


def test_a_state_within_its_limits_has_no_violation() -> None:
    limits = Limits.of(GRID)
    edge = flow(flat(A=0.90, B=1.10), loaded(TR=100.0))
    assert violations(GRID, edge, limits) == []
    assert excess_total(edge, limits).tolist() == [0.0]


def test_each_bound_is_found_with_its_size() -> None:
    state = flow(flat(A=0.88, B=1.13), loaded(TS=120.0, **{"B-C": 101.0}))
    found = violations(GRID, state, Limits.of(GRID))
    assert [(one.bound, one.name(GRID), round(one.excess, 9)) for one in found] == [
        (Bound.UNDERVOLTAGE, "A", 0.02),
        (Bound.OVERVOLTAGE, "B", 0.03),
        (Bound.LINE, "B-C", 1.0),
        (Bound.TRANSFORMER, "TS", 20.0),
    ]
    assert [one.bound.is_voltage for one in found] == [True, True, False, False]
    assert (found[0].value, found[0].limit) == (0.88, 0.90)
    total = excess_total(state, Limits.of(GRID))
    assert total == pytest.approx([0.02 + 0.03 + 0.01 + 0.20])


def test_violations_stand_by_situation() -> None:
    states = np.concatenate([flat(B=1.2), flat(), flat(A=0.8), flat(B=0.5, C=1.3)])
    found = violations(GRID, flow(states), Limits.of(GRID))
    assert [one.situation for one in found] == [0, 2, 3, 3]
    assert [one.bound for one in found[2:]] == [Bound.UNDERVOLTAGE, Bound.OVERVOLTAGE]


def test_a_margin_is_taken_off_both_ends() -> None:
    limits = Limits.of(GRID, Margin(voltage_pu=0.01, current_pct=5.0))
    assert (limits.low_pu[0], limits.high_pu[0]) == pytest.approx((0.91, 1.09))
    assert set(limits.most_pct) == {95.0}
    state = flow(flat(A=0.905, B=1.095), loaded(TR=96.0))
    assert len(violations(GRID, state, limits)) == 3
    assert violations(GRID, state, Limits.of(GRID, NO_MARGIN)) == []


def test_slack_lets_noise_pass_and_no_more() -> None:
    state = flow(flat(A=0.8999, B=1.1001), loaded(TR=100.009))
    assert len(violations(GRID, state, Limits.of(GRID))) == 3
    assert violations(GRID, state, Limits.of(GRID), slack=1.5e-4) == []
    assert len(violations(GRID, state, Limits.of(GRID), slack=0.5e-4)) == 3


def test_a_node_that_nothing_feeds_has_no_voltage_to_judge() -> None:
    dark = flow(flat(D=0.0, E=0.0))
    assert violations(GRID, dark, Limits.of(GRID)) == []
    assert excess_total(dark, Limits.of(GRID)).tolist() == [0.0]
