"""The rows that both markets share: what the DSO says, who is in the book, what is published."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from central.documents.configuration import GridConfiguration
from central.documents.header import Buyer, Horizon
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.dso.forecast.history import History
from central.market.admission import Admission, Arrived, admit
from central.market.book import Book, reference
from central.market.delivery import Call, Place
from central.market.gates import Gates, named
from central.market.rules import ReserveRule
from central.scd.sessions import RowState
from central.sessions import delivered
from central.sessions.admitting import (
    arrived,
    lists_of,
    market_day,
    refused_offers,
    taken_ms,
    tan_phi_of,
)
from central.sessions.auction import Auction
from central.sessions.counted import CountedOn, counted_on
from central.sessions.desk import Parties
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended
from central.sessions.floor import Floor
from central.sessions.leftovers import earlier_outcomes
from central.sessions.shelf import LATEST_MS, sent_to
from central.tso.simulator import Asking, need, requests
from central.tso.simulator import Need as TsoNeed
from central.tso.transmission import Transmission
from ledger.facts.interval import Interval


@dataclass
class MarketRows:
    """Rows of one session; what they work out is worked out once.

    Args:
        floor: of the market.
        gates: when documents are taken.
    """

    floor: Floor
    gates: Gates
    session: DurableSession = field(init=False)
    _read: dict[bytes, MarketOutcome] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin the session, or go on with it."""
        self.session = self.floor.begun(self.name)

    @property
    def name(self) -> str:
        """Return the name of the session."""
        return self.gates.session

    @property
    def horizon(self) -> Horizon:
        """Return which market it is."""
        return self.gates.horizon

    @property
    def interval(self) -> Interval:
        """Return the quarter-hours that are traded."""
        return self.gates.interval

    @property
    def parties(self) -> Parties:
        """Return the names in the documents' headers."""
        return self.floor.desk.parties

    @property
    def work(self) -> DsoWork:
        """Return the DSO's part of the session."""
        raise NotImplementedError

    # ── the DSO ─────────────────────────────────────────────────────────────────────────────

    def alert(self) -> Ended:
        """Say where limits break, I-10."""
        congestions = self.work.assessed.congestions
        state = RowState.OK if congestions else RowState.NOTHING
        return Ended([self.work.alert()], state=state, told=f"{len(congestions)} limits broken")

    def own_means(self) -> Ended:
        """Say what own means do, I-11."""
        return Ended([self.work.configuration()], told=self.work.plan.reason)

    def hand_over(self, row: str, asked: GridConfiguration) -> None:
        """Let SCADA move what own means move, before anything is asked of customers."""
        self.floor.configure(self.session, row, asked)

    def own_need(self) -> Ended:
        """Work out what customers would have to move."""
        residual = len(self.work.need.residual)
        told = f"{residual} limits cannot be kept by anybody known" if residual else ""
        return Ended(told=told)

    def profiles(self) -> Ended:
        """Tell the TSO the profile of the primary substations, I-12."""
        return Ended(self.work.profiles())

    def own_requests(self) -> Ended:
        """Ask the market, I-06."""
        asked = self.work.requests()
        state = RowState.OK if asked else RowState.NOTHING
        return Ended(asked, state=state, told="" if asked else "every limit holds")

    def sold_in(self, span: Interval) -> list[MarketOutcome]:
        """Return the final outcomes of other sessions that count in a span, as the DSO has them."""
        dso = self.parties.dso
        sent = sent_to(self.floor.documents, MarketOutcome, span, dso, self._read)
        return earlier_outcomes(sent, self.name, span, dso)

    def counted_on(self, outcomes: Sequence[MarketOutcome]) -> CountedOn:
        """Return what is counted on in the session's hours of what outcomes have sold."""
        return counted_on(self.floor.desk.grid, self.floor.documents, outcomes, self.interval)

    # ── the past ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def past_span(self) -> Interval:
        """Return the past that is looked at: what is known when documents are no longer taken."""
        return self.floor.desk.before(self.interval.start_ms, named(self.name).closes_ms)

    @cached_property
    def past(self) -> History:
        """Return what is known of it."""
        return self.floor.desk.past(self.past_span)

    @cached_property
    def calls(self) -> list[Call]:
        """Return what was called in it."""
        return delivered.calls(self.floor.documents, self.past_span, self.gates.closes_ms)

    @cached_property
    def called(self) -> frozenset[Place]:
        """Return the PODs and quarter-hours in which flexibility was called for."""
        return frozenset((each.pod, each.start_ms) for each in self.calls)

    def deliveries(self) -> Ended:
        """Work out how surely those who were called have delivered."""
        past = self.past if self.calls else None
        shares = delivered.shares_so_far(self.floor.documents, self.calls, past) if past else {}
        return Ended(told=delivered.told(shares), state=RowState.OK if shares else RowState.NOTHING)

    # ── the gate ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def given(self) -> list[Arrived]:
        """Return what was handed in for the session; after a kill the same as before it."""
        by_ms = taken_ms(self.session.rows)
        documents, by_ms = self.floor.documents, LATEST_MS if by_ms is None else by_ms
        return arrived(documents, self.name, self.interval, by_ms)

    @cached_property
    def admission(self) -> Admission:
        """Return what is admitted of it."""
        floor, by_ms = self.floor, taken_ms(self.session.rows)
        before_ms = self.gates.closes_ms if by_ms is None else min(self.gates.closes_ms, by_ms + 1)
        lists = lists_of(floor.documents, self.interval, before_ms)
        day = market_day(floor.desk.grid, self.gates, floor.rules, lists, self.parties)
        return admit(day, self.given)

    def acquire_requests(self, buyer: Buyer) -> Ended:
        """Take the requests of a buyer that may be admitted."""
        requests = [each for each in self.admission.requests if each.buyer is buyer]
        state = RowState.OK if requests else RowState.NOTHING
        told = f"{len(requests)} requests" if requests else "nothing is asked for"
        refused = [
            each.document.mrid
            for each in self.given
            if isinstance(each.document, FlexRequest) and each.document.buyer is buyer
            and reference(each.document) in self.admission.refused
        ]  # fmt: skip
        if refused:
            why = self.admission.refused
            first = next(error for named, error in why.items() if named.mrid == refused[0])
            told += f"; {len(refused)} refused, {refused[0]} first: {first}"
        return Ended(taken=requests, state=state, told=told)

    # ── the TSO ─────────────────────────────────────────────────────────────────────────────

    def tso_need(self, profiles: Sequence[SubstationProfile]) -> Ended:
        """Work out what the TSO needs, where it is played here."""
        if self.floor.transmission is None:
            return Ended(state=RowState.NOTHING, told="the TSO is not played here")
        found = self._tso_need(self.floor.transmission, profiles)
        left = f"; {len(found.left)} cannot be helped from here" if found.left else ""
        return Ended(told=f"{len(found.breaches)} limits of the transmission grid broken{left}")

    def tso_requests(self, row: str, profiles: Sequence[SubstationProfile]) -> Ended:
        """Ask the market for what the TSO needs, I-06."""
        transmission = self.floor.transmission
        if transmission is None:
            return Ended(state=RowState.NOTHING, told="the TSO asks by itself, or is silent")
        to = self.session.envelopes(row, self.parties.tso)
        asking = Asking(
            session=self.name, horizon=self.horizon, interval=self.interval,
            expires_ms=self.interval.end_ms,
            maximum_price_ueur_per_mwh=self.floor.tso_price_ueur_per_mwh,
        )  # fmt: skip
        needed = self._tso_need(transmission, profiles)
        made = requests(needed, asking, lambda mrid: replace(to(self.parties.market), mrid=mrid))
        state = RowState.OK if made else RowState.NOTHING
        return Ended(made, state=state, told="" if made else "the transmission grid needs nothing")

    def _tso_need(
        self, transmission: Transmission, profiles: Sequence[SubstationProfile]
    ) -> TsoNeed:
        return need(transmission, profiles, self.interval)

    def auction(
        self, offers: Sequence[FlexOffer], requests: Sequence[FlexRequest],
        called: Mapping[str, Collection[int]] | None = None,
    ) -> Auction:  # fmt: skip
        """Return the clearing of what is in the book; `called` as the book has it."""
        book = Book.of(
            self.name, self.horizon, self.interval, offers=offers,
            requests=requests, nodes=self.floor.nodes, zones=self.floor.zones,
            tan_phi=tan_phi_of(self.floor.desk.grid), delivered=self._delivered(), called=called,
        )  # fmt: skip
        portfolios = {seat.portfolio.aggregator: seat.portfolio for seat in self.floor.seats}
        return Auction(
            self.session,
            book,
            self.floor.rules,
            self.work,
            portfolios,
            refused_offers(self.admission, self.given),
        )

    def _delivered(self) -> Mapping[str, float]:
        """Return what reserve by history rests on, as the session has noted it."""
        if self.floor.rules.reserve is not ReserveRule.DELIVERY_HISTORY:
            return {}
        self.session.row(delivered.DELIVERY, self.deliveries)
        return delivered.shares_told((row.row, row.told) for row in self.session.rows)

    # ── the list, and what is published ─────────────────────────────────────────────────────

    def preliminary(self, auction: Auction, row: str) -> Ended:
        """Send the list to the DSO, I-08."""
        to = self.session.envelopes(row, self.parties.market)
        return auction.preliminary(to(self.parties.dso))

    def outcomes(self, auction: Auction, row: str) -> Ended:
        """Publish what came of the session, I-08."""
        to = self.session.envelopes(row, self.parties.market)
        whole = [to(self.parties.dso), to(self.parties.tso)]
        return auction.outcomes(whole, [to(each) for each in auction.senders])

    def plans(self, auction: Auction, outcome: MarketOutcome) -> Ended:
        """Tell owners what they are to provide, I-14."""
        return auction.plans(outcome, self.floor.clock.now_ms())
