"""The desk: it refuses a grid with faults, and looks no further back than it must."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from central.calendar import day_start_ms, gate_ms
from central.documents.header import Horizon
from central.dso.forecast.history import History, Origin
from central.dso.forecast.result import Reason
from central.dso.grid.checking import BadGrid
from central.dso.powerflow import AS_BUILT
from central.market.delivery import Call
from central.sessions.desk import Desk, activation_va
from ledger.facts.interval import QUARTER_MS, Interval
from tests.desks import DAY, demo, desk
from tests.scd import HandClock

NOON_MS = day_start_ms(DAY) + 12 * 3_600_000


def test_a_grid_with_faults_is_not_worked_with() -> None:
    made = desk(1.0)
    broken = replace(made.grid, substations=())
    with pytest.raises(BadGrid, match="has no primary substation"):
        Desk(broken, made.past, None, HandClock(0))


def test_the_past_ends_at_the_gate_and_begins_early_enough() -> None:
    made = desk(1.0)
    asked: list[Interval] = []

    def noted(interval: Interval) -> History:
        asked.append(interval)
        return made.past(interval)

    replace(made, past=noted).forecast_day(DAY)
    (interval,) = asked
    assert interval.end_ms == gate_ms(DAY)
    days = (day_start_ms(DAY) - interval.start_ms) / 86_400_000
    assert days >= made.method.trained_days + made.method.earlier_days


def activated(quarters: int, *, known: bool) -> Desk:
    """Return a desk that sees every third POD move 2 kW in the last quarters before noon.

    Args:
        quarters: how many.
        known: whether that was called for, as far as the desk knows.
    """
    made = desk(1.0)
    pods, first_ms = made.grid.pods[::3], NOON_MS - quarters * QUARTER_MS
    calls = [
        Call(pod=pod, start_ms=start_ms, up_w=2_000)
        for pod in pods
        for start_ms in range(first_ms, NOON_MS, QUARTER_MS)
    ]

    def past(interval: Interval) -> History:
        usual = made.past(interval)
        power_w = usual.power_w.copy()
        for each in calls:
            row, at = usual.pods.index(each.pod), usual.position(each.start_ms)
            if 0 <= at < power_w.shape[1] and usual.origin[row, at] != Origin.MISSING:
                power_w[row, at] -= each.up_w
        return replace(usual, power_w=power_w)

    def told(span: Interval, by_ms: int) -> list[Call]:
        assert span.end_ms <= by_ms
        return [each for each in calls if known and each.start_ms in span]

    return Desk(made.grid, past, made.weather, HandClock(0), moves=told)


@pytest.mark.parametrize("quarters", [1, 4, 16])
def test_what_is_called_for_now_is_not_expected_of_the_next_hours(quarters: int) -> None:
    usual_w = desk(1.0).forecast_hours(NOON_MS).mean_w
    known, unknown = (
        activated(quarters, known=each).forecast_hours(NOON_MS) for each in (True, False)
    )
    np.testing.assert_allclose(known.mean_w, usual_w, atol=1e-3)
    assert (unknown.mean_w - usual_w)[:, 0].sum() < -3e4
    count = quarters * len(demo().pods[::3])
    said = f"what was called for, or came back of it, in {count} quarters is taken out"
    assert [each.said for each in known.notes if each.reason is Reason.CALLED] == [said]
    assert all(each.reason is not Reason.CALLED for each in unknown.notes)


def test_what_was_called_for_is_not_learnt() -> None:
    day = DAY + timedelta(days=1)
    known_w, unknown_w = (
        activated(36, known=each).forecast_day(day).mean_w for each in (True, False)
    )
    usual_w = desk(1.0).forecast_day(day).mean_w
    np.testing.assert_allclose(known_w, usual_w, atol=1e-3)
    assert np.abs(unknown_w - usual_w).max() > 10


def test_documents_have_a_header_of_the_dso() -> None:
    envelope = desk(1.0, HandClock(123)).envelope("market")
    assert (envelope.sender, envelope.receiver, envelope.created_ms) == ("dso", "market", 123)


def test_an_activation_upwards_draws_less() -> None:
    made = desk(2.2)
    expected = made.expected(made.forecast_day(DAY), Horizon.DAY_AHEAD)
    need = made.need(expected, made.assess(expected, AS_BUILT))
    changed_w = activation_va(need).real.sum(axis=1)
    assert np.allclose(changed_w, (need.down_w - need.up_w).sum(axis=1))
    assert changed_w.min() < 0
