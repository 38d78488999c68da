"""Rows that both markets share, on stores that hold what a test puts there."""

from dataclasses import dataclass

import pytest

from central.documents.header import Buyer, Horizon
from central.scd.sessions import RowState
from central.sessions.dso_work import DsoWork
from central.sessions.market_rows import MarketRows
from tests.books import HOUR, SESSION, line_request, offer, tso_request
from tests.desks import DAY, demo
from tests.floors import Scene
from tests.scd import HandClock


@dataclass
class Rows(MarketRows):
    """The shared rows, and no others."""

    @property
    def work(self) -> DsoWork:
        """Return the DSO's part, of which nothing is worked out."""
        desk = self.floor.desk
        return DsoWork(desk, self.name, self.horizon, lambda: desk.forecast_day(DAY))


@pytest.fixture
def scene() -> Scene:
    return Scene(clock=HandClock(HOUR.start_ms))


def rows(scene: Scene) -> Rows:
    return Rows(scene.floor(), SESSION, Horizon.DAY_AHEAD, HOUR)


def test_requests_are_acquired_by_who_asks(scene: Scene) -> None:
    scene.file([line_request({0: 500}), tso_request({1: 800})])
    for buyer in Buyer:
        ended = rows(scene).acquire_requests(buyer)
        assert [each.buyer for each in ended.taken] == [buyer]  # type: ignore[attr-defined]
        assert (ended.state, ended.told) == (RowState.OK, "1 requests")


def test_where_nobody_asks_the_row_says_so(scene: Scene) -> None:
    ended = rows(scene).acquire_requests(Buyer.TSO)
    assert (ended.state, ended.told) == (RowState.NOTHING, "nothing is asked for")


def test_what_is_cleared_is_what_was_acquired(scene: Scene) -> None:
    made = offer(0, pod=int(demo().pods[0][-8:]))
    auction = rows(scene).auction([made], [line_request({0: 500})])
    assert auction.book.offers == (made,)
    assert auction.senders == ["aggregator"]
    assert set(auction.portfolios) == {"aggregator-1", "aggregator-2"}


def test_the_dsos_part_is_for_each_market_to_say(scene: Scene) -> None:
    with pytest.raises(NotImplementedError):
        MarketRows(scene.floor(), SESSION, Horizon.DAY_AHEAD, HOUR).need()
