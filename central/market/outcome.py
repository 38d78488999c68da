"""What came of a session as a document (I-08): awards in economic order, and every reason.

Every offer is in it once for each buyer and kind that took it, or among those not taken; each
with what decided: the limit, its effectiveness there, and its price over effectiveness.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from central.documents.header import Buyer, Envelope, Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import (
    Award,
    AwardedQuarter,
    AwardKind,
    MarketOutcome,
    NotTaken,
    Stage,
    Unmet,
)
from central.market.book import reference
from central.market.clearing import Clearing, Missing, Take
from central.market.reasons import Reasons, told_eur
from central.market.rules import ReserveRule


def market_outcome(
    clearing: Clearing,
    envelope: Envelope,
    stage: Stage,
    refused: Mapping[Reference, str] | None = None,
) -> MarketOutcome:
    """Return the outcome of a clearing.

    Args:
        clearing: of the session's book.
        envelope: header.
        stage: before or after the DSO's technical validation.
        refused: offers that were not admitted to the book, and why.
    """
    book = clearing.book
    awards = _awards(clearing)
    taken = {each.offer for each in awards}
    told = dict(refused or {})
    reasons = Reasons(clearing)
    for position, offer in enumerate(book.offers):
        if reference(offer) not in taken:
            told[reference(offer)] = reasons.why_not(position)
    return MarketOutcome(
        **envelope.header(book.interval),
        session=book.session,
        horizon=book.horizon,
        stage=stage,
        awards=awards,
        not_taken=tuple(
            NotTaken(offer=each, because=because) for each, because in sorted(told.items())
        ),
        unmet=tuple(sorted(_unmet(clearing), key=lambda one: (one.request, one.start_ms))),
    )


def _awards(clearing: Clearing) -> tuple[Award, ...]:
    """Return awards by buyer and kind, then by price over effectiveness, then by the book."""
    by_award = sorted(clearing.takes, key=_award)
    groups = [list(takes) for _, takes in groupby(by_award, key=_award)]
    groups.sort(key=lambda takes: (_turn(takes[0]), _ratio(takes), takes[0].offer))
    return tuple(_awarded(clearing, takes) for takes in groups)


def _award(take: Take) -> tuple[str, str, int, int]:
    return take.buyer.value, take.kind.value, take.offer, take.request


def _turn(take: Take) -> tuple[bool, bool]:
    return take.buyer is not Buyer.DSO, take.kind is not AwardKind.FIRM


def _ratio(takes: Iterable[Take]) -> float:
    return min(take.ratio for take in takes)


def _awarded(clearing: Clearing, takes: Sequence[Take]) -> Award:
    offer = clearing.book.offers[takes[0].offer]
    first = max(takes, key=lambda take: (take.effect, -take.start_ms))
    limits = clearing.limits_of(first.buyer)
    best = 0.0 if first.limit is None else limits.rows[first.limit].best_nano_per_w
    return Award(
        offer=reference(offer),
        request=reference(clearing.book.requests[first.request]),
        kind=first.kind,
        buyer=first.buyer,
        pod=offer.pod,
        direction=offer.direction,
        quarters=tuple(
            AwardedQuarter(
                start_ms=take.start_ms,
                power_w=take.power_w,
                price_ueur_per_mwh=take.price_ueur_per_mwh,
            )
            for take in sorted(takes, key=lambda take: take.start_ms)
        ),
        effect_nano_per_w=round(first.effect * best),
        because=_why(clearing, offer, takes, first),
    )


# ── reasons ─────────────────────────────────────────────────────────────────────────────────


def _why(clearing: Clearing, offer: FlexOffer, takes: Sequence[Take], first: Take) -> str:
    offered_w = {quarter.start_ms: quarter.maximum_w for quarter in offer.quarters}
    whole = all(take.power_w >= offered_w[take.start_ms] for take in takes)
    cut = [
        take
        for take in takes
        if clearing.ceilings.get((offer.mrid, take.start_ms), offered_w[take.start_ms])
        <= take.power_w
        < offered_w[take.start_ms]
    ]
    rest = "the grid bears no more of it" if cut else "no more of it is needed"
    role = _reserve(clearing) if first.kind is AwardKind.RESERVE else ""
    return f"{role}{_merit(clearing, first)}; {'all of it taken' if whole else rest}"


def _reserve(clearing: Clearing) -> str:
    is_default = not clearing.book.delivered
    if clearing.rules.reserve is ReserveRule.DELIVERY_HISTORY and is_default:
        return "reserve, as large as the largest offer while nobody has a history: "
    return "reserve: "


def _merit(clearing: Clearing, take: Take) -> str:
    if take.limit is None:
        return f"{told_eur(take.bid_ueur_per_mwh)} EUR/MWh; its block helps in other hours"
    row = clearing.limits_of(take.buyer).rows[take.limit]
    if row.bound is None:
        return f"{told_eur(take.bid_ueur_per_mwh)} EUR/MWh for the volume at {row.element}"
    return (
        f"relieves {row.element} ({row.bound.value}), each W counting {take.effect:.2f}: "
        f"{told_eur(take.bid_ueur_per_mwh)} EUR/MWh, {told_eur(take.ratio)} over effect"
    )


def _unmet(clearing: Clearing) -> list[Unmet]:
    return [
        Unmet(
            request=reference(clearing.book.requests[each.request]),
            start_ms=each.start_ms,
            power_w=each.power_w,
            because=_why_missing(clearing, each),
        )
        for each in clearing.missing
    ]


def _why_missing(clearing: Clearing, missing: Missing) -> str:
    request = clearing.book.requests[missing.request]
    row = clearing.limits_of(request.buyer).rows[missing.limit]
    where = row.element if row.bound is None else f"{row.element} ({row.bound.value})"
    paid = told_eur(min(clearing.rules.price_cap_ueur_per_mwh, request.maximum_price_ueur_per_mwh))
    return f"{where}: no more is offered that helps, at {paid} EUR/MWh over effect or less"
