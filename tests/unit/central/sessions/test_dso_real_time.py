"""The DSO before the real-time market: what the field shows, and the next four hours."""

from dataclasses import replace

import numpy as np
import pytest

from central.calendar import day_start_ms
from central.documents.congestion import CongestionAlert
from central.documents.encoding import decode, encode
from central.documents.measurement import (
    BreakerReading,
    BreakerState,
    FieldMeasurements,
    PhaseReading,
    SensorReading,
)
from central.dso.estimation.measuring import Metered
from central.dso.grid.model import Grid, Phasors
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.telling.incoming import heard
from central.dsos.screen import seen_figures
from central.market.delivery import Call
from central.sessions.dso_real_time import dso_real_time
from ledger.facts.interval import QUARTER_MS, Interval
from tests.desks import DAY, demo, demo_history, desk

NOW_MS = day_start_ms(DAY) + 12 * 3_600_000
SHARE = 1.0
ROWS = ["RT-1a", "RT-2a", "RT-3a", "RT-4a", "RT-5a", "RT-6a", "RT-7a"]


def true_va() -> Phasors:
    """Return what each POD of the demo grid draws in the quarter that begins now."""
    history = demo_history(SHARE)
    power_w = history.power_w[:, history.position(NOW_MS)]
    return (power_w * (1 + 1j * demo().tan_phi)).astype(np.complex128)


def state(grid: Grid, above_pu: float | None = None) -> tuple[Phasors, Phasors]:
    """Return the true voltages [pu] and powers into branches [VA] now."""
    setting = AS_BUILT if above_pu is None else Setting(source_pu=np.array([above_pu]))
    drawn_va = grid.at_nodes(true_va().real) + 1j * grid.at_nodes(true_va().imag)
    flow = PowerFlow(grid).solve(drawn_va[None], setting, exact=True)
    return flow.u_pu[0], flow.from_va[0]


def document(
    *sensors: SensorReading, breakers: tuple[BreakerReading, ...] = ()
) -> FieldMeasurements:
    return FieldMeasurements(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=NOW_MS, sender="field",
        receiver="dso", validity=Interval(NOW_MS - 900_000, NOW_MS + 900_000),
        sensors=tuple(sorted(sensors, key=lambda one: one.sensor)), breakers=breakers,
    )  # fmt: skip


def field(grid: Grid, *, lying: str = "", above_pu: float | None = None) -> FieldMeasurements:
    """Return what every sensor of the grid sees, without noise; one may lie."""
    u_pu, from_va = state(grid, above_pu)
    seen = []
    for sensor in grid.sensors:
        if sensor.kind == "breaker":
            continue
        node = sensor.node if sensor.node is not None else int(grid.branch_from[sensor.branch or 0])
        voltage_mv = round(float(abs(u_pu[node]) * grid.rated_v[node]) * 1000)
        power_va = complex(from_va[sensor.branch]) if sensor.branch is not None else 0j
        if sensor.name == lying:
            power_va = -power_va
            voltage_mv = round(voltage_mv * 1.06)
        seen.append(
            SensorReading(
                sensor=sensor.name, measured_ms=NOW_MS - 4_000, voltage_sigma_mv=voltage_mv // 300,
                current_sigma_ma=None, power_sigma_w=max(2_000, round(abs(power_va) / 100)),
                reactive_power_sigma_var=max(2_000, round(abs(power_va) / 100)),
                phases=(PhaseReading(
                    phase=None, voltage_mv=voltage_mv, current_ma=None,
                    power_w=None if sensor.branch is None else round(power_va.real),
                    reactive_power_var=None if sensor.branch is None else round(power_va.imag),
                ),),
            )
        )  # fmt: skip
    return document(*seen)


def test_the_estimate_is_closer_than_the_forecast_and_rows_are_gone_through() -> None:
    made = desk(SHARE)
    outcome = dso_real_time(made, NOW_MS, [field(made.grid)], {})
    assert outcome.steps == ROWS
    assert outcome.shown is not None
    true_pu = np.abs(state(made.grid)[0])
    forecast_va = outcome.expected.expectation.drawn_va[0, :1]
    forecast_pu = PowerFlow(made.grid).solve(forecast_va).voltage_pu[0]
    estimated = np.linalg.norm(np.abs(outcome.shown.estimate.u_pu) - true_pu)
    assert estimated < 0.5 * np.linalg.norm(forecast_pu - true_pu)
    for each in outcome.documents:
        assert decode(encode(each)) == each


@pytest.mark.parametrize(("after_s", "share"), [(0, -0.5), (450, 0.0), (899, 0.499)])
def test_what_nobody_measures_is_forecast_for_the_instant(after_s: int, share: float) -> None:
    """A quarter's mean is met in its middle; the next quarter's alone would be ahead of it."""
    made, now_ms = desk(SHARE), NOW_MS + after_s * 1_000
    forecast = made.forecast_hours(NOW_MS)
    order = [forecast.pods.index(pod) for pod in made.grid.pods]
    this_w, next_w = forecast.mean_w[order, 0], forecast.mean_w[order, 1]
    estimate = made.estimate(now_ms, AS_BUILT, heard(made.grid, [], now_ms), {})
    wanted_w = made.grid.at_nodes(this_w + share * (next_w - this_w))
    at = np.unique(made.grid.pod_node)
    np.testing.assert_allclose(estimate.drawn_va.real[at], wanted_w[at], rtol=1e-3, atol=300)
    assert np.abs(next_w - this_w).sum() > 1e4


