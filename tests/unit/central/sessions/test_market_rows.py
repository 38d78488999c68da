"""Rows that both markets share, on stores that hold what a test puts there."""

from dataclasses import dataclass, replace

import pytest

from central.documents.header import Buyer, Horizon
from central.documents.request import FlexRequest
from central.market.gates import Gates
from central.scd.sessions import RowState
from central.sessions.admitting import zones_of
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
    return Scene(clock=HandClock(HOUR.start_ms - 1))


def rows(scene: Scene) -> Rows:
    gates = Gates(
        session=SESSION, horizon=Horizon.DAY_AHEAD, interval=HOUR, own=HOUR, opens_ms=0,
        closes_ms=HOUR.start_ms, publishes_ms=HOUR.start_ms,
    )  # fmt: skip
    return Rows(scene.floor(), gates)


def here(request: FlexRequest) -> FlexRequest:
    """Return a request about the demo grid."""
    names = tuple(node.name for node in demo().nodes[: len(request.nodes)])
    (area,) = set(zones_of(demo()).values())
    return replace(request, primary_substation=area, nodes=names)


def test_requests_are_acquired_by_who_asks(scene: Scene) -> None:
    scene.file([here(line_request({0: 500})), here(tso_request({1: 800}))])
    for buyer in Buyer:
        ended = rows(scene).acquire_requests(buyer)
        assert [each.buyer for each in ended.taken if isinstance(each, FlexRequest)] == [buyer]
        assert (ended.state, ended.told) == (RowState.OK, "1 requests")


def test_a_request_that_may_not_be_admitted_is_named_with_its_reason(scene: Scene) -> None:
    stranger = tso_request({1: 800})
    scene.file([stranger])
    ended = rows(scene).acquire_requests(Buyer.TSO)
    assert ended.state is RowState.NOTHING
    assert stranger.mrid in ended.told
    assert "no node is fed by PS Roma Nord" in ended.told


def test_without_a_tso_here_its_rows_say_so(scene: Scene) -> None:
    assert rows(scene).tso_need([]).state is RowState.NOTHING
    assert rows(scene).tso_requests("DA-2c", []).state is RowState.NOTHING


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
        MarketRows(scene.floor(), rows(scene).gates).own_need()
