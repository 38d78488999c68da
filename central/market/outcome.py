"""What came of a session as a document (I-08): awards in economic order, and every reason.

Every offer is in it once for each buyer and kind that took it, or among those not taken; each
with what decided: the limit, its effectiveness there, and its price over effectiveness.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from central.documents.header import Buyer, Direction, Envelope, Reference
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
from central.market.binding import groups_of, parents_of
from central.market.book import reference
from central.market.clearing import Clearing, Missing, Take
from central.market.limits import Limits

_UEUR_PER_EUR = 1_000_000
_FULL_PCT = 100


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
    for position, offer in enumerate(book.offers):
        if reference(offer) not in taken:
            told[reference(offer)] = _why_not(clearing, position)
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
    role = "reserve: " if first.kind is AwardKind.RESERVE else ""
    return f"{role}{_merit(clearing, first)}; {'all of it taken' if whole else rest}"


def _merit(clearing: Clearing, take: Take) -> str:
    if take.limit is None:
        return f"{_eur(take.bid_ueur_per_mwh)} EUR/MWh; its block helps in other hours"
    row = clearing.limits_of(take.buyer).rows[take.limit]
    if row.bound is None:
        return f"{_eur(take.bid_ueur_per_mwh)} EUR/MWh for the volume at {row.element}"
    return (
        f"relieves {row.element} ({row.bound.value}) with {_pct(take.effect)} of the best effect: "
        f"{_eur(take.bid_ueur_per_mwh)} EUR/MWh, {_eur(take.ratio)} over effect"
    )


def _why_not(clearing: Clearing, position: int) -> str:
    """Return the first of the reasons that stand against an offer."""
    offer = clearing.book.offers[position]
    return (
        _refused_by_grid(clearing, offer)
        or _not_asked(clearing, offer)
        or _too_dear(clearing, offer)
        or _helps_nothing(clearing, offer)
        or _tied(clearing, position)
        or _outbid(clearing, position)
    )


def _refused_by_grid(clearing: Clearing, offer: FlexOffer) -> str:
    left = [clearing.ceilings.get((offer.mrid, each.start_ms), 1) for each in offer.quarters]
    return "" if any(left) else "the grid bears nothing of it: see the technical validation"


def _not_asked(clearing: Clearing, offer: FlexOffer) -> str:
    if _asking(clearing, offer):
        return ""
    return f"nothing is asked {offer.direction.value} in its quarter-hours and area"


def _too_dear(clearing: Clearing, offer: FlexOffer) -> str:
    most = max(paid for _, paid in _asking(clearing, offer))
    prices = [step.price_ueur_per_mwh for each in offer.quarters for step in each.steps[:1]]
    if not prices or min(prices) <= most:
        return ""
    return f"asks {_eur(min(prices))} EUR/MWh; at most {_eur(most)} is paid"


def _helps_nothing(clearing: Clearing, offer: FlexOffer) -> str:
    if clearing.volumes.rows or any(
        _effect(clearing.limits, place, clearing, offer) > 0
        for place, row in enumerate(clearing.limits.rows)
        if any(each.start_ms == row.start_ms for each in offer.quarters)
    ):
        return ""
    return "at its place on the grid it helps no limit that is asked for"


def _tied(clearing: Clearing, position: int) -> str:
    offers = clearing.book.offers
    offer = offers[position]
    taken = {take.offer for take in clearing.takes}
    quarters = {each.start_ms for each in offer.quarters if each.steps}
    sold = {
        take.start_ms for take in clearing.takes if offers[take.offer].pod == offer.pod
    } & quarters
    if sold == quarters:
        return f"{offer.pod} is sold by another offer in these quarter-hours"
    members = groups_of(offers).get((offer.sender, offer.exclusive_group or ""), [])
    if taken & set(members):
        return f"another offer of its group {offer.exclusive_group} was taken"
    parent = parents_of(offers).get(position, position)
    if parent is None or (parent != position and parent not in taken):
        return f"it goes only with offer {offer.linked_to}, which was not taken"
    return ""


def _outbid(clearing: Clearing, position: int) -> str:
    """Return how its price over effectiveness compares with the dearest that was taken."""
    offer = clearing.book.offers[position]
    own = _best_ratio(clearing, offer)
    starts = {each.start_ms for each in offer.quarters}
    taken = [
        take.ratio
        for take in clearing.takes
        if take.start_ms in starts and take.effect > 0
        and clearing.book.offers[take.offer].direction is offer.direction
    ]  # fmt: skip
    if not taken:
        return "what is missing is too little for its minimum, or worth less than it asks"
    dearest = max(taken)
    if own > dearest:
        return f"asks {_eur(own)} EUR/MWh over effect; {_eur(dearest)} was enough"
    return "its minimum, times or ties made others cheaper together"


def _best_ratio(clearing: Clearing, offer: FlexOffer) -> float:
    found = [math.inf]
    for quarter in offer.quarters:
        for limits in (clearing.limits, clearing.volumes):
            for place, row in enumerate(limits.rows):
                effect = _effect(limits, place, clearing, offer)
                if row.start_ms == quarter.start_ms and effect > 0 and quarter.steps:
                    found.append(quarter.steps[0].price_ueur_per_mwh / effect)
    return min(found)


def _effect(limits: Limits, row: int, clearing: Clearing, offer: FlexOffer) -> float:
    column = limits.nodes.get(clearing.book.nodes[offer.pod.code])
    sign = 1.0 if offer.direction is Direction.UP else -1.0
    return 0.0 if column is None else sign * float(limits.up[row, column])


def _asking(clearing: Clearing, offer: FlexOffer) -> list[tuple[int, int]]:
    """Return quarter-hour and highest price of what is asked where and when an offer is."""
    zone = clearing.book.zone_of(offer)
    starts = {each.start_ms for each in offer.quarters if each.steps}
    return [
        (
            quarter.start_ms,
            min(clearing.rules.price_cap_ueur_per_mwh, request.maximum_price_ueur_per_mwh),
        )
        for request in clearing.book.requests
        if request.direction is offer.direction and request.primary_substation == zone
        for quarter in request.quarters
        if quarter.start_ms in starts
    ]


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
    paid = _eur(min(clearing.rules.price_cap_ueur_per_mwh, request.maximum_price_ueur_per_mwh))
    return f"{where}: no more is offered that helps, at {paid} EUR/MWh over effect or less"


def _eur(ueur: float) -> str:
    return "no price" if math.isinf(ueur) else f"{ueur / _UEUR_PER_EUR:.2f}"


def _pct(share: float) -> str:
    return f"{share * _FULL_PCT:.0f} %"