def test_what_is_called_for_now_is_taken_to_be_delivered() -> None:
    made, pod = desk(SHARE), demo().pods[4]

    def calls(span: Interval, by_ms: int) -> list[Call]:
        """Return calls of one POD in the quarter under way, in one span known and one not yet."""
        assert by_ms == NOW_MS
        every = [(NOW_MS - QUARTER_MS, 7_000), (NOW_MS, 5_000), (NOW_MS + QUARTER_MS, 9_000)]
        told = [Call(pod=pod, start_ms=start_ms, up_w=up_w) for start_ms, up_w in every]
        return [each for each in told if each.start_ms in span and each.start_ms >= NOW_MS]

    seen = heard(made.grid, [], NOW_MS)
    usual = made.estimate(NOW_MS, AS_BUILT, seen, {})
    moved = replace(made, moves=calls).estimate(NOW_MS, AS_BUILT, seen, {})
    less_w = usual.drawn_va.real - moved.drawn_va.real
    node = made.grid.connections[4].node
    assert less_w[node] == pytest.approx(5_000, abs=100)
    others = np.setdiff1d(made.grid.pod_node, node)
    assert np.abs(less_w[others]).max() < 100


def test_certified_readings_take_part() -> None:
    made = desk(SHARE)
    truth = dict(zip(made.grid.pods, true_va(), strict=True))
    metered = {pod: Metered(truth[pod].real, truth[pod].imag) for pod in made.grid.pods[:20]}
    outcome = dso_real_time(made, NOW_MS, [field(made.grid)], metered)
    assert outcome.shown is not None
    told = seen_figures(made, outcome.shown)["seen"]
    assert told["metered_pods"] == sorted(metered)
    assert told["switched"] == {}
    assert "VC-MV-1" in told["sensors"]
    node = made.grid.connections[0].node
    here = [truth[each.pod] for each in made.grid.connections if each.node == node]
    if all(each.pod in metered for each in made.grid.connections if each.node == node):
        assert outcome.shown.estimate.drawn_va[node] == pytest.approx(sum(here), abs=3e3)


def test_a_sensor_that_lies_is_named() -> None:
    made = desk(SHARE)
    liar = next(s.name for s in made.grid.sensors if s.branch is not None and s.kind != "breaker")
    outcome = dso_real_time(made, NOW_MS, [field(made.grid, lying=liar)], {})
    assert outcome.shown is not None
    assert liar in {each.measurement.name for each in outcome.shown.estimate.liars}
    told = seen_figures(made, outcome.shown)["seen"]
    assert told["does_not_fit"][liar] > 3


def test_a_voltage_that_sensors_see_above_is_reckoned_with_in_the_next_hours() -> None:
    made = desk(SHARE)
    usual = dso_real_time(made, NOW_MS, [field(made.grid, above_pu=1.03)], {})
    low = dso_real_time(made, NOW_MS, [field(made.grid, above_pu=0.96)], {})
    for outcome, above_pu in ((usual, 1.03), (low, 0.96)):
        assert outcome.shown is not None
        assert outcome.shown.supply_pu == pytest.approx(above_pu, abs=2e-3)
    source = made.grid.source_nodes[0]
    lower_pu = (usual.assessed.flow.voltage_pu - low.assessed.flow.voltage_pu)[:, source]
    np.testing.assert_allclose(lower_pu, 0.07, atol=3e-3)
    plans = [(each.plan.setting.tap_pos, each.plan.setting.source_pu) for each in (usual, low)]
    assert all(above_pu is not None for _, above_pu in plans), "what follows reckons with it too"


def test_a_line_switched_out_changes_what_is_assessed() -> None:
    made = desk(SHARE)
    out = BreakerReading(breaker="L-8-9", measured_ms=NOW_MS - 1_000, state=BreakerState.OPEN)
    before = dso_real_time(made, NOW_MS, [], {})
    after = dso_real_time(made, NOW_MS, [document(breakers=(out,))], {})
    assert after.shown is not None
    assert not after.shown.seen.closed[made.grid.branch("L-8-9")]
    dark = after.assessed.flow.voltage_pu[0] == 0
    assert dark[made.grid.node("MV-9")]
    assert not (before.assessed.flow.voltage_pu[0] == 0).any()
    told = seen_figures(made, after.shown)["seen"]
    assert told["switched"] == {"L-8-9": "open"}
    assert told["silent"] == sorted(sensor.name for sensor in made.grid.sensors)
    assert (told["sensors"], told["metered_pods"]) == ([], [])
    alert = after.documents[0]
    assert isinstance(alert, CongestionAlert)
    assert alert.unsolved[0].why.startswith("nothing feeds MV-9")


def test_without_sensors_the_forecast_stands_and_it_is_said() -> None:
    outcome = dso_real_time(desk(SHARE), NOW_MS, [], {})
    assert outcome.shown is not None
    assert outcome.shown.estimate.notes[0].startswith("no voltage is measured")
    assert len(outcome.shown.seen.silent) == len(demo().sensors)


def test_four_hours_are_assessed_from_the_next_quarter_on() -> None:
    outcome = dso_real_time(replace(desk(SHARE)), NOW_MS + 60_000, [], {})
    assert outcome.expected.expectation.quarters == 16
    assert outcome.expected.expectation.start_ms == NOW_MS + 900_000
