"""Orders as set-points: signs, contracts, rebound, and no limit broken by what is sent."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.delivering import NO_REBOUND, Rebound
from central.dso.dispatch import BeyondContract, Dispatch, Ordered, dispatch
from central.dso.expectation import expected
from central.dso.grid.model import Grid
from central.dso.limits import Limits
from central.dso.powerflow import PowerFlow
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from tests.grids import feeder

GRID = feeder(10, contract_w=300_000)
QUARTERS = 6


def ordered(pod: int, *power_w: float, up: bool = True, rebound: Rebound = NO_REBOUND) -> Ordered:
    given = np.zeros(QUARTERS)
    given[: len(power_w)] = power_w
    return Ordered(f"offer-{pod}", f"order-{pod}", GRID.pods[pod], up, given, rebound)


def dispatched(*orders: Ordered, load_w: float = 100e3, grid: Grid = GRID) -> Dispatch:
    expectation = expected(grid, 0, {"mean": np.full((len(grid.pods), QUARTERS), load_w)})
    baseline_w = np.full((len(orders), QUARTERS), load_w)
    return dispatch(PowerFlow(grid), expectation, orders, baseline_w, Limits.of(grid))


def test_up_draws_less_and_down_draws_more_and_alike_quarters_are_one() -> None:
    found = dispatched(ordered(0, 20e3, 20e3, 30e3), ordered(1, 0, 10e3, up=False))
    assert found.is_whole
    first, second, third = found.set_points
    assert first.interval == Interval(0, 2 * QUARTER_MS)
    assert second.interval == Interval(2 * QUARTER_MS, 3 * QUARTER_MS)
    assert third.pod == GRID.pods[1]
    told = [(p.target_w, p.difference_w, p.least_w, p.most_w) for p in found.set_points]
    assert np.allclose(np.array(told, dtype=float), [
        (80e3, -20e3, -300e3, 80e3), (70e3, -30e3, -300e3, 70e3), (110e3, 10e3, 110e3, 300e3),
    ])  # fmt: skip
    assert (first.offer, first.order) == ("offer-0", "order-0")


def test_the_contract_is_never_left() -> None:
    found = dispatched(ordered(0, 250e3, up=False), ordered(1, 500e3))
    targets = {point.pod: point.target_w for point in found.set_points}
    assert targets[GRID.pods[0]] == pytest.approx(300e3)
    assert targets[GRID.pods[1]] == pytest.approx(-300e3)
    assert found.cuts == ()
    assert found.beyond == (
        BeyondContract(offer=0, quarter=0, offered_w=250e3, accepted_w=200e3),
        BeyondContract(offer=1, quarter=0, offered_w=500e3, accepted_w=400e3),
    )
    assert not found.is_whole


def test_what_comes_back_is_bounded_after_the_activation() -> None:
    found = dispatched(ordered(0, 40e3, rebound=Rebound(1.0, first=2, quarters=2)))
    active, back = found.set_points
    assert active.target_w == pytest.approx(60e3)
    assert (back.target_w, back.difference_w) == (None, 0.0)
    assert back.interval == Interval(2 * QUARTER_MS, 4 * QUARTER_MS)
    assert back.most_w == pytest.approx(120e3)


def test_nothing_is_sent_that_breaks_a_limit_and_it_is_said() -> None:
    grid = feeder(14, length_km=6.0, contract_w=300_000)
    pods = range(len(grid.pods))
    wanted = [
        replace(ordered(0, 200e3, up=False), offer=f"offer-{k}", pod=grid.pods[k]) for k in pods
    ]
    found = dispatched(*wanted, grid=grid)
    assert found.cuts
    assert found.beyond == ()
    assert not found.is_whole
    drawn_w = np.full(len(grid.pods), 100e3)
    for point in found.set_points:
        assert point.target_w is not None
        drawn_w[grid.pod(point.pod)] = point.target_w
    drawn_va = (grid.at_nodes(drawn_w) * (1 + 0.3j)).astype(np.complex128)
    voltage_pu = PowerFlow(grid).solve(drawn_va[None], exact=True).voltage_pu
    assert voltage_pu.min() >= 0.95 - 1e-4


def test_a_pod_is_not_sold_twice() -> None:
    with pytest.raises(Rejected, match="is ordered twice") as told:
        dispatched(ordered(0, 1e3), ordered(0, 2e3))
    assert told.value.reason == "sold_twice"


def test_a_pod_may_move_for_one_offer_after_the_other_but_not_into_what_comes_back() -> None:
    first = ordered(0, 20e3, rebound=Rebound(1.0, first=1, quarters=2))
    later = replace(ordered(0, 0, 0, 0, 10e3, up=False), offer="later")
    told = [(each.offer, each.interval.start_ms) for each in dispatched(first, later).set_points]
    assert told == [
        ("offer-0", 0), ("offer-0", QUARTER_MS), ("later", 3 * QUARTER_MS),
    ]  # fmt: skip
    with pytest.raises(Rejected, match="is ordered twice"):
        dispatched(first, replace(ordered(0, 0, 0, 10e3, up=False), offer="later"))


def test_without_orders_nothing_is_sent() -> None:
    assert dispatched(ordered(0, 0.0)).set_points == ()
