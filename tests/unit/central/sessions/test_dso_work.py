"""The DSO's part of a session: each part is worked out once, and only when it is asked for."""

import numpy as np
import pytest

from central.calendar import day_interval
from central.documents.configuration import GridConfiguration
from central.documents.header import Horizon
from central.documents.request import FlexRequest
from central.dso.forecast.result import Forecast
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_work import DsoWork
from tests.desks import DAY, desk

DAY_END_MS = day_interval(DAY).end_ms


def test_it_says_what_the_dsos_own_session_says() -> None:
    own = dso_day_ahead(desk(2.2), DAY)
    asked: list[int] = []
    made = desk(2.2)

    def forecasting() -> Forecast:
        asked.append(1)
        return made.forecast_day(DAY)

    work = DsoWork(made, f"day-ahead {DAY}", Horizon.DAY_AHEAD, forecasting)
    assert not asked, "nothing is worked out before it is asked for"
    documents = [work.alert(), work.configuration(), *work.profiles(), *work.requests()]
    assert asked == [1]
    assert [each.ii for each in documents] == [each.ii for each in own.documents]
    assert work.need.up_w.sum() == own.need.up_w.sum()
    (configuration,) = (each for each in own.documents if isinstance(each, GridConfiguration))
    assert work.configuration().taps == configuration.taps
    expiring = {each.expires_ms for each in own.documents if isinstance(each, FlexRequest)}
    assert expiring == {each.expires_ms for each in work.requests()} == {DAY_END_MS}


@pytest.mark.parametrize("peak_share", [2.2, 2.6])
def test_steps_that_mend_and_are_not_confirmed_are_not_tried_again_for_ever(
    peak_share: float,
) -> None:
    """At the first share every limit can be kept; at the second two quarters lack resources."""
    made = desk(peak_share)
    work = DsoWork(made, "s", Horizon.DAY_AHEAD, lambda: made.forecast_day(DAY))
    assert work.need.rounds.max() > 4, "the case is too easy"
    assert work.need.settled.all()
    assert bool(work.need.residual) == (peak_share > 2.2)


def test_only_pods_in_the_market_are_counted_on() -> None:
    made = desk(2.2)
    few = frozenset(each.pod for each in made.grid.connections[:3])
    work = DsoWork(
        made, "s", Horizon.DAY_AHEAD, lambda: made.forecast_day(DAY), active=few
    )  # fmt: skip
    assert len(work.need.resources.node) == len(few)
    assert work.need.residual, "three customers cannot solve it, and that is said"


def test_what_is_bought_already_is_not_needed_again() -> None:
    made = desk(2.2)

    def session(bought_w: float) -> DsoWork:
        return DsoWork(
            made, "s", Horizon.REAL_TIME, lambda: made.forecast_day(DAY),
            bought=lambda expectation: np.full(expectation.drawn_va.shape[1:], -bought_w + 0j),
        )  # fmt: skip

    without, with_it = session(0.0), session(400.0)
    change_va = with_it.expected.expectation.drawn_va - without.expected.expectation.drawn_va
    np.testing.assert_allclose(change_va, -400.0)
    assert 0 < with_it.need.up_w.sum() < without.need.up_w.sum()
