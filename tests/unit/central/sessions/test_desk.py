"""The desk: it refuses a grid with faults, and looks no further back than it must."""

from dataclasses import replace

import numpy as np
import pytest

from central.calendar import day_start_ms, gate_ms
from central.documents.header import Horizon
from central.dso.forecast.history import History
from central.dso.grid.checking import BadGrid
from central.dso.powerflow import AS_BUILT
from central.sessions.desk import Desk, activation_va
from ledger.facts.interval import Interval
from tests.desks import DAY, desk
from tests.scd import HandClock


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
