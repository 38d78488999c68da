"""From the gate to the plans: rounds of clearing and of the DSO's validation, row by row.

```
 serve_dso → serve_tso → preliminary (I-08) → assess → profile (I-12) → verdicts (I-07)
     └──────────────── again, while the grid bears less than was taken ────────┘
 outcomes (I-08) → plans (I-14)
```

What a row works out is worked out when it is first asked for: after a kill, from what was filed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from central.aggregator.planning import reservations
from central.aggregator.portfolio import Portfolio
from central.documents.header import Buyer, Document, Envelope, Reference
from central.documents.outcome import AwardKind, MarketOutcome, Stage
from central.documents.validation import TechnicalValidation, Verdict
from central.dso.validation import Validation
from central.market.book import Book
from central.market.clearing import Clearing
from central.market.outcome import market_outcome
from central.market.rounds import ceilings_after, holds, next_clearing
from central.market.rules import Rules
from central.scd.sessions import RowState
from central.sessions.dso_validation import profiles_after, taken_offers
from central.sessions.dso_work import DsoWork
from central.sessions.durable import DurableSession, Ended

_QUARTERS_PER_HOUR = 4
_W_PER_MW = 1e6


@dataclass
class _Round:
    """One round: what is known of it so far."""

    number: int
    clearing: Clearing
    preliminary: MarketOutcome | None = None
    validation: Validation | None = None


@dataclass
class Auction:
    """The clearing of one session.

    Args:
        session: whose rows these are.
        book: what is cleared.
        rules: by which.
        work: the DSO's part of the session.
        portfolios: of the aggregators that are played here, by their party.
        refused: offers that were not admitted, and why.
    """

    session: DurableSession
    book: Book
    rules: Rules
    work: DsoWork
    portfolios: Mapping[str, Portfolio]
    refused: Mapping[Reference, str] = field(default_factory=dict)
    _ceilings: dict[tuple[str, int], int] = field(default_factory=dict, init=False)
    _round: _Round | None = field(default=None, init=False)

    def rounds(self) -> Iterator[int]:
        """Yield the number of each round, until the grid bears what was taken."""
        number = 0
        while True:
            number += 1
            before = self._round.clearing if self._round else None
            clearing = next_clearing(self.book, self.rules, number, before, self._ceilings)
            self._round = _Round(number, clearing)
            yield number

    # ── rows of a round ─────────────────────────────────────────────────────────────────────

    def serve_dso(self) -> Ended:
        """Tell what is taken for the DSO, with the reserve for it."""
        clearing = self._now.clearing
        firm, reserve = (
            _told_mwh(clearing, Buyer.DSO, kind) for kind in (AwardKind.FIRM, AwardKind.RESERVE)
        )
        missing = sum(
            clearing.book.requests[each.request].buyer is Buyer.DSO for each in clearing.missing
        )
        if not self.book.offers:
            return Ended(state=RowState.NOTHING, told="no offers")
        told = f"{firm}, and {reserve} in reserve; {missing} quarter-hours not wholly met"
        return Ended(told=told)

    def serve_tso(self) -> Ended:
        """Tell what is taken for the TSO, of what is left."""
        return Ended(told=_told_mwh(self._now.clearing, Buyer.TSO, AwardKind.FIRM))

    def preliminary(self, envelope: Envelope) -> Ended:
        """Return the list that the DSO is to validate, I-08."""
        outcome = market_outcome(self._now.clearing, envelope, Stage.PRELIMINARY, self.refused)
        return Ended([outcome], told=f"{len(outcome.awards)} awards")

    def assess(self, preliminary: MarketOutcome) -> Ended:
        """Check every award in every quarter-hour by AC power flow."""
        if not preliminary.awards:
            return Ended(state=RowState.NOTHING, told="nothing is taken")
        validation = self._validated(preliminary)
        cuts = {cut.offer for cut in validation.cuts}
        told = f"the grid bears all but {len(cuts)} of {len(preliminary.awards)} awards"
        more = (
            ""
            if validation.is_largest
            else "; the search ended before it was known that it bears no more"
        )
        return Ended(told=f"{told}{more}")

    def profile(self, preliminary: MarketOutcome) -> Ended:
        """Return the profile with what the grid bears in it, I-12."""
        if not preliminary.awards:
            return Ended(state=RowState.NOTHING, told="as before")
        validation, work = self._validated(preliminary), self.work
        return Ended(profiles_after(work.desk, work.expected, work.plan.setting, validation))

    def verdicts(self, preliminary: MarketOutcome) -> Ended:
        """Return what is approved, cut or refused, I-07."""
        if not preliminary.awards:
            return Ended(state=RowState.NOTHING, told="nothing to approve")
        answer = self.work.desk.verdicts(
            self.work.expected,
            self._validated(preliminary),
            session=self.session.name,
            outcome=Reference(mrid=preliminary.mrid, revision=preliminary.revision),
            offers={award.offer.mrid: award.offer for award in preliminary.awards},
        )
        counted = dict.fromkeys(Verdict, 0)
        for each in answer.verdicts:
            counted[each.verdict] += 1
        told = ", ".join(f"{count} {verdict.value}" for verdict, count in counted.items())
        nothing = counted[Verdict.REFUSED] == len(answer.verdicts)
        return Ended([answer], state=RowState.NOTHING if nothing else RowState.OK, told=told)

    def is_settled(self, preliminary: MarketOutcome, answer: Sequence[Document]) -> bool:
        """Tell whether the grid bears the list; if not, keep in mind what it bears."""
        (validation,) = answer or (None,)
        if not isinstance(validation, TechnicalValidation):
            return True
        self._ceilings = ceilings_after(validation, preliminary, self._ceilings)
        return holds(validation)

    # ── rows at the end ─────────────────────────────────────────────────────────────────────

    def outcomes(self, envelopes: Sequence[Envelope], own: Sequence[Envelope]) -> Ended:
        """Return the final outcome: whole for DSO and TSO, its own for each aggregator, I-08.

        Args:
            envelopes: for those who see all.
            own: for aggregators, each of which sees what concerns its own offers.
        """
        clearing = self._now.clearing
        whole = [market_outcome(clearing, each, Stage.FINAL, self.refused) for each in envelopes]
        sender_of = {offer.mrid: offer.sender for offer in self.book.offers}
        addressed = (replace(whole[0], mrid=one.mrid, receiver=one.receiver) for one in own)
        parts = [part_of(each, sender_of) for each in addressed]
        energy = _told_mwh(clearing, Buyer.DSO, AwardKind.FIRM)
        volume = _told_mwh(clearing, Buyer.TSO, AwardKind.FIRM)
        return Ended([*whole, *parts], told=f"DSO {energy}, TSO {volume}")

    def plans(self, outcome: MarketOutcome, created_ms: int) -> Ended:
        """Return what the owners of what was taken are to provide, I-14."""
        made: list[Document] = []
        for party, portfolio in sorted(self.portfolios.items()):
            offers = [offer for offer in self.book.offers if offer.sender == party]

            def addressed(mrid: str, owner: str, sender: str = party) -> Envelope:
                return Envelope(mrid=mrid, created_ms=created_ms, sender=sender, receiver=owner)

            made += reservations(outcome, offers, portfolio, addressed)
        state = RowState.OK if made else RowState.NOTHING
        return Ended(made, state=state, told=f"{len(made)} plans")

    @property
    def senders(self) -> list[str]:
        """Return who made the offers of the book, by name."""
        return sorted({offer.sender for offer in self.book.offers})

    # ── means ───────────────────────────────────────────────────────────────────────────────

    @property
    def _now(self) -> _Round:
        assert self._round is not None, "rounds() has begun"  # noqa: S101 -- said by its caller
        return self._round

    def _validated(self, preliminary: MarketOutcome) -> Validation:
        if self._now.validation is None:
            desk, work = self.work.desk, self.work
            span = work.expected.expectation.interval
            taken = taken_offers(desk.grid, span, preliminary.awards, self.book.offers)
            self._now.validation = desk.validate(work.expected, work.plan.setting, taken)
        return self._now.validation


def part_of(outcome: MarketOutcome, sender_of: Mapping[str, str]) -> MarketOutcome:
    """Return what concerns the offers of an outcome's receiver."""
    own = {mrid for mrid, sender in sender_of.items() if sender == outcome.receiver}
    return replace(
        outcome,
        awards=tuple(each for each in outcome.awards if each.offer.mrid in own),
        not_taken=tuple(each for each in outcome.not_taken if each.offer.mrid in own),
        unmet=(),
    )


def _told_mwh(clearing: Clearing, buyer: Buyer, kind: AwardKind) -> str:
    taken = [each for each in clearing.takes if each.buyer is buyer and each.kind is kind]
    energy_mwh = sum(each.power_w for each in taken) / _QUARTERS_PER_HOUR / _W_PER_MW
    return f"{energy_mwh:.3f} MWh of {len({each.offer for each in taken})} offers"
