"""Own means on their way to SCADA: what is said, and where the plan starts from."""

import logging

import numpy as np
import pytest

from central.calendar import day_start_ms
from central.documents.configuration import GridConfiguration
from central.dso.remedies.stepped import devices
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_real_time import dso_real_time
from central.sessions.scada import Standing, hand_over, setting_of
from ledger.errors import Unavailable
from tests.desks import DAY, demo, desk
from tests.documents import CONFIGURATION
from tests.fakes.dso_scada import FakeScada
from tests.scd import HandClock


def test_without_scada_that_is_said_in_words_and_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "central"):
        assert "no SCADA is configured" in hand_over(None, CONFIGURATION)
    (record,) = caplog.records
    assert record.message == "session.no_scada"
    assert vars(record)["because"] == CONFIGURATION.because
    assert vars(record)["moves"] == 3


def test_a_refusal_is_logged_and_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    scada = FakeScada(CONFIGURATION.validity.start_ms, {})
    with pytest.raises(Exception, match="no"):
        hand_over(scada, CONFIGURATION)
    assert caplog.records[-1].message == "session.scada_failed"


def test_the_plan_starts_where_the_plant_stands() -> None:
    grid = demo()
    first = devices(grid)[0]
    setting = setting_of(grid, Standing({first.name: 3, "of another grid": 1}, {}))
    assert setting.tap_pos is not None
    moved = setting.tap_pos != grid.tap_pos
    assert moved.sum() == 1
    assert setting.tap_pos[moved] == [3]
    np.testing.assert_array_equal(setting.capacitor_steps, grid.capacitor_steps)


def test_nothing_is_asked_of_the_market_when_scada_is_away() -> None:
    begun: list[str] = []

    def away(configuration: GridConfiguration) -> None:
        assert configuration.because
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        dso_day_ahead(desk(2.2), DAY, progress=begun.append, carry_out=away)
    rows = [row for row in begun if row.startswith("DA-")]
    assert rows == ["DA-3a", "DA-4a", "DA-5a", "DA-6a"]


def test_in_real_time_a_changer_moves_from_where_it_stands() -> None:
    """The plan of the next hours is taken by a SCADA whose changer has moved before."""
    made, now_ms = desk(2.2, HandClock(day_start_ms(DAY))), day_start_ms(DAY) + 19 * 3_600_000
    name = devices(made.grid)[0].name
    scada = FakeScada(now_ms + 4 * 3_600_000 - 1, {each.name: 0 for each in devices(made.grid)})
    scada.taps[name] = 2
    taken: list[GridConfiguration] = []

    def carry_out(configuration: GridConfiguration) -> None:
        taken.append(configuration)
        hand_over(scada, configuration)

    setting = setting_of(made.grid, scada.standing())
    outcome = dso_real_time(made, now_ms, [], {}, setting=setting, carry_out=carry_out)
    moved = [move for move in taken[0].taps if move.transformer == name]
    assert moved, "the case is too easy"
    assert moved[0].from_tap == 2
    assert scada.taps[name] == moved[-1].to_tap
    assert taken[0] in outcome.documents
