"""The day-ahead market on the demo grid: every row, every way to end, a kill at each row."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pytest

from central.aggregator.portfolio import Portfolio
from central.calendar import day_interval
from central.documents.customers import CustomerList
from central.documents.encoding import document_hash, encode, opened
from central.documents.header import (
    Buyer,
    Document,
    Envelope,
    Horizon,
    QuarterPower,
    Reference,
)
from central.documents.offer import FlexOffer, Rebound
from central.documents.order import OrderedOffer
from central.documents.outcome import Award, AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.documents.plan import DerPlan
from central.documents.validation import TechnicalValidation, Verdict
from central.dso.forecast.history import History
from central.errors import StoreAway
from central.market.book import reference
from central.market.rules import ReserveRule, Rules
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import SealReason
from central.scd.sessions import RowState, SessionRow
from central.sessions.day_ahead import BEFORE, _Day, day_ahead, gates_of
from central.sessions.delivered import DELIVERY, shares_told
from central.sessions.durable import DurableSession, SessionStopped
from central.sessions.floor import history_of
from central.sessions.states import SessionState, state_of
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.books import line_request, offer
from tests.desks import DAY
from tests.documents import BASELINE, OFFER, ORDER, uuid
from tests.fakes.scd_evidence import Failure
from tests.floors import AGGREGATORS, Scene, availabilities, seat, without_names
from tests.villages import village_scene

NAME = f"day-ahead {DAY.isoformat()}"
ROWS = [
    "gate", "DA-1a", "DA-2a", "sold before", "DA-3a", "DA-4a", "DA-5a", "DA-6a", "DA-6a to SCADA",
    "DA-7a", "DA-8a",
    "DA-9a", "ST-1", "DA-1b", "DA-2b", "DA-3b", "DA-4b", "DA-5b", "DA-1c", "DA-2c", "DA-6b",
    "DA-3c", "DA-10a", "DA-11a", "DA-12a", "DA-13a", "DA-14a", "DA-15a", "DA-16a", "DA-17a",
    "DA-18a",
]  # fmt: skip


@pytest.fixture(scope="module")
def traded() -> Scene:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    day_ahead(scene.floor(), DAY)
    return scene


Kind = TypeVar("Kind", bound=Document)


def documents(scene: Scene, kind: type[Kind]) -> list[Kind]:
    ii = () if kind is Document else (kind.ii,)
    stored = scene.documents.documents(DocumentQuery(ii=ii, limit=10_000))
    found = [opened(each.signed)[0] for each in stored]
    return [each for each in found if isinstance(each, kind)]


def test_every_row_is_gone_through_in_order(traded: Scene) -> None:
    rows = traded.sessions.rows(NAME)
    assert [row.row for row in rows] == ROWS
    assert state_of(rows) is SessionState.PUBLISHED
    assert [reason for reason, _ in traded.seals] == [
        SealReason.GATE_CLOSURE, SealReason.PUBLICATION,
    ]  # fmt: skip


def last_evening(scene: Scene) -> tuple[FlexOffer, MarketOutcome]:
    """Return an offer that was sold in the last quarter before the day; all of it comes back."""
    start_ms = day_interval(DAY).start_ms - QUARTER_MS
    quarter = Interval(start_ms, start_ms + QUARTER_MS)
    rebound = Rebound(share_permille=1_000, delay_s=0, duration_s=3_600)
    made = offer(1, power_w=8_000, rebound=rebound)
    steps = replace(made.quarters[0], start_ms=start_ms)
    made = replace(
        made, pod=Pod(scene.seats[0].portfolio.pods[0]), sender=AGGREGATORS[0], validity=quarter,
        quarters=(steps,), session="day-ahead before",
    )  # fmt: skip
    award = Award(
        offer=reference(made), request=reference(line_request({0: 1})), kind=AwardKind.FIRM,
        buyer=Buyer.DSO, pod=made.pod, direction=made.direction, effect_nano_per_w=1,
        because="it helped",
        quarters=(AwardedQuarter(start_ms=start_ms, power_w=8_000, price_ueur_per_mwh=1),),
    )  # fmt: skip
    header = Envelope(mrid=uuid(800), created_ms=1, sender="market", receiver="dso")
    outcome = MarketOutcome(
        **header.header(quarter), session="day-ahead before", horizon=Horizon.DAY_AHEAD,
        stage=Stage.FINAL, awards=(award,), not_taken=(), unmet=(),
    )  # fmt: skip
    return made, outcome


def test_what_comes_back_of_the_evening_before_is_expected_and_kept_to_after_a_kill() -> None:
    scene = Scene()
    made, sold = last_evening(scene)
    scene.file([made])
    for new in (sold, replace(sold, mrid=uuid(801), session="real-time before")):
        scene.file([new])
        day = _Day(scene.floor(), gates_of(DAY), DAY)
        usual = day.floor.desk.expected(day.work.forecast, Horizon.DAY_AHEAD).expectation
        more_w = (day.work.expected.expectation.drawn_va - usual.drawn_va).real
        node = day.floor.desk.grid.pod_node[day.floor.desk.grid.pod(made.pod.code)]
        np.testing.assert_allclose(more_w[:, :4, node], 2_000)
        more_w[:, :4, node] = 0.0
        assert np.abs(more_w).max() < 1e-6
    (row,) = (each for each in scene.sessions.rows(NAME) if each.row == BEFORE)
    assert row.told == "0.0 kWh sold before are counted on, and 2.0 kWh that come back"


def test_what_is_published_is_what_the_grid_bears(traded: Scene) -> None:
    outcomes = documents(traded, MarketOutcome)
    finals = {each.receiver: each for each in outcomes if each.stage is Stage.FINAL}
    assert set(finals) == {"dso", "tso", *AGGREGATORS}
    answers = documents(traded, TechnicalValidation)
    approved = {
        (verdict.offer.mrid, quarter.start_ms): quarter.power_w
        for verdict in answers[-1].verdicts
        for quarter in verdict.quarters
    }
    taken: dict[tuple[str, int], int] = {}
    for award in finals["dso"].awards:
        for quarter in award.quarters:
            place = award.offer.mrid, quarter.start_ms
            taken[place] = taken.get(place, 0) + quarter.power_w
    assert taken == approved
    assert all(each.verdict is Verdict.APPROVED for each in answers[-1].verdicts)


def test_each_aggregator_sees_its_own_awards_only(traded: Scene) -> None:
    finals = {
        each.receiver: each
        for each in documents(traded, MarketOutcome)
        if each.stage is Stage.FINAL
    }
    parts = [finals[party].awards for party in AGGREGATORS]
    assert all(parts)
    assert sorted(map(len, parts)) != [len(finals["dso"].awards)] * 2
    assert sum(map(len, parts)) == len(finals["dso"].awards)
    assert finals["dso"].awards == finals["tso"].awards


def test_every_award_becomes_a_plan_of_its_owner(traded: Scene) -> None:
    (whole,) = [
        each for each in documents(traded, MarketOutcome)
        if each.stage is Stage.FINAL and each.receiver == "dso"
    ]  # fmt: skip
    plans = documents(traded, DerPlan)
    assert len(plans) == len(whole.awards)
    assert {each.receiver for each in plans} == {"owners"}
    assert {award.buyer for award in whole.awards} == {Buyer.DSO}


def test_a_session_that_has_ended_is_read_back_and_changes_nothing(traded: Scene) -> None:
    before = traded.documents.snapshot()
    traded.clock.at_ms += 3_600_000
    day_ahead(traded.floor(), DAY, gate_closure_ms=traded.clock.at_ms + 9)
    assert traded.documents.snapshot() == before
    assert len(traded.sessions.rows(NAME)) == len(ROWS)


class _Dying:
    """Sessions of which one commit fails: nothing kept, or kept though nobody was told."""

    def __init__(self, scene: Scene, at: int, how: Failure) -> None:
        self.scene, self.at, self.how, self.count = scene, at, how, 0

    def __enter__(self) -> None:
        self.commit = self.scene.sessions.commit_row

        def counting(row: SessionRow, *more: object) -> None:
            if row.has_ended:
                if self.count == self.at:
                    self.scene.sessions.failures = [self.how]
                self.count += 1
                self.commit(row, *more)  # type: ignore[arg-type]

        self.scene.sessions.commit_row = counting  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        self.scene.sessions.commit_row = self.commit  # type: ignore[method-assign]
        self.scene.sessions.failures = []


def test_after_a_kill_at_every_row_the_session_ends_as_it_would_have() -> None:
    """One session, killed at each of its rows in turn, in both ways, until it ends.

    A small grid, so that each beginning is quick; the rows are the same.
    """
    calm, killed = village_scene(), village_scene()
    day_ahead(calm.floor(), DAY)
    rows = [row.row for row in calm.sessions.rows(NAME)]
    assert rows == ROWS
    for how in itertools.islice(itertools.cycle(Failure), 2 * len(rows)):
        if len(killed.sessions.rows(NAME)) < len(rows):
            with _Dying(killed, 0, how), pytest.raises(StoreAway):
                day_ahead(killed.floor(), DAY)
    day_ahead(killed.floor(), DAY)
    assert [row.row for row in killed.sessions.rows(NAME) if row.has_ended] == rows
    assert sorted(map(without_names, documents(killed, Document))) == sorted(
        map(without_names, documents(calm, Document))
    )


def test_after_a_kill_between_the_rounds_the_same_is_published(traded: Scene) -> None:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    for at in (ROWS.index("DA-9a"), 6, 3, 2):
        with _Dying(scene, at, Failure.KEPT), pytest.raises(StoreAway):
            day_ahead(scene.floor(), DAY)
    day_ahead(scene.floor(), DAY)
    assert [row.row for row in scene.sessions.rows(NAME) if row.has_ended] == ROWS
    assert _awards(scene) == _awards(traded)


def _awards(scene: Scene) -> list[str]:
    (whole,) = [
        each for each in documents(scene, MarketOutcome)
        if each.stage is Stage.FINAL and each.receiver == "dso"
    ]  # fmt: skip
    return [without_names(whole)]


# ── the other ways to end ───────────────────────────────────────────────────────────────────


def state(scene: Scene) -> SessionState:
    return state_of(scene.sessions.rows(NAME))


def test_without_owners_there_are_no_offers_and_all_is_unmet() -> None:
    scene = Scene()
    day_ahead(scene.floor(), DAY)
    assert state(scene) is SessionState.NO_OFFERS
    finals = [each for each in documents(scene, MarketOutcome) if each.stage is Stage.FINAL]
    assert all(each.unmet for each in finals)


def test_a_calm_grid_asks_for_nothing() -> None:
    scene = Scene(peak_share=0.5)
    scene.file(availabilities(scene.seats))
    day_ahead(scene.floor(), DAY)
    assert state(scene) is SessionState.NOTHING_ASKED


def test_a_pod_that_two_aggregators_list_is_offered_by_the_first_alone() -> None:
    seats = [seat(party, 0, 4) for party in AGGREGATORS]
    scene = Scene(peak_share=0.5, seats=seats)
    scene.file(availabilities(seats[:1]))
    day_ahead(scene.floor(), DAY)
    rows = {row.row: row for row in scene.sessions.rows(NAME)}
    told = rows["DA-1a"].told
    assert "of 1 aggregators; 1 lists refused: $.customers[0].pod: " in told
    assert {each.sender for each in documents(scene, CustomerList)} == {AGGREGATORS[0]}
    offers = {document_hash(encode(each)): each for each in documents(scene, FlexOffer)}
    assert {offers[each].sender for each in rows["DA-6b"].documents} == {AGGREGATORS[0]}


def test_what_comes_after_the_book_was_taken_changes_nothing_when_a_session_goes_on() -> None:
    scene = Scene(peak_share=0.5)
    scene.file(availabilities(scene.seats))
    with _Dying(scene, ROWS.index("DA-10a"), Failure.LOST), pytest.raises(StoreAway):
        day_ahead(scene.floor(), DAY)
    taken = {row.row: row.documents for row in scene.sessions.rows(NAME)}["DA-6b"]
    (first, *_) = documents(scene, FlexOffer)
    scene.clock.at_ms += 1_000
    dropped = [each for each in documents(scene, CustomerList) if each.sender == first.sender]
    scene.file([replace(first, revision=2, expires_ms=first.expires_ms - 1)])
    scene.file([replace(each, revision=2, customers=()) for each in dropped])
    stood: list[object] = []
    made = _Day(replace(scene.floor(), at_gate=stood.append), gates_of(DAY), DAY)
    made.stand_at_gate()
    assert not stood, "the gate of a book that is taken is not waited for"
    assert {document_hash(encode(each)) for each in made.admission.offers} == set(taken)


def test_who_was_called_has_a_history_and_the_called_quarters_are_no_usual_ones() -> None:
    scene = Scene(peak_share=0.5, rules=Rules(reserve=ReserveRule.DELIVERY_HISTORY))
    scene.file(availabilities(scene.seats))
    portfolio = scene.seats[0].portfolio
    days = [day_interval(DAY - timedelta(days=back)) for back in range(3, 30)]
    called = [activation(portfolio, day, at) for at, day in enumerate(days)]
    scene.file([each for documents in called for each in documents])
    day_ahead(scene.floor(), DAY)
    told = {row.row: row.told for row in scene.sessions.rows(NAME)}[DELIVERY]
    shares = shares_told([(DELIVERY, told)])
    assert set(shares) == {portfolio.pods[0]}
    made = _Day(scene.floor(), gates_of(DAY), DAY)
    assert made.called == {(portfolio.pods[0], day.start_ms) for day in days}
    seen = history_of(portfolio, made.past, made.called)
    at = [made.past.position(day.start_ms) for day in days]
    assert np.isnan(seen.power_w[0, at]).all()


def activation(portfolio: Portfolio, day: Interval, number: int) -> tuple[Document, ...]:
    """Return what was offered, planned and ordered of the first customer at midnight."""
    pod = portfolio.customers[0].pod
    offer = replace(
        OFFER, mrid=uuid(9_000 + number), sender="aggregator-1", pod=pod, validity=day,
        quarters=(replace(OFFER.quarters[0], start_ms=day.start_ms),), linked_to=None,
    )  # fmt: skip
    programme = replace(
        BASELINE, mrid=uuid(9_100 + number), sender="brp", pod=pod, validity=day,
        quarters=tuple(
            QuarterPower(start_ms=ms, power_w=500)
            for ms in range(day.start_ms, day.end_ms, QUARTER_MS)
        ),
    )  # fmt: skip
    one = OrderedOffer(
        offer=Reference(mrid=offer.mrid, revision=1),
        quarters=(QuarterPower(start_ms=day.start_ms, power_w=300),),
    )
    ordered = replace(ORDER, mrid=uuid(9_200 + number), sender="dso", validity=day, orders=(one,))
    return offer, programme, ordered


def test_a_missing_forecast_ends_in_a_named_state_and_goes_on_when_it_is_there() -> None:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    floor = scene.floor()
    lost = replace(floor.desk, past=_nothing)
    with pytest.raises(Rejected):
        day_ahead(replace(floor, desk=lost), DAY)
    assert state(scene) is SessionState.FAILED
    last = scene.sessions.rows(NAME)[-1]
    assert (last.row, last.state) == ("DA-3a", RowState.FAILED)
    day_ahead(scene.floor(), DAY)
    assert state(scene) is SessionState.PUBLISHED


def _nothing(_: Interval) -> History:
    raise Rejected("no POD has a past", where="history", reason="no_history")


def test_a_stopped_market_publishes_nothing() -> None:
    scene = Scene()
    floor = scene.floor()
    DurableSession(NAME, scene.sessions, scene.documents, {}, scene.clock).stop("by hand")
    with pytest.raises(SessionStopped):
        day_ahead(floor, DAY)
    assert state(scene) is SessionState.STOPPED
    assert documents(scene, MarketOutcome) == []
