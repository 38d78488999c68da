"""Rounds between market and DSO: what is cut stays cut, others come in, and it ends."""

from collections.abc import Mapping

from central.documents.elements import Bound, GridElement, KeptFree, Violation
from central.documents.header import Envelope, QuarterPower
from central.documents.offer import Acceptance
from central.documents.outcome import MarketOutcome, Stage
from central.documents.validation import OfferVerdict, TechnicalValidation, Verdict
from central.market.book import Book
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rounds import ceilings_after, holds, leftover, negotiated
from central.market.rules import ReserveRule, Rules
from tests.books import HOUR, SESSION, START_MS, at, book, line_request, mrid, offer

RULES = Rules(reserve=ReserveRule.NONE, most_rounds=3)
LINE = GridElement(
    element="line 7", bound=Bound.LINE, side=None, phase=None, rated_milli=1, limit_milli=1,
    margin_milli=0,
)  # fmt: skip


def envelope(number: int) -> Envelope:
    return Envelope(mrid=mrid(f"list {number}"), created_ms=9, sender="market", receiver="dso")


def judged(outcome: MarketOutcome, most_w: Mapping[str, int]) -> TechnicalValidation:
    """Return a validation that bears so much of an offer, and all of those not named."""
    verdicts = []
    for award in outcome.awards:
        kept = [
            (q.start_ms, min(q.power_w, most_w.get(award.offer.mrid, q.power_w)))
            for q in award.quarters
        ]
        whole = all(w == q.power_w for (_, w), q in zip(kept, award.quarters, strict=True))
        quarters = tuple(QuarterPower(start_ms=ms, power_w=w) for ms, w in kept if w)
        verdicts.append(
            OfferVerdict(
                offer=award.offer, quarters=quarters,
                verdict=Verdict.APPROVED if whole else Verdict.CUT if quarters else Verdict.REFUSED,
                binding=None if whole else Violation(
                    position=0, start_ms=START_MS, scenario="expected", excess_milli=1,
                    cause="load",
                ),
            )
        )  # fmt: skip
    return TechnicalValidation(
        **Envelope(mrid=mrid("v"), created_ms=9, sender="dso", receiver="market").header(HOUR),
        session=SESSION, outcome=verdicts[0].offer, elements=(LINE,),
        verdicts=tuple(sorted(verdicts, key=lambda one: one.offer)), scenarios=("expected",),
        margin=KeptFree(voltage_ppm=0, current_ppm=0), confidence_permille=950, unsolved=(),
    )  # fmt: skip


def three() -> Book:
    return book([offer(0, 100), offer(3, 110), offer(6, 300)], [line_request({0: 1_500})])


def test_what_is_cut_is_replaced_by_the_next_cheapest() -> None:
    bears = {mrid(3): 100}
    rounds = list(negotiated(three(), RULES, lambda made: judged(made, bears), envelope))
    assert len(rounds) == 2
    clearing, outcome, validation = rounds[-1]
    assert validation is not None
    assert holds(validation)
    assert {take.offer: take.power_w for take in clearing.takes} == {0: 1_000, 1: 100, 2: 400}
    assert "the grid bears no more of it" in outcome.awards[1].because


def test_a_grid_that_bears_nothing_ends_with_nothing_and_says_what_is_missing() -> None:
    bears = {mrid(number): 0 for number in (0, 3, 6)}
    rounds = list(negotiated(three(), RULES, lambda made: judged(made, bears), envelope))
    clearing, outcome, validation = rounds[-1]
    assert validation is None, "nobody is asked about an empty list"
    assert clearing.takes == ()
    assert [each.power_w for each in outcome.unmet] == [1_500]
    assert all("the grid bears nothing" in each.because for each in outcome.not_taken)


def test_it_ends_even_if_the_grid_bears_a_little_less_every_time() -> None:
    left_w = [900]

    def grudging(made: MarketOutcome) -> TechnicalValidation:
        left_w[0] -= 1
        return judged(made, {mrid(number): left_w[0] for number in (0, 3, 6)})

    rounds = list(negotiated(three(), RULES, grudging, envelope))
    assert len(rounds) == 2 * RULES.most_rounds + 1
    sums = [sum(take.power_w for take in clearing.takes) for clearing, *_ in rounds]
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] == 0


def test_ceilings_only_ever_fall() -> None:
    outcome = market_outcome(clear(three(), RULES), envelope(1), Stage.PRELIMINARY)
    first = ceilings_after(judged(outcome, {mrid(0): 700}), outcome, {(mrid(3), START_MS): 5})
    assert first == {(mrid(0), START_MS): 700, (mrid(3), START_MS): 5}
    again = ceilings_after(judged(outcome, {mrid(0): 900}), outcome, first)
    assert again == first


def test_what_was_not_taken_is_left_for_real_time() -> None:
    offers = [
        offer(0, 100, quarters=(0, 1)),
        offer(30, 500, quarters=(0, 1, 2), pod=0),
        offer(3, 110, quarters=(0, 1), acceptance=Acceptance.BLOCK),
        offer(6, 300),
    ]
    cleared = clear(book(offers, [line_request({0: 900})]), RULES)
    outcome = market_outcome(cleared, envelope(1), Stage.FINAL)
    left = {each.mrid: [q.start_ms for q in each.quarters] for each in leftover(offers, outcome)}
    assert left == {
        mrid(0): [at(1)], mrid(30): [at(1), at(2)], mrid(3): [at(0), at(1)], mrid(6): [at(0)],
    }  # fmt: skip
