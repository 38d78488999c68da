"""Between clearing and the DSO's technical validation: what is cut, and when it is enough."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from central.documents.header import Envelope
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.documents.validation import TechnicalValidation, Verdict
from central.market.book import Book
from central.market.cells import Ceilings
from central.market.clearing import Clearing, clear, closed
from central.market.outcome import market_outcome
from central.market.rules import Rules

Ask = Callable[[MarketOutcome], TechnicalValidation]


def ceilings_after(
    validation: TechnicalValidation, outcome: MarketOutcome, before: Ceilings
) -> dict[tuple[str, int], int]:
    """Return the ceilings that hold from now on: what was cut is never offered again.

    Args:
        validation: the DSO's answer.
        outcome: the preliminary list that it answers.
        before: ceilings of the rounds before.
    """
    ceilings = dict(before)
    approved = {
        (verdict.offer.mrid, quarter.start_ms): quarter.power_w
        for verdict in validation.verdicts
        for quarter in verdict.quarters
    }
    judged = {verdict.offer.mrid: verdict.verdict for verdict in validation.verdicts}
    for award in outcome.awards:
        if judged.get(award.offer.mrid) is not Verdict.APPROVED:
            for quarter in award.quarters:
                place = award.offer.mrid, quarter.start_ms
                left_w = approved.get(place, 0)
                if left_w < quarter.power_w:
                    ceilings[place] = min(left_w, ceilings.get(place, left_w))
    return ceilings


def holds(validation: TechnicalValidation) -> bool:
    """Tell whether the grid bears every offer of the list as it is."""
    return all(verdict.verdict is Verdict.APPROVED for verdict in validation.verdicts)


def next_clearing(
    book: Book, rules: Rules, number: int, before: Clearing | None, ceilings: Ceilings
) -> Clearing:
    """Return the clearing of a round, counted from 1.

    In the rounds that the rules give, others take the place of what was cut. After them nobody
    does: what was taken may only become less. As many rounds again, and nothing is taken at all.

    Args:
        book: of the session.
        rules: by which it clears.
        number: of the round.
        before: the clearing of the round before.
        ceilings: of the rounds before.
    """
    if before is None or number <= rules.most_rounds:
        return clear(book, rules, ceilings)
    if number <= 2 * rules.most_rounds:
        return closed(before, ceilings)
    nothing = {(book.offers[take.offer].mrid, take.start_ms): 0 for take in before.takes}
    return closed(before, {**ceilings, **nothing})


def negotiated(
    book: Book, rules: Rules, ask: Ask, envelope: Callable[[int], Envelope]
) -> Iterator[tuple[Clearing, MarketOutcome, TechnicalValidation | None]]:
    """Yield each round: the clearing, its preliminary list, and the DSO's answer.

    The last is one that the grid bears, or an empty one, which nobody is asked about.

    Args:
        book: of the session.
        rules: by which it clears.
        ask: the DSO's technical validation.
        envelope: header of the list of a round, counted from 1.
    """
    ceilings: dict[tuple[str, int], int] = {}
    clearing: Clearing | None = None
    for number in itertools.count(1):
        clearing = next_clearing(book, rules, number, clearing, ceilings)
        outcome = market_outcome(clearing, envelope(number), Stage.PRELIMINARY)
        validation = ask(outcome) if outcome.awards else None
        yield clearing, outcome, validation
        if validation is None or holds(validation):
            return
        ceilings = ceilings_after(validation, outcome, ceilings)


def leftover(offers: Sequence[FlexOffer], outcome: MarketOutcome) -> list[FlexOffer]:
    """Return what is left of offers after an outcome, kept for real time.

    A quarter-hour in which a POD was sold is gone, for all its offers; so is a block of which an
    hour is gone. What is left bears the name and revision of the offer it is left of.
    """
    sold = {(award.pod, quarter.start_ms) for award in outcome.awards for quarter in award.quarters}
    left = []
    for offer in offers:
        quarters = tuple(q for q in offer.quarters if (offer.pod, q.start_ms) not in sold)
        is_whole = len(quarters) == len(offer.quarters)
        if quarters and (is_whole or offer.acceptance is Acceptance.PER_QUARTER):
            left.append(replace(offer, quarters=quarters))
    return left
