"""Of two equal offers the one that came first is never taken less, whatever else is on offer."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.header import Buyer
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import AwardKind, MarketOutcome
from central.documents.request import FlexRequest
from central.market.binding import UNTIED, ties_of
from central.market.rules import ReserveRule, Rules
from tests.markets import book, mrid, pod
from tests.outcomes import outcome_of
from tests.property.test_market_units import Made, divisible, whole

COPY, OF_ITS_OWN = 90, 91
STAGES = [
    (Buyer.DSO, AwardKind.FIRM), (Buyer.DSO, AwardKind.RESERVE), (Buyer.TSO, AwardKind.FIRM),
]  # fmt: skip

SHARES = st.dictionaries(st.sampled_from([1, 2, 3, OF_ITS_OWN]), st.sampled_from([0.5, 0.9]))


@st.composite
def with_a_copy(
    draw: st.DrawFn,
) -> tuple[FlexOffer, FlexOffer, list[FlexOffer], list[FlexRequest], dict[int, str]]:
    """Draw a market into which an offer that no other is linked to is copied, submitted later.

    On a POD of its own only if the first has one too: who sells through several is no equal.
    """
    made: Made = draw(st.one_of(whole(), divisible()))
    offers, requests, nodes = made
    parents = {each.linked_to for each in offers}
    one = draw(st.sampled_from([each for each in offers if each.mrid not in parents]))
    nodes = nodes | {OF_ITS_OWN: nodes[int(one.pod.code[6:14])]}
    is_alone = [each.pod for each in offers].count(one.pod) == 1
    copy = replace(
        one, mrid=mrid(COPY), created_ms=one.created_ms + draw(st.integers(0, 40)),
        pod=pod(OF_ITS_OWN) if is_alone and draw(st.booleans()) else one.pod,
    )  # fmt: skip
    return one, copy, draw(st.permutations([*offers, copy])), requests, nodes


@settings(max_examples=150, deadline=None)
@given(with_a_copy(), st.sampled_from(ReserveRule), SHARES)
def test_the_first_of_two_equal_offers_is_never_taken_less(
    made: tuple[FlexOffer, FlexOffer, list[FlexOffer], list[FlexRequest], dict[int, str]],
    reserve: ReserveRule,
    shares: dict[int, float],
) -> None:
    """In each quarter-hour, or in energy where something ties them; while both are on sale."""
    one, copy, offers, requests, nodes = made
    told = outcome_of(book(offers, requests, nodes, delivered=shares), Rules(reserve=reserve))
    starts = [each.start_ms for each in one.quarters]
    is_tied = one.acceptance is Acceptance.BLOCK or ties_of(one) != UNTIED
    gone: set[tuple[str, int]] = set()
    for stage in STAGES:
        power_w = stage_w(told, *stage)
        on_sale = [ms for ms in starts if not {(each.pod.code, ms) for each in (one, copy)} & gone]
        first_w, later_w = (
            [power_w.get((each.mrid, each.pod.code, ms), 0) for ms in on_sale]
            for each in (one, copy)
        )
        if not is_tied:
            assert all(a >= b for a, b in zip(first_w, later_w, strict=True))
        elif on_sale == starts:
            assert sum(first_w) >= sum(later_w)
        gone |= {(code, ms) for _, code, ms in power_w}


def stage_w(told: MarketOutcome, buyer: Buyer, kind: AwardKind) -> dict[tuple[str, str, int], int]:
    """Return what one stage of a clearing takes, by offer, POD and quarter-hour [W]."""
    return {
        (award.offer.mrid, award.pod.code, quarter.start_ms): quarter.power_w
        for award in told.awards
        if (award.buyer, award.kind) == (buyer, kind)
        for quarter in award.quarters
    }
