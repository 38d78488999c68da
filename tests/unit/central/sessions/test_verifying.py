"""Anybody with the documents comes to the same outcome, or is told where they part."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from central.documents.header import Document, Envelope
from central.documents.outcome import MarketOutcome, Stage
from central.market.book import reference
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rounds import negotiated
from central.market.rules import Pricing, ReserveRule, Rules
from central.sessions.auction import part_of
from central.sessions.verifying import Recomputed, Registry, gates_told, recompute
from tests.books import HOUR, NODES, SESSION, ZONES, book, line_request, mrid, offer
from tests.unit.central.market.test_rounds import judged

RULES = Rules(reserve=ReserveRule.NONE, most_rounds=3)
OFFERS = [offer(0, 100), offer(3, 110), offer(6, 300), offer(9, 90)]
REFUSED = {reference(OFFERS[3]): "above contract power"}
REQUEST = line_request({0: 1_500})
GATES = replace(gates_told(SESSION, []), interval=HOUR)


def to(name: str, receiver: str = "dso") -> Envelope:
    return Envelope(mrid=mrid(name), created_ms=9, sender="market", receiver=receiver)


def published(rules: Rules = RULES, delivered: Mapping[str, float] | None = None) -> list[Document]:
    """Return a session of two rounds: the grid bears little of the second offer."""
    documents: list[Document] = [*OFFERS, REQUEST]
    made = replace(book(OFFERS[:3], [REQUEST]), delivered=delivered or {})
    asked = negotiated(made, rules, lambda one: judged(one, {mrid(3): 100}), lambda n: to(f"{n}"))
    for number, (clearing, outcome, answer) in enumerate(asked, 1):
        told = market_outcome(clearing, to(f"{number}"), Stage.PRELIMINARY, REFUSED)
        assert replace(told, not_taken=outcome.not_taken) == outcome
        assert answer is not None
        about = reference(told)
        documents += [told, replace(answer, mrid=mrid(f"answer {number}"), outcome=about)]
    final = market_outcome(clearing, to("final"), Stage.FINAL, REFUSED)
    own = replace(final, mrid=mrid("part"), receiver="aggregator")
    return [*documents, final, part_of(own, {each.mrid: each.sender for each in OFFERS[:3]})]


def recomputed(documents: Sequence[Document], rules: Rules = RULES) -> Recomputed:
    return recompute(GATES, documents, Registry(NODES, ZONES), rules, REFUSED)


def test_the_same_documents_lead_to_the_same_bytes() -> None:
    assert recomputed(published()) == Recomputed(rounds=2, outcomes=2)


def test_a_changed_award_is_named() -> None:
    documents = published()
    final = documents[-2]
    assert isinstance(final, MarketOutcome)
    (quarter,) = final.awards[0].quarters
    more = replace(quarter, price_ueur_per_mwh=quarter.price_ueur_per_mwh + 1)
    award = replace(final.awards[0], quarters=(more,))
    documents[-2] = replace(final, awards=(award, *final.awards[1:]))
    found = recomputed(documents)
    assert (found.rounds, found.outcomes) == (2, 0)
    assert found.difference.startswith("outcome to dso: awards: entry 0 is recomputed as")


def test_an_offer_that_was_left_out_is_named() -> None:
    documents = published()
    hidden = offer(12, 10)
    found = recomputed([hidden, *documents])
    assert found.difference == f"offer {hidden.mrid} came in time, and no list names it"


def test_a_list_that_the_grid_does_not_bear_is_no_end() -> None:
    documents = published()
    found = recomputed([*documents[:7], *documents[9:]])
    assert found.difference == "the grid does not bear the last list"


def test_an_offer_that_came_later_changes_nothing() -> None:
    assert recomputed([*published(), offer(12, 10)]).difference == ""


def test_a_changed_offer_shows() -> None:
    documents = published()
    documents[0] = offer(0, 90)
    assert "list of round 1" in recomputed(documents).difference


def test_other_rules_show() -> None:
    found = recomputed(published(), replace(RULES, pricing=Pricing.PAY_AS_CLEARED))
    assert "awards" in found.difference


def test_reserve_by_history_is_recomputed_from_the_shares_that_the_session_reckoned_with() -> None:
    rules = replace(RULES, reserve=ReserveRule.DELIVERY_HISTORY)
    shares = {offer.pod.code: share for offer, share in zip(OFFERS, (0.8, 0.9, 0.7), strict=False)}
    documents = published(rules, shares)
    registry = Registry(NODES, ZONES, delivered=shares)
    found = recompute(GATES, documents, registry, rules, REFUSED)
    assert (found.difference, found.wanting) == ("", "")
    assert recomputed(documents, rules).difference


@pytest.mark.parametrize(
    ("missing", "wanting"),
    [
        (slice(5, None), "no preliminary list"),
        (slice(6, 7), "the validation (I-07) of round 1"),
        (slice(-2, None), "no final outcome"),
    ],
)
def test_what_is_wanting_is_told(missing: slice, wanting: str) -> None:
    documents = published()
    del documents[missing]
    assert wanting in recomputed(documents).wanting


def test_what_is_refused_is_not_cleared() -> None:
    cheap = clear(book(OFFERS, [REQUEST]), RULES)
    assert any(cheap.book.offers[take.offer].mrid == mrid(9) for take in cheap.takes)
    final = published()[-2]
    assert isinstance(final, MarketOutcome)
    assert mrid(9) not in {each.offer.mrid for each in final.awards}
