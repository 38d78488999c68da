"""The need as requests: volumes, the table of who can help, and what nobody can solve."""

import numpy as np
import pytest

from central.documents.encoding import decode, encode
from central.documents.header import Direction, Envelope, Horizon
from central.documents.request import FlexRequest
from central.dso.assessment import assess
from central.dso.expectation import expected
from central.dso.grid.model import Floats, Grid
from central.dso.limits import Margin
from central.dso.participating import assumed_resources
from central.dso.powerflow import PowerFlow
from central.dso.requesting import Need, Resources, size_need
from central.dso.telling.requests import flex_requests
from central.market.limits import grid_limits
from ledger.facts.interval import QUARTER_MS
from tests.grids import feeder

START_MS = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS
GRID = feeder(14, length_km=6.0)


def sized(grid: Grid, *power_w: float, flexible_pct: float = 40.0) -> Need:
    return sized_of(grid, np.tile(power_w, (len(grid.pods), 1)), flexible_pct)


def sized_of(grid: Grid, power_w: Floats, flexible_pct: float) -> Need:
    expectation = expected(grid, START_MS, {"mean": power_w})
    flow = PowerFlow(grid)
    assessed = assess(flow, expectation, margin=Margin())
    resources = assumed_resources(grid, expectation, flexible_pct)
    return size_need(flow, assessed, resources, confidence=0.95)


def asked(grid: Grid, need: Need) -> tuple[FlexRequest, ...]:
    mrids = ("0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", "1d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11")
    return flex_requests(
        grid, need, [Envelope(mrid=m, created_ms=START_MS, sender="dso", receiver="market")
                     for m in mrids],
        session="test", horizon=Horizon.DAY_AHEAD, expires_ms=START_MS,
        maximum_price_eur_per_mwh=500.0, reliability=0.9,
    )  # fmt: skip


def test_low_voltage_asks_for_less_at_the_end_of_the_line() -> None:
    need = sized(GRID, 100e3, 220e3)
    (request,) = asked(GRID, need)
    assert decode(encode(request)) == request
    assert (request.direction, request.reason.value) == (Direction.UP, "undervoltage")
    assert [q.start_ms for q in request.quarters] == [START_MS + QUARTER_MS]
    assert request.quarters[0].power_w == pytest.approx(need.up_w[1].sum(), abs=1)
    assert request.maximum_price_ueur_per_mwh == 500_000_000
    assert (request.reliability_permille, request.confidence_permille) == (900, 950)
    assert request.unsolved == ()


def test_high_voltage_asks_for_more() -> None:
    (request,) = asked(GRID, sized(GRID, -80e3))
    assert (request.direction, request.reason.value) == (Direction.DOWN, "overvoltage")
    assert all(each.cause == "generation" for each in request.violations)


def test_each_direction_speaks_of_the_limits_that_it_relieves() -> None:
    """One feeder gives too much and another takes too much, in the same quarter."""
    grid = feeder(14, feeders=2, length_km=10.0, rating_a=40.0, contract_w=2_000_000)
    power_w = np.where(grid.pod_node < 8, -220e3, 180e3)[:, None]
    up, down = asked(grid, sized_of(grid, power_w, flexible_pct=90.0))
    assert (up.direction, up.reason.value) == (Direction.UP, "line")
    assert (down.direction, down.reason.value) == (Direction.DOWN, "overvoltage")
    told = [
        {(each.elements[one.position].element, one.cause) for one in each.violations}
        for each in (up, down)
    ]
    assert told[0] == {("L1-8", "load")}
    assert told[1] == {(name, "generation") for name in ("N4", "N5", "N7", "L1-2")}
    for each in (up, down):
        assert "L1-8" in {one.element for one in each.elements}, "it must hold all the same"


def test_what_nothing_relieves_is_told_all_the_same() -> None:
    """The market reads from the violations what must be reached; nobody can help the second."""
    grid = feeder(14, feeders=2, length_km=10.0, rating_a=40.0, contract_w=2_000_000)
    power_w = np.where(grid.pod_node < 8, -220e3, 180e3)[:, None]
    expectation = expected(grid, START_MS, {"mean": power_w})
    flow = PowerFlow(grid)
    able_w = np.where(grid.pod_node < 8, 900e3, 0.0)[None, :]
    resources = Resources.of(grid.pod_node, 0 * able_w, able_w)
    need = size_need(flow, assess(flow, expectation, margin=Margin()), resources, confidence=0.95)
    (down,) = asked(grid, need)
    assert down.direction is Direction.DOWN
    assert ("L1-8", "load") in {
        (down.elements[one.position].element, one.cause) for one in down.violations
    }
    (row,) = (place for place, each in enumerate(grid_limits([down], 10**9).rows)
              if each.element == "L1-8")  # fmt: skip
    assert grid_limits([down], 10**9).need_w[row] > 0


def test_a_line_that_power_runs_back_through_has_generation_as_its_cause() -> None:
    grid = feeder(8, length_km=0.2, rating_a=20.0, contract_w=4_000_000)
    need = sized(grid, -250e3)
    (request,) = asked(grid, need)
    assert (request.direction, request.reason.value) == (Direction.DOWN, "line")
    causes = {each.cause for each in need.assessment.congestions}
    assert {each.cause for each in request.violations} == causes == {"generation"}


def test_the_table_predicts_what_a_kilowatt_does() -> None:
    need = sized(GRID, 220e3)
    (request,) = asked(GRID, need)
    flow = PowerFlow(GRID)
    drawn_va = need.assessment.expectation.drawn_va[0].copy()
    drawn_va[0] -= need.at_nodes(need.up_w)[0] * (1 + 0.3j)
    for row in request.sensitivities:
        element = request.elements[row.position]
        node = GRID.node(element.element)
        for place, name in enumerate(request.nodes):
            more = drawn_va.copy()
            more[0, GRID.node(name)] += 1000.0
            low, high = (
                flow.solve(va, exact=True).voltage_pu[0, node] * 20e3 for va in (drawn_va, more)
            )
            told_v = row.p_nano_per_w[place] * 1e-9 * 1000
            assert told_v == pytest.approx(high - low, rel=0.01, abs=1e-3)


def test_what_cannot_be_solved_is_told_with_its_place() -> None:
    need = sized(GRID, 260e3, flexible_pct=1.0)
    (request,) = asked(GRID, need)
    assert need.residual
    assert len(request.unsolved) == len(need.residual)
    worst = max(request.unsolved, key=lambda each: each.residual_milli)
    assert worst.position is not None
    broken = max(need.residual, key=lambda each: each.excess)
    assert request.elements[worst.position].element == broken.name(GRID)
    assert worst.residual_milli == pytest.approx(broken.excess * 20e6, abs=1)


def test_nothing_is_asked_for_where_nothing_is_needed() -> None:
    assert asked(GRID, sized(GRID, 120e3)) == ()
