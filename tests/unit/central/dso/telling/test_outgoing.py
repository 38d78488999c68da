"""Results as documents: every figure the same, in the documents' units, and canonical."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.configuration import Effect, SwitchState
from central.documents.elements import Bound
from central.documents.encoding import decode, encode, from_json, to_json
from central.documents.header import Document, Envelope, Horizon
from central.dso.assessment import assess
from central.dso.expectation import Expectation, expected
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.profile import substation_profile
from central.dso.remedies.plan import Plan, plan_own_means
from central.dso.telling.elements import kept_free
from central.dso.telling.outgoing import congestion_alert, grid_configuration, profile_document
from ledger.facts.interval import QUARTER_MS, Interval
from tests.grids import feeder

START_MS = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS
ENVELOPE = Envelope(
    mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11",
    created_ms=START_MS - 3_600_000,
    sender="dso",
    receiver="scada",
)
MARGIN = Margin()


def day(grid: Grid, *power_w: float, **scenarios: float) -> Expectation:
    mean = np.tile(np.array(power_w), (len(grid.pods), 1))
    return expected(grid, START_MS, {"mean": mean} | {k: mean * v for k, v in scenarios.items()})


def planned(grid: Grid, *power_w: float) -> Plan:
    return plan_own_means(PowerFlow(grid), day(grid, *power_w), setting=AS_BUILT, margin=MARGIN)


def round_trip(document: Document) -> None:
    assert decode(encode(document)) == document == from_json(to_json(document))


def test_an_alert_says_where_when_how_far_and_why() -> None:
    grid = feeder(14, length_km=2.0)
    assessed = assess(PowerFlow(grid), day(grid, 50e3, 600e3, p95=1.2), margin=MARGIN)
    alert = congestion_alert(grid, assessed, ENVELOPE, Horizon.DAY_AHEAD, 0.95)
    assert alert.validity == Interval(START_MS, START_MS + 2 * QUARTER_MS)
    assert alert.scenarios == ("expected", "p95")
    assert alert.confidence_permille == 950
    assert alert.margin == kept_free(MARGIN)
    assert len(alert.violations) == len(assessed.congestions)
    worst = max(
        (c for c in assessed.congestions if c.bound.is_voltage), key=lambda c: c.limit - c.value
    )
    told = {
        (alert.elements[v.position].element, alert.elements[v.position].bound, v.scenario): v
        for v in alert.violations
    }[worst.element, Bound.UNDERVOLTAGE, worst.scenario]
    assert told.excess_milli == pytest.approx((worst.limit - worst.value) * 20e6, abs=1)
    assert (told.start_ms, told.cause) == (START_MS + QUARTER_MS, "load")
    element = alert.elements[told.position]
    assert (element.rated_milli, element.limit_milli, element.margin_milli) == (
        20_000_000, 19_000_000, 100_000,
    )  # fmt: skip
    line = next(each for each in alert.elements if each.bound is Bound.LINE)
    assert (line.rated_milli, line.margin_milli) == (145_000, 2_900)
    assert len({(each.element, each.bound) for each in alert.elements}) == len(alert.elements)
    round_trip(alert)


def test_an_alert_names_the_outage_and_whom_nobody_can_feed() -> None:
    grid = feeder(14, length_km=2.0, rings=1, seed=10)
    ring = Setting(closed=np.ones(len(grid.branches), dtype=bool))
    drawn = day(grid, 300e3)
    assessed = assess(PowerFlow(grid), drawn, setting=ring, margin=MARGIN, outages=True)
    alert = congestion_alert(grid, assessed, ENVELOPE, Horizon.REAL_TIME, 0.5)
    assert all(each.scenario.startswith("expected without L") for each in alert.violations)
    assert len(alert.unsolved) == len(assessed.cut_off) > 0
    assert all("feeds" in each.why for each in alert.unsolved)
    round_trip(alert)


def test_own_means_are_told_move_by_move_with_their_effect() -> None:
    grid = feeder(14, length_km=6.0)
    plan = planned(grid, 100e3, 200e3, 230e3)
    told = grid_configuration(
        grid, plan, ENVELOPE, Horizon.DAY_AHEAD, 0.9, avoided_w={2: 150e3, 0: 0.2}, avoided_eur=1.5
    )
    assert told.effect is Effect.SOLVED
    assert [(m.transformer, m.from_tap, m.to_tap) for m in told.taps] == [
        (m.device, m.before, m.after) for m in plan.moves
    ]
    assert told.before
    assert told.after == ()
    assert told.because == plan.reason
    assert [(q.start_ms, q.power_w) for q in told.avoided] == [(START_MS + 2 * QUARTER_MS, 150_000)]
    assert told.avoided_ueur == 1_500_000
    round_trip(told)


@pytest.mark.parametrize(
    ("grid", "power_w", "effect"),
    [
        (feeder(14), 50e3, Effect.NOT_NEEDED),
        (feeder(14, length_km=2.0), 600e3, Effect.REDUCED),
        (replace(feeder(14, length_km=2.0), taps=()), 600e3, Effect.NOTHING_HELPS),
    ],
)
def test_the_effect_is_what_the_figures_show(grid: Grid, power_w: float, effect: Effect) -> None:
    told = grid_configuration(
        grid, planned(grid, power_w), ENVELOPE, Horizon.DAY_AHEAD, 0.9, avoided_w={}, avoided_eur=0
    )
    assert told.effect is effect
    assert told.because
    round_trip(told)


def test_switches_are_told_by_their_state() -> None:
    grid = replace(feeder(20, seed=4, rings=4), taps=())
    told = grid_configuration(
        grid, planned(grid, 255e3), ENVELOPE, Horizon.DAY_AHEAD, 0.9, avoided_w={}, avoided_eur=0
    )
    assert {each.state for each in told.switches} == {SwitchState.OPEN, SwitchState.CLOSED}
    round_trip(told)


@pytest.mark.parametrize("moved_w", [0.0, 5e3])
def test_the_profile_is_told_transformer_by_transformer_and_its_account_closes(
    moved_w: float,
) -> None:
    grid = feeder(12)
    expectation = day(grid, 100e3, -200e3)
    moved_va = np.where(expectation.drawn_va[0] != 0, moved_w + 0j, 0)
    profile = substation_profile(
        PowerFlow(grid), expectation, "before_tso_request", activated_va=moved_va
    )
    told = profile_document(
        profile, "PS", expectation,
        envelope=ENVELOPE, horizon=Horizon.DAY_AHEAD,
    )  # fmt: skip
    assert [each.power_w for each in told.transformers] == [
        round(float(power_w)) for power_w in profile.power_w[0]
    ]
    for quarter, balance in zip(told.transformers, told.balance, strict=True):
        supplied_w = balance.load_w - balance.generation_w + balance.losses_w
        assert supplied_w == pytest.approx(quarter.power_w, abs=2)
        assert abs(balance.residual_w) <= 1
    given_w = [each.generation_w for each in told.balance]
    assert given_w == [0, round(10 * (200e3 - moved_w))], "with what is moved in it"
    assert told.confidence_permille == 500, "the mean alone was solved"
    round_trip(told)
