"""What owners are told to keep ready (DA-18a, RT-15a): a plan (I-14) for each award won."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import NoReturn

from central.aggregator.offering import NAMESPACE
from central.aggregator.portfolio import Portfolio
from central.documents.header import Envelope, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import Award, MarketOutcome, Stage
from central.documents.plan import DerPlan
from ledger.errors import Rejected
from ledger.facts.pod import Pod


def reservations(
    outcome: MarketOutcome,
    offers: Sequence[FlexOffer],
    portfolio: Portfolio,
    envelope: Callable[[str, str], Envelope],
) -> tuple[DerPlan, ...]:
    """Return what an outcome reserves of the aggregator's own offers, in the outcome's order.

    Args:
        outcome: final; awards of other aggregators' offers are none of our business.
        offers: that were made for the session.
        portfolio: tells the owners.
        envelope: header of the document of that mrid, for that receiver.

    Raises:
        Rejected: `not_final`; or, of an award at one of our customers, `unknown_offer`, or
            `beyond_offer`: more than was offered, other quarters, or another direction.
    """
    if outcome.stage is not Stage.FINAL:
        _reject(outcome, "expected the final outcome", "not_final", "wait for the validation")
    ours = {offer.mrid: offer for offer in offers}
    owners = {each.pod: each.owner for each in portfolio.customers}
    awards = list(_own(outcome, ours, owners.keys()))
    _check_volumes(outcome, awards, ours)
    follows = Reference(mrid=outcome.mrid, revision=outcome.revision)
    plans = []
    for award in awards:
        mrid = plan_mrid(outcome, award)
        plans.append(
            DerPlan(
                **envelope(mrid, owners[award.pod]).header(outcome.validity),
                session=outcome.session,
                pod=award.pod,
                outcome=follows,
                offer=award.offer,
                kind=award.kind,
                direction=award.direction,
                quarters=award.quarters,
            )
        )
    return tuple(plans)


def plan_mrid(outcome: MarketOutcome, award: Award) -> str:
    """Return the name of the plan that follows from an award."""
    parts = (outcome.mrid, award.offer.mrid, award.request.mrid, award.kind)
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def _own(
    outcome: MarketOutcome, ours: Mapping[str, FlexOffer], pods: Container[Pod]
) -> Iterator[Award]:
    for award in outcome.awards:
        offer = ours.get(award.offer.mrid)
        if offer is None:
            if award.pod in pods:
                what = f"{award.pod} is our customer, and offer {award.offer.mrid} is not ours"
                _reject(outcome, what, "unknown_offer", "ask the market who offered it")
            continue
        same = (offer.pod, offer.direction, offer.revision)
        if (award.pod, award.direction, award.offer.revision) != same:
            _reject(outcome, f"offer {offer.mrid} was of another POD, direction or revision")
        yield award


def _check_volumes(
    outcome: MarketOutcome, awards: Sequence[Award], ours: Mapping[str, FlexOffer]
) -> None:
    """Refuse awards that together take more of an offer than there is."""
    taken_w: defaultdict[tuple[str, int], int] = defaultdict(int)
    for award in awards:
        for quarter in award.quarters:
            taken_w[award.offer.mrid, quarter.start_ms] += quarter.power_w
    offered_w = {
        (offer.mrid, quarter.start_ms): quarter.maximum_w
        for offer in ours.values()
        for quarter in offer.quarters
    }
    for (mrid, start_ms), power_w in taken_w.items():
        most_w = offered_w.get((mrid, start_ms), 0)
        if power_w > most_w:
            what = f"{power_w} W of offer {mrid} at {start_ms} ms, where {most_w} W were offered"
            _reject(outcome, what)


def _reject(
    outcome: MarketOutcome,
    what: str,
    reason: str = "beyond_offer",
    remedy: str = "ask the market to correct the outcome",
) -> NoReturn:
    raise Rejected(what, where=f"outcome {outcome.mrid}", remedy=remedy, reason=reason)
