"""The DSO before the day-ahead market, on the demo grid: row by row, document by document."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.configuration import Effect, GridConfiguration
from central.documents.congestion import CongestionAlert
from central.documents.encoding import decode, encode
from central.documents.header import Direction
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.dso.forecast.history import History
from central.dso.limits import Limits, violations
from central.dso.powerflow import PowerFlow
from central.sessions.desk import activation_va
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.steps import Outcome
from ledger.errors import Rejected
from ledger.facts.interval import Interval
from tests.desks import DAY, desk

ROWS = ["DA-3a", "DA-4a", "DA-5a", "DA-6a", "DA-7a", "DA-8a", "DA-9a"]


@pytest.fixture(scope="module")
def strained() -> Outcome:
    return dso_day_ahead(desk(2.2), DAY)


def documents(outcome: Outcome, kind: type) -> list[object]:
    return [each for each in outcome.documents if isinstance(each, kind)]


def test_every_row_is_gone_through_and_every_document_is_canonical(strained: Outcome) -> None:
    assert strained.steps == ROWS
    assert [each.ii for each in strained.documents] == ["I-10", "I-11", "I-12", "I-06", "I-06"]
    assert len({each.mrid for each in strained.documents}) == len(strained.documents)
    for each in strained.documents:
        assert decode(encode(each)) == each


def test_own_means_solve_what_they_can_and_the_rest_is_asked_for(strained: Outcome) -> None:
    (alert,) = documents(strained, CongestionAlert)
    (configuration,) = documents(strained, GridConfiguration)
    assert isinstance(alert, CongestionAlert)
    assert isinstance(configuration, GridConfiguration)
    assert {each.bound.value for each in alert.elements} >= {"undervoltage", "line"}
    assert configuration.effect is Effect.REDUCED
    assert configuration.taps
    assert len(configuration.after) < len(configuration.before)
    assert configuration.avoided
    assert configuration.avoided_ueur > 0


def test_with_what_is_asked_for_the_grid_holds(strained: Outcome) -> None:
    made = desk(2.2)
    requests = [r for r in strained.documents if isinstance(r, FlexRequest)]
    assert [each.direction for each in requests] == [Direction.UP, Direction.DOWN]
    for request in requests:
        assert request.sensitivities
        assert request.violations
    expectation = strained.expected.expectation
    drawn_va = expectation.drawn_va[0] + activation_va(strained.need)
    flow = PowerFlow(made.grid).solve(drawn_va, strained.plan.setting, exact=True)
    assert violations(made.grid, flow, Limits.of(made.grid, made.margin), slack=1e-4) == []
    asked_w = sum(q.power_w for q in requests[0].quarters)
    assert asked_w == pytest.approx(strained.need.up_w.sum(), rel=1e-3)


def test_the_profile_has_the_dsos_own_activation_in_it(strained: Outcome) -> None:
    (profile,) = documents(strained, SubstationProfile)
    assert isinstance(profile, SubstationProfile)
    supplied_w = np.zeros(96)
    for each in profile.transformers:
        supplied_w[(each.start_ms - profile.validity.start_ms) // 900_000] += each.power_w
    drawn_w = strained.expected.expectation.drawn_va[0].real.sum(axis=1)
    changed_w = activation_va(strained.need).real.sum(axis=1)
    losses_w = np.array([each.losses_w for each in profile.balance])
    assert np.allclose(supplied_w, drawn_w + changed_w + losses_w, atol=3.0)
    told_w = np.array([each.load_w - each.generation_w for each in profile.balance])
    assert np.allclose(told_w, drawn_w + changed_w, atol=3.0), "the account that is told closes"


def test_a_quiet_day_asks_for_nothing() -> None:
    outcome = dso_day_ahead(desk(0.5), DAY)
    assert [each.ii for each in outcome.documents] == ["I-10", "I-11", "I-12"]
    assert outcome.plan.moves == ()
    assert not outcome.need.up_w.any()


def test_progress_tells_rows_and_devices() -> None:
    told: list[str] = []
    dso_day_ahead(desk(2.2), DAY, progress=told.append)
    assert [each for each in told if each.startswith("DA-")] == ROWS
    assert "TR-1" in told


def test_without_a_past_nothing_is_forecast() -> None:
    made = desk(1.0)

    def nothing(interval: Interval) -> History:
        past = made.past(interval)
        return replace(past, power_w=np.zeros_like(past.power_w), origin=np.zeros_like(past.origin))

    with pytest.raises(Rejected):
        dso_day_ahead(replace(made, past=nothing), DAY)
