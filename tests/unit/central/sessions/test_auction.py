"""Rounds as rows: what an answer of the DSO leads to. Whole sessions: test_day_ahead."""

from collections.abc import Sequence

import pytest

from central.documents.header import Envelope, Horizon
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.scd.sessions import RowState
from central.sessions.auction import Auction, part_of
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession
from tests.books import SESSION, book, line_request, mrid, offer
from tests.desks import DAY, desk
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_sessions import FakeSessions
from tests.floors import KEYS
from tests.scd import HandClock
from tests.unit.central.market.test_rounds import RULES, judged

OFFERS = [offer(0, 100), offer(3, 110), offer(6, 300, sender="other")]


@pytest.fixture
def auction() -> Auction:
    return auction_of(OFFERS)


def auction_of(offers: Sequence[FlexOffer]) -> Auction:
    documents = FakeDocuments()
    session = DurableSession(SESSION, FakeSessions(documents), documents, KEYS, HandClock(1))
    made = desk(0.5)
    work = DsoWork(made, SESSION, Horizon.DAY_AHEAD, lambda: made.forecast_day(DAY))
    return Auction(session, book(offers, [line_request({0: 1_500})]), RULES, work, {})


def envelope(receiver: str = "dso") -> Envelope:
    return Envelope(mrid=mrid(receiver), created_ms=1, sender="market", receiver=receiver)


def listed(auction: Auction) -> MarketOutcome:
    (outcome,) = auction.preliminary(envelope()).made
    assert isinstance(outcome, MarketOutcome)
    return outcome


def test_what_the_grid_does_not_bear_is_cleared_again_without(auction: Auction) -> None:
    rounds = auction.rounds()
    assert next(rounds) == 1
    first = listed(auction)
    assert [each.offer.mrid for each in first.awards] == [mrid(0), mrid(3)]
    assert not auction.is_settled(first, [judged(first, {mrid(3): 0})])
    assert next(rounds) == 2
    second = listed(auction)
    assert [each.offer.mrid for each in second.awards] == [mrid(0), mrid(6)]
    assert auction.is_settled(second, [judged(second, {})])


def test_rows_say_how_much_was_taken_and_what_is_missing(auction: Auction) -> None:
    next(auction.rounds())
    assert auction.serve_dso().told == (
        "0.000 MWh of 2 offers, and 0.000 MWh of 0 offers in reserve; "
        "0 quarter-hours not wholly met"
    )
    assert auction.serve_tso().told == "0.000 MWh of 0 offers"


def test_without_offers_nothing_is_assessed_and_nobody_is_asked() -> None:
    auction = auction_of([])
    next(auction.rounds())
    assert auction.serve_dso().state is RowState.NOTHING
    empty = listed(auction)
    for row in (auction.assess, auction.profile, auction.verdicts):
        ended = row(empty)
        assert (ended.state, list(ended.made)) == (RowState.NOTHING, [])
    assert auction.is_settled(empty, [])


def test_final_outcomes_are_whole_for_some_and_their_own_for_others(auction: Auction) -> None:
    next(auction.rounds())
    own = [envelope("aggregator"), envelope("other")]
    made = auction.outcomes([envelope("dso"), envelope("tso")], own).made
    by_receiver = {each.receiver: each for each in made if isinstance(each, MarketOutcome)}
    assert {each.stage for each in by_receiver.values()} == {Stage.FINAL}
    assert len(by_receiver["dso"].awards) == len(by_receiver["aggregator"].awards) == 2
    assert by_receiver["other"].awards == ()
    assert [each.offer.mrid for each in by_receiver["other"].not_taken] == [mrid(6)]


def test_a_part_says_nothing_of_others(auction: Auction) -> None:
    next(auction.rounds())
    part = part_of(listed(auction), {each.mrid: "dso" for each in OFFERS[:1]})
    assert [each.offer.mrid for each in part.awards] == [mrid(0)]
    assert part.unmet == ()
