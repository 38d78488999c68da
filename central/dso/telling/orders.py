"""Orders (I-09) resolved to the offers that were won, and to the programmes they are held against.

An order is carried out only if everything behind it is there: the final outcome (I-08) that it
rests on, the won offer (I-05) with no more ordered than was won, and the frozen baseline (I-03) of
every quarter that moves, before and after.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from central.documents.baseline import Baseline
from central.documents.header import Direction, Document, Reference
from central.documents.offer import FlexOffer
from central.documents.order import FlexOrder, OrderedOffer, SetPoint
from central.documents.outcome import MarketOutcome, Stage
from central.dso.delivering import NO_REBOUND, Rebound, coming_back_w
from central.dso.dispatch import Ordered
from central.dso.grid.model import Booleans, Floats, Grid, Phasors
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

_PERMILLE = 1_000
_MS = 1_000
_LEAST_W = 0.5

Kind = TypeVar("Kind", bound=Document)
Programme = Mapping[int, tuple[int, Reference]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """One won offer as it is ordered, with what it rests on.

    Args:
        ordered: as the dispatch takes it.
        order, offer: the documents.
        programme: by start of a quarter, the POD's baseline [W] and the I-03 that says so.
        baseline_w: the same in the quarters that are looked at, 0 where nothing moves.
    """

    ordered: Ordered
    order: FlexOrder
    offer: FlexOffer
    programme: Programme
    baseline_w: Floats


def resolved_orders(
    span: Interval,
    orders: Sequence[FlexOrder],
    *,
    outcomes: Iterable[MarketOutcome],
    offers: Iterable[FlexOffer],
    baselines: Iterable[Baseline],
    now_ms: int,
) -> list[Resolved]:
    """Return every offer that is ordered, in the order of the orders.

    Args:
        span: the quarters that are looked at.
        orders: to be carried out.
        outcomes: that the orders rest on.
        offers: that were won.
        baselines: of their PODs.
        now_ms: an order that has ended by now is not passed on.

    Raises:
        Rejected: `expired`, `no_outcome`, `not_final`, `no_offer`, `not_won`, `other_direction`,
            `not_forecast`, `no_baseline`; the order and the offer are named.
    """
    known_outcomes, known_offers = _by_reference(outcomes), _by_reference(offers)
    programmes = _programmes(baselines)
    made = []
    for order in orders:
        outcome = _outcome_of(order, known_outcomes, now_ms)
        for each in order.orders:
            offer = known_offers.get(each.offer)
            if offer is None:
                raise _wrong(order, each, "the offer is not among those given", "no_offer")
            _need_won(order, each, offer, outcome)
            programme = programmes.get(offer.pod.code, {})
            made.append(_resolved(span, order, each, offer, programme))
    return made


def standing_va(
    grid: Grid,
    span: Interval,
    resolved: Sequence[Resolved],
    held: Mapping[str, Sequence[SetPoint]],
) -> Phasors:
    """Return what set-points that were sent before, and still stand, make each node draw more.

    In VA, load convention, shape (quarters, nodes), what comes back of them too. A new order for
    the same offer takes the place of what was sent for it.

    Raises:
        Rejected: `sold_twice`: a POD moves for another offer already.
    """
    moving = {(each.ordered.pod, start_ms): each
              for each in resolved for start_ms in _moving_ms(span, each)}  # fmt: skip
    quarters = span.duration_ms // QUARTER_MS
    changed: Phasors = np.zeros((quarters, len(grid.nodes)), dtype=np.complex128)
    for pod, given in held.items():
        node, tan_phi = grid.pod_node[grid.pod(pod)], grid.tan_phi[grid.pod(pod)]
        for start_ms, point in _standing(given).items():
            at = (start_ms - span.start_ms) // QUARTER_MS
            if not 0 <= at < quarters:
                continue
            ordered = moving.get((pod, start_ms))
            if ordered is None:
                changed[at, node] += _moved_w(point, given) * (1 + 1j * tan_phi)
            elif point.offer.mrid != ordered.offer.mrid:
                raise Rejected(
                    f"{pod} moves for offer {point.offer.mrid} already, by set-point {point.mrid}",
                    where=f"order {ordered.order.mrid}, offer {ordered.offer.mrid}",
                    remedy="a POD moves for one offer at a time",
                    reason="sold_twice",
                )
    return changed


def _standing(given: Sequence[SetPoint]) -> dict[int, SetPoint]:
    """Return the set-point that holds in each quarter: the one with the highest number."""
    standing: dict[int, SetPoint] = {}
    for point in sorted(given, key=lambda one: one.sequence):
        span = point.validity
        standing.update(dict.fromkeys(range(span.start_ms, span.end_ms, QUARTER_MS), point))
    return standing


def _moved_w(point: SetPoint, given: Sequence[SetPoint]) -> int:
    """Return by how much a POD draws more for a set-point [W].

    Where only the envelope binds, all of it is drawn that comes back. Which end that is, the
    set-points for the same offer tell: less before is more now, and the reverse.
    """
    moved_w = sum(each.difference_w for each in given if each.offer == point.offer)
    if point.difference_w or not moved_w:
        return point.difference_w
    return (point.most_w if moved_w < 0 else point.least_w) - point.target_w


def _moving_ms(span: Interval, each: Resolved) -> Iterator[int]:
    """Yield the start of each quarter in which an order moves its POD, or something comes back."""
    for at in np.flatnonzero(_is_moving(each.ordered.rebound, each.ordered.power_w)):
        yield span.start_ms + int(at) * QUARTER_MS


def _is_moving(rebound: Rebound, power_w: Floats) -> Booleans:
    moving: Booleans = power_w + coming_back_w(rebound, power_w) >= _LEAST_W
    return moving


def reference_to(document: Document) -> Reference:
    """Return what another document calls this one."""
    return Reference(mrid=document.mrid, revision=document.revision)


def rebound_of(offer: FlexOffer) -> Rebound:
    """Return what comes back after an offer is delivered, in quarters: never too few of them."""
    told = offer.rebound
    if told is None or not told.share_permille:
        return NO_REBOUND
    quarter_s = QUARTER_MS // _MS
    return Rebound(
        told.share_permille / _PERMILLE,
        1 + told.delay_s // quarter_s,
        max(1, -(-told.duration_s // quarter_s)),
    )


def _resolved(
    span: Interval,
    order: FlexOrder,
    each: OrderedOffer,
    offer: FlexOffer,
    programme: Programme,
) -> Resolved:
    power_w = np.zeros(span.duration_ms // QUARTER_MS)
    for quarter in each.quarters:
        at = (quarter.start_ms - span.start_ms) // QUARTER_MS
        if not 0 <= at < len(power_w):
            what = f"quarter {quarter.start_ms} is outside what was forecast"
            raise _wrong(order, each, what, "not_forecast")
        power_w[at] = quarter.power_w
    rebound = rebound_of(offer)
    baseline_w = np.zeros_like(power_w)
    for at in map(int, np.flatnonzero(_is_moving(rebound, power_w))):
        start_ms = span.start_ms + at * QUARTER_MS
        if start_ms not in programme:
            what = f"no baseline of {offer.pod} covers quarter {start_ms}"
            raise _wrong(order, each, what, "no_baseline")
        baseline_w[at] = programme[start_ms][0]
    is_up = offer.direction is Direction.UP
    ordered = Ordered(offer.mrid, order.mrid, offer.pod.code, is_up, power_w, rebound)
    return Resolved(ordered, order, offer, programme, baseline_w)


def _outcome_of(
    order: FlexOrder, outcomes: Mapping[Reference, MarketOutcome], now_ms: int
) -> MarketOutcome:
    """Return what an order rests on, if nothing stands against the order itself."""
    where = f"order {order.mrid}"
    if order.expires_ms <= now_ms:
        what = f"it ended at {order.expires_ms}, and it is {now_ms}"
        raise Rejected(what, where=where, remedy="ask for another order", reason="expired")
    outcome = outcomes.get(order.outcome)
    if outcome is None:
        raise Rejected(
            f"the outcome {order.outcome.mrid}, revision {order.outcome.revision}, is not given",
            where=where,
            remedy="give the final outcome (I-08) that the order rests on",
            reason="no_outcome",
        )
    if outcome.stage is not Stage.FINAL:
        raise Rejected(
            f"outcome {outcome.mrid} is preliminary: nothing is won before the validation",
            where=where,
            remedy="wait for the final outcome",
            reason="not_final",
        )
    return outcome


def _need_won(
    order: FlexOrder, each: OrderedOffer, offer: FlexOffer, outcome: MarketOutcome
) -> None:
    """Refuse what was not won by the buyer, in that direction, quarter by quarter."""
    if offer.direction is not order.direction:
        what = f"it is ordered {order.direction.value}, the offer is {offer.direction.value}"
        raise _wrong(order, each, what, "other_direction")
    won_w: dict[int, int] = {}
    for award in outcome.awards:
        if (award.offer, award.buyer, award.pod) == (each.offer, order.buyer, offer.pod):
            for won in award.quarters:
                won_w[won.start_ms] = won_w.get(won.start_ms, 0) + won.power_w
    for quarter in each.quarters:
        most_w = won_w.get(quarter.start_ms, 0)
        if quarter.power_w > most_w:
            what = (
                f"{quarter.power_w} W are ordered in quarter {quarter.start_ms}, "
                f"and the {order.buyer.value} won {most_w} W"
            )
            raise _wrong(order, each, what, "not_won")


def _by_reference(documents: Iterable[Kind]) -> dict[Reference, Kind]:
    return {reference_to(each): each for each in documents}


def _programmes(baselines: Iterable[Baseline]) -> dict[str, dict[int, tuple[int, Reference]]]:
    """Return the programme of each POD; of two that speak of a quarter the later one counts."""
    programmes: dict[str, dict[int, tuple[int, Reference]]] = {}
    for baseline in sorted(baselines, key=lambda one: (one.created_ms, one.revision, one.mrid)):
        programmes.setdefault(baseline.pod.code, {}).update(_quarters(baseline))
    return programmes


def _quarters(baseline: Baseline) -> Iterator[tuple[int, tuple[int, Reference]]]:
    reference = reference_to(baseline)
    for quarter in baseline.quarters:
        yield quarter.start_ms, (quarter.power_w, reference)


def _wrong(order: FlexOrder, each: OrderedOffer, what: str, reason: str) -> Rejected:
    return Rejected(
        what,
        where=f"order {order.mrid}, offer {each.offer.mrid}, revision {each.offer.revision}",
        remedy="give the order with the outcome, offers and baselines that it rests on",
        reason=reason,
    )
