"""What owners are told to keep ready: a plan for each award, and none for what was not offered."""

from dataclasses import replace
from datetime import date

import pytest

from central.aggregator.planning import reservations
from central.aggregator.portfolio import Portfolio
from central.documents.encoding import decode, encode
from central.documents.header import Buyer, Direction, Envelope, Horizon, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import Award, AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.documents.plan import DerPlan
from ledger.errors import Rejected
from ledger.facts.pod import Pod
from tests.portfolios import SESSION, offered

PORTFOLIO, OFFERING = offered(12, date(2026, 6, 3), 3, fully=True)
OFFERS = OFFERING.offers
OTHER_WAY = Direction.UP if OFFERS[0].direction is Direction.DOWN else Direction.DOWN
REQUEST = Reference(mrid="4f1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1)


def award(offer: FlexOffer, share: float = 1.0, kind: AwardKind = AwardKind.FIRM) -> Award:
    return Award(
        offer=Reference(mrid=offer.mrid, revision=1), request=REQUEST, kind=kind,
        buyer=Buyer.DSO, pod=offer.pod, direction=offer.direction,
        quarters=tuple(
            AwardedQuarter(
                start_ms=each.start_ms, power_w=int(each.maximum_w * share),
                price_ueur_per_mwh=each.steps[-1].price_ueur_per_mwh,
            )
            for each in offer.quarters[:3]
        ),
        effect_nano_per_w=1, because="it is the cheapest",
    )  # fmt: skip


def outcome(*awards: Award, stage: Stage = Stage.FINAL) -> MarketOutcome:
    return MarketOutcome(
        mrid="9d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=2, created_ms=2, sender="market",
        receiver="aggregator", validity=OFFERS[0].validity, session=SESSION,
        horizon=Horizon.DAY_AHEAD, stage=stage, awards=awards, not_taken=(), unmet=(),
    )  # fmt: skip


def envelope(mrid: str, receiver: str) -> Envelope:
    return Envelope(mrid=mrid, created_ms=3, sender="aggregator", receiver=receiver)


def plans(of: MarketOutcome, portfolio: Portfolio = PORTFOLIO) -> tuple[DerPlan, ...]:
    return reservations(of, OFFERS, portfolio, envelope)


def test_each_award_is_told_to_the_owner_of_the_resource() -> None:
    half, rest = award(OFFERS[0], 0.5), award(OFFERS[0], 0.5, AwardKind.RESERVE)
    other = award(OFFERS[-1])
    found = plans(outcome(half, rest, other))
    assert [plan.receiver for plan in found] == [
        f"owner-{offer.pod}" for offer in (OFFERS[0], OFFERS[0], OFFERS[-1])
    ]
    assert [plan.kind for plan in found] == [AwardKind.FIRM, AwardKind.RESERVE, AwardKind.FIRM]
    assert [plan.quarters for plan in found] == [each.quarters for each in (half, rest, other)]
    assert {plan.outcome.revision for plan in found} == {2}
    assert len({plan.mrid for plan in found}) == 3
    assert all(decode(encode(plan)) == plan for plan in found)
    assert found == plans(outcome(half, rest, other))


def test_what_others_have_won_is_none_of_our_business() -> None:
    unknown = Reference(mrid=REQUEST.mrid, revision=1)
    theirs = replace(award(OFFERS[0]), pod=Pod("IT002E99999999"), offer=unknown)
    assert plans(outcome(theirs)) == ()


def test_a_preliminary_outcome_reserves_nothing() -> None:
    with pytest.raises(Rejected) as caught:
        plans(outcome(award(OFFERS[0]), stage=Stage.PRELIMINARY))
    assert caught.value.reason == "not_final"


def test_an_award_of_our_customer_that_we_did_not_offer_is_refused() -> None:
    foreign = replace(award(OFFERS[0]), offer=Reference(mrid=REQUEST.mrid, revision=1))
    with pytest.raises(Rejected, match=str(OFFERS[0].pod)) as caught:
        plans(outcome(foreign))
    assert caught.value.reason == "unknown_offer"


@pytest.mark.parametrize(
    "awards",
    [
        (award(OFFERS[0], 1.5),),
        (award(OFFERS[0], 0.6), award(OFFERS[0], 0.6, AwardKind.RESERVE)),
        (replace(award(OFFERS[0]), pod=OFFERS[-1].pod),),
        (replace(award(OFFERS[0]), direction=OTHER_WAY),),
        (replace(award(OFFERS[0]), offer=Reference(mrid=OFFERS[0].mrid, revision=2)),),
        (
            replace(
                award(OFFERS[0]),
                quarters=(AwardedQuarter(start_ms=0, power_w=1, price_ueur_per_mwh=1),),
            ),
        ),
    ],
)
def test_more_or_other_than_was_offered_is_refused(awards: tuple[Award, ...]) -> None:
    with pytest.raises(Rejected) as caught:
        plans(outcome(*awards))
    assert caught.value.reason == "beyond_offer"
