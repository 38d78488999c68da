"""The outcome says of every offer what became of it, and why."""

import pytest

from central.documents.encoding import decode, encode
from central.documents.header import Direction, Envelope, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome, Stage
from central.documents.request import FlexRequest
from central.market.book import reference
from central.market.clearing import clear
from central.market.outcome import market_outcome
from central.market.rules import ReserveRule, Rules
from tests.books import START_MS, book, line_request, mrid, offer, tso_request

ENVELOPE = Envelope(mrid=mrid("outcome"), created_ms=5, sender="market", receiver="dso")
BARE = Rules(reserve=ReserveRule.NONE)


def told(
    offers: list[FlexOffer], *requests: FlexRequest, rules: Rules = BARE, **more: object
) -> MarketOutcome:
    ceilings = more.pop("ceilings", None)
    cleared = clear(book(offers, requests), rules, ceilings)  # type: ignore[arg-type]
    made = market_outcome(cleared, ENVELOPE, Stage.PRELIMINARY, **more)  # type: ignore[arg-type]
    assert decode(encode(made)) == made, "it is a document"
    return made


def because(outcome: MarketOutcome, number: int) -> str:
    found = [each.because for each in outcome.not_taken if each.offer.mrid == mrid(number)]
    found += [each.because for each in outcome.awards if each.offer.mrid == mrid(number)]
    assert len(found) == 1
    return found[0]


def test_awards_stand_in_economic_order_with_their_reason() -> None:
    offers = [offer(0, 100), offer(1, 60), offer(2, 10), offer(3, 300)]
    made = told(offers, line_request({0: 1_200}))
    assert [each.offer.mrid for each in made.awards] == [mrid(2), mrid(0)]
    assert because(made, 2) == (
        "relieves line 1 (line), each W counting 0.25: 10.00 EUR/MWh, 40.00 over effect; "
        "all of it taken"
    )
    assert because(made, 0).endswith("100.00 over effect; no more of it is needed")
    assert because(made, 1) == "asks 120.00 EUR/MWh over effect; 100.00 was enough"
    assert [each.effect_nano_per_w for each in made.awards] == [250_000, 1_000_000]


NOT_TAKEN = [
    (offer(9, 100, direction=Direction.DOWN), {}, "nothing is asked down"),
    (offer(9, 100, quarters=(2,)), {}, "nothing is asked up"),
    (offer(9, 500), {}, "asks 500.00 EUR/MWh; at most 400.00 is paid"),
    (offer(9, 50, pod=0), {}, "is sold by another offer"),
    (offer(9, 50, linked_to=mrid(77)), {}, "it goes only with offer"),
    (offer(9, 39, minimum_w=1_000), {}, "cheaper together"),
    (offer(9, 50), {(mrid(9), START_MS): 0}, "the grid bears nothing of it"),
]


@pytest.mark.parametrize(("other", "ceilings", "words"), NOT_TAKEN)
def test_what_is_not_taken_says_what_stands_against_it(
    other: FlexOffer, ceilings: dict[tuple[str, int], int], words: str
) -> None:
    first = offer(0, 40, minimum_w=500)
    made = told([first, other], line_request({0: 700}), ceilings=ceilings)
    assert words in because(made, 9)


def test_an_offer_that_was_not_admitted_is_told_with_its_reason() -> None:
    refused = offer(9)
    made = told(
        [offer(0)], line_request({0: 10}), refused={reference(refused): "above contract power"}
    )
    assert because(made, 9) == "above contract power"


def test_an_offer_that_helps_nothing_is_told_so() -> None:
    request = line_request({0: 700}, {"node 0": 1.0, "node 1": 0.0, "node 2": -0.3})
    made = told([offer(1), offer(2)], request)
    assert because(made, 1) == because(made, 2)
    assert "helps no limit" in because(made, 1)
    (unmet,) = made.unmet
    assert (unmet.power_w, unmet.request) == (700, Reference(mrid=request.mrid, revision=1))


def test_the_tsos_volume_is_told_as_such() -> None:
    made = told([offer(1, 70)], tso_request({0: 1_500}))
    assert because(made, 1) == "70.00 EUR/MWh for the volume at PS Roma Nord; all of it taken"
    assert [each.power_w for each in made.unmet] == [500]


def test_reserve_is_called_reserve_and_stands_behind_what_is_firm() -> None:
    made = told([offer(0), offer(3, 110)], line_request({0: 900}), rules=Rules())
    assert [each.kind.value for each in made.awards] == ["firm", "reserve"]
    assert because(made, 3).startswith("reserve: relieves line 1")
