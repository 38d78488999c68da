"""The day-ahead market, DA-1a to DA-18a: one call a row of the use case.

```
 DA-1a …  2a   who takes part                                   I-02
 DA-3a …  9a   the DSO: forecast, grid, own means, need         I-10, I-11, I-12, I-06
 DA-1b …  5b   aggregators: what customers can move, offers     I-13, I-01, I-05
 DA-1c …  2c   the TSO: what it needs                           I-06
 DA-6b, 3c, 10a  the gate closes: who is in the book
 DA-11a … 16a  rounds of clearing and validation                I-08, I-12, I-07
 DA-17a … 18a  published                                        I-08, I-14
```

A session that was killed goes on where it was: start it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial

from central.aggregator.offering import Offering, make_offers
from central.brp.programme import programmes
from central.calendar import day_of
from central.documents.availability import DerAvailability
from central.documents.baseline import Baseline
from central.documents.configuration import GridConfiguration
from central.documents.customers import CustomerList
from central.documents.header import Buyer, Envelope, Horizon
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.request import FlexRequest
from central.documents.substation import SubstationProfile
from central.market import gates
from central.market.gates import Gates
from central.market.portfolios import standing
from central.scd.documents_entries import SealReason
from central.scd.sessions import RowState, SessionRow
from central.sessions.admitting import lists_of, refused_offers, taken_ms
from central.sessions.counted import CountedOn, reach_of
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended
from central.sessions.floor import Floor, Seat, history_of, measures_of
from central.sessions.market_rows import MarketRows
from central.sessions.shelf import newest
from central.sessions.states import in_round
from ledger.facts.pod import Pod

_PROGRAMME_DAYS = 28
BEFORE = "sold before"
"""The row that notes the outcomes so far whose deliveries may still come back in the day."""
GATE = "gate"
"""The row that notes when the gate closes [ms since 1970, UTC]."""


def gates_of(day: date, closes_ms: int | None = None) -> Gates:
    """Return the gates of a market day; told when they close, they are open until then."""
    usual = gates.day_ahead(day)
    if closes_ms is None:
        return usual
    publishes_ms = max(usual.publishes_ms, closes_ms)
    return replace(usual, opens_ms=0, closes_ms=closes_ms, publishes_ms=publishes_ms)


def day_ahead(floor: Floor, day: date, *, gate_closure_ms: int | None = None) -> DurableSession:
    """Go through the day-ahead market of a day, and return the session.

    Args:
        floor: of the market.
        day: the market day.
        gate_closure_ms: when offers and requests are no longer taken; 10:00 of the day before.

    Raises:
        SessionStopped: an operator stopped it.
        CertiflexError: a row failed; that is noted, and the session goes on there next time.
    """
    made = _Day(floor, _kept_gates(floor, gates_of(day, gate_closure_ms)), day)
    row, take, seal = made.session.row, made.session.take, floor.seal
    lists = take(CustomerList, "DA-1a", made.customer_lists)
    row("DA-2a", partial(made.active_pods, lists))

    take(MarketOutcome, BEFORE, made.sold_before)
    row("DA-3a", made.forecast)
    row("DA-4a", made.expectation)
    row("DA-5a", made.alert)
    (own_means,) = take(GridConfiguration, "DA-6a", made.own_means)
    made.hand_over("DA-6a", own_means)
    row("DA-7a", made.own_need)
    profiles = take(SubstationProfile, "DA-8a", made.profiles)
    row("DA-9a", made.own_requests)

    row("ST-1", partial(made.programmes, lists))
    available = take(DerAvailability, "DA-1b", made.availabilities)
    row("DA-2b", made.measures)
    row("DA-3b", partial(made.flexibility, available))
    row("DA-4b", partial(made.offers, available))
    row("DA-5b", partial(made.send_offers, available))

    row("DA-1c", partial(made.tso_need, profiles))
    row("DA-2c", partial(made.tso_requests, "DA-2c", profiles))

    made.stand_at_gate()
    offers = take(FlexOffer, "DA-6b", made.acquire_offers)
    tso_requests = take(FlexRequest, "DA-3c", partial(made.acquire_requests, Buyer.TSO))
    dso_requests = take(FlexRequest, "DA-10a", partial(made.acquire_requests, Buyer.DSO))
    seal(SealReason.GATE_CLOSURE, made.session.name)

    auction = made.auction(offers, [*dso_requests, *tso_requests])
    for number in auction.rounds():
        row(in_round("DA-11a", number), auction.serve_dso)
        row(in_round("DA-12a", number), auction.serve_tso)
        listed = in_round("DA-13a", number)
        (taken,) = take(MarketOutcome, listed, partial(made.preliminary, auction, listed))
        row(in_round("DA-14a", number), partial(auction.assess, taken))
        row(in_round("DA-15a", number), partial(auction.profile, taken))
        answer = row(in_round("DA-16a", number), partial(auction.verdicts, taken))
        if auction.is_settled(taken, answer):
            break

    published = take(MarketOutcome, "DA-17a", partial(made.outcomes, auction, "DA-17a"))
    row("DA-18a", partial(made.plans, auction, published[0]))
    seal(SealReason.PUBLICATION, made.session.name)
    return made.session


def _kept_gates(floor: Floor, wanted: Gates) -> Gates:
    """Return the gates that a session began with: they do not move when it is gone on with."""
    session = floor.begun(wanted.session)
    session.row(GATE, lambda: Ended(told=str(wanted.closes_ms)))
    return kept_gates(wanted, session.rows)


def kept_gates(wanted: Gates, rows: Iterable[SessionRow]) -> Gates:
    """Return the gates that a session keeps if it has begun, the wanted ones if it has not."""
    for row in rows:
        if row.row == GATE and row.has_ended and int(row.told) != wanted.closes_ms:
            return gates_of(day_of(wanted.interval.start_ms), int(row.told))
    return wanted


@dataclass
class _Day(MarketRows):
    """The rows that only the day-ahead market has."""

    day: date
    _made: list[tuple[Seat, Offering]] | None = field(default=None, init=False)

    # ── who takes part ──────────────────────────────────────────────────────────────────────

    def customer_lists(self) -> Ended:
        """Share the lists of the aggregators that are played here; take those of the others."""
        came = lists_of(self.floor.documents, self.interval, self.gates.closes_ms)
        there = standing(came).portfolios
        made = []
        for seat in self.floor.seats:
            party = seat.portfolio.aggregator
            to = self.session.envelopes("DA-1a", party)
            if party not in there:
                made.append(seat.portfolio.listing(seat.brp, to("scd"), self.interval))
        found = standing([*came, *made])
        lists = sorted(found.portfolios.values(), key=lambda one: one.mrid)
        count = sum(len(each.customers) for each in lists)
        told = f"{count} customers of {len(lists)} aggregators"
        if found.refused:
            told += f"; {len(found.refused)} lists refused: {min(map(str, found.refused.values()))}"
        new = [each for each in made if each in lists]
        return Ended(new, [each for each in lists if each not in new], told=told)

    def active_pods(self, lists: Sequence[CustomerList]) -> Ended:
        """Tell which PODs on the DSO's grid take part."""
        listed = {customer.pod.code for each in lists for customer in each.customers}
        strangers = sorted(listed - set(self.floor.nodes))
        told = f"{len(listed) - len(strangers)} points of delivery on the grid"
        if strangers:
            told += f"; {len(strangers)} are not on it, {strangers[0]} first"
        return Ended(taken=lists, told=told)

    # ── the DSO ─────────────────────────────────────────────────────────────────────────────

    @cached_property
    def work(self) -> DsoWork:
        """Return the DSO's part."""
        lists = self.session.take(CustomerList, "DA-1a", self.customer_lists)
        return DsoWork(
            self.floor.desk,
            self.session.name,
            Horizon.DAY_AHEAD,
            partial(self.floor.desk.forecast_day, self.day),
            bought=lambda _: self.counted.changed_va(self.floor.desk.grid),
            active=frozenset(customer.pod.code for each in lists for customer in each.customers),
            progress=self.floor.progress,
        )

    @cached_property
    def counted(self) -> CountedOn:
        """Return what the sessions of the day before have sold, with what comes back of it."""
        return self.counted_on(self.session.take(MarketOutcome, BEFORE, self.sold_before))

    def sold_before(self) -> Ended:
        """Note what has been sold: the session keeps to it, and counts on what comes back."""
        sold = self.sold_in(reach_of(self.interval))
        state = RowState.OK if sold else RowState.NOTHING
        return Ended(taken=sold, state=state, told=self.counted_on(sold).statement())

    def forecast(self) -> Ended:
        """Forecast every point of delivery."""
        return Ended(told=self.work.forecast.statement())

    def expectation(self) -> Ended:
        """Work out what the grid must carry."""
        return Ended(told=f"{self.work.expected.expectation.quarters} quarter-hours")

    # ── balance responsible parties ─────────────────────────────────────────────────────────

    def programmes(self, lists: Sequence[CustomerList]) -> Ended:
        """File the programmes of the parties that are played here, I-03; frozen at the gate."""
        made: list[Baseline] = []
        lacks = 0
        filed = {each.mrid for each in newest(self.floor.documents, Baseline, self.interval)}
        for party, pods in _balanced(lists).items():
            if party in self.floor.keys:
                to = self.session.envelopes("ST-1", party)
                found = programmes(
                    pods, measures_of(pods, self.past, _PROGRAMME_DAYS), self.day,
                    envelope=lambda mrid, to=to: replace(to("scd"), mrid=mrid),  # type: ignore[misc]
                    called=self.called,
                )  # fmt: skip
                made += [each for each in found.baselines if each.mrid not in filed]
                lacks += len(found.remarks)
        state = RowState.OK if made or filed else RowState.NOTHING
        return Ended(made, state=state, told=f"{len(made)} programmes, {lacks} with a remark")

    # ── aggregators ─────────────────────────────────────────────────────────────────────────

    def availabilities(self) -> Ended:
        """Take what owners allow, I-13."""
        found = newest(self.floor.documents, DerAvailability, self.interval)
        state = RowState.OK if found else RowState.NOTHING
        return Ended(taken=found, state=state, told=f"{len(found)} resources are available")

    def measures(self) -> Ended:
        """Tell how much past the aggregators have of their customers, I-01."""
        known = sum(len(seat.portfolio.pods) for seat in self.floor.seats)
        return Ended(told=f"the past of {known} points of delivery")

    def flexibility(self, available: Sequence[DerAvailability]) -> Ended:
        """Work out baseline and flexibility of every customer."""
        notes = [note for _, made in self._offerings(available) for note in made.notes]
        return Ended(told=f"{len(notes)} notes on customers" if notes else "")

    def offers(self, available: Sequence[DerAvailability]) -> Ended:
        """Work out the offers."""
        count = sum(len(made.offers) for _, made in self._offerings(available))
        return Ended(
            state=RowState.OK if count else RowState.NOTHING, told=f"{count} offers are made"
        )

    def send_offers(self, available: Sequence[DerAvailability]) -> Ended:
        """Send the offers of the aggregators that are played here, I-05."""
        made = [offer for _, offering in self._offerings(available) for offer in offering.offers]
        return Ended(made, state=RowState.OK if made else RowState.NOTHING)

    def _offerings(self, available: Sequence[DerAvailability]) -> list[tuple[Seat, Offering]]:
        if self._made is None:
            self._made = [(seat, self._offering(seat, available)) for seat in self.floor.seats]
        return self._made

    def _offering(self, seat: Seat, available: Sequence[DerAvailability]) -> Offering:
        party, now_ms = seat.portfolio.aggregator, self.floor.clock.now_ms()

        def addressed(mrid: str) -> Envelope:
            return Envelope(
                mrid=mrid, created_ms=now_ms, sender=party, receiver=self.parties.market
            )

        return make_offers(
            seat.portfolio,
            history_of(seat.portfolio, self.past, self.called),
            [each for each in available if each.receiver == party],
            seat.terms,
            session=self.session.name,
            interval=self.interval,
            gate_closure_ms=self.gates.closes_ms,
            expires_ms=self.interval.end_ms,
            envelope=addressed,
            filed=newest(self.floor.documents, Baseline, self.interval),
        )

    # ── the gate ────────────────────────────────────────────────────────────────────────────

    def stand_at_gate(self) -> None:
        """Return when the book may be taken, if it has not been taken yet."""
        if taken_ms(self.session.rows) is None:
            self.floor.at_gate(self.gates)

    def acquire_offers(self) -> Ended:
        """Take the offers that came in time and may be taken."""
        offers = sorted(self.admission.offers, key=lambda one: one.mrid)
        refused = refused_offers(self.admission, self.given)
        told = f"{len(offers)} offers"
        if refused:
            told += f"; {len(refused)} refused, the first {min(refused.values())}"
        state = RowState.OK if offers else RowState.NOTHING
        return Ended(taken=offers, state=state, told=told)


def _balanced(lists: Sequence[CustomerList]) -> dict[str, list[Pod]]:
    """Return the PODs that each balance responsible party files a programme of."""
    found: dict[str, list[Pod]] = {}
    for each in lists:
        for customer in each.customers:
            found.setdefault(customer.balance_party, []).append(customer.pod)
    return found
