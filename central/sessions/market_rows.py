"""The rows that both markets share: what the DSO says, who is in the book, what is published."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from central.documents.configuration import GridConfiguration
from central.documents.header import Buyer, Horizon, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.request import FlexRequest
from central.market.book import Book
from central.scd.sessions import RowState
from central.sessions.auction import Auction
from central.sessions.desk import Parties
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended
from central.sessions.floor import Floor
from central.sessions.shelf import newest
from ledger.facts.interval import Interval


@dataclass
class MarketRows:
    """Rows of one session; what they work out is worked out once.

    Args:
        floor: of the market.
        name: of the session.
        horizon: which market.
        interval: the quarter-hours that are traded.
    """

    floor: Floor
    name: str
    horizon: Horizon
    interval: Interval
    session: DurableSession = field(init=False)
    refused: dict[Reference, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin the session, or go on with it."""
        self.session = self.floor.begun(self.name)

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

    def need(self) -> Ended:
        """Work out what customers would have to move."""
        need = self.work.need
        residual = len(need.residual)
        told = f"{residual} limits cannot be kept by anybody known" if residual else ""
        return Ended(told=told)

    def profiles(self) -> Ended:
        """Tell the TSO the profile of the primary substations, I-12."""
        return Ended(self.work.profiles())

    def requests(self) -> Ended:
        """Ask the market, I-06."""
        requests = self.work.requests()
        state = RowState.OK if requests else RowState.NOTHING
        return Ended(requests, state=state, told="" if requests else "every limit holds")

    # ── the gate ────────────────────────────────────────────────────────────────────────────

    def acquire_requests(self, buyer: Buyer) -> Ended:
        """Take the requests of a buyer that came in time."""
        requests = newest(
            self.floor.documents, FlexRequest, self.interval,
            where=lambda each: each.session == self.name and each.buyer is buyer,
        )  # fmt: skip
        state = RowState.OK if requests else RowState.NOTHING
        told = f"{len(requests)} requests" if requests else "nothing is asked for"
        return Ended(taken=requests, state=state, told=told)

    def auction(self, offers: Sequence[FlexOffer], requests: Sequence[FlexRequest]) -> Auction:
        """Return the clearing of what is in the book."""
        book = Book.of(
            self.name, self.horizon, self.interval, offers=offers,
            requests=requests, nodes=self.floor.nodes, zones=self.floor.zones,
        )  # fmt: skip
        portfolios = {seat.portfolio.aggregator: seat.portfolio for seat in self.floor.seats}
        return Auction(self.session, book, self.floor.rules, self.work, portfolios, self.refused)

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
