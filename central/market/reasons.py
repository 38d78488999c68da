"""Why an offer was not taken: the first of the reasons that stand against it."""

import math

import numpy as np

from central.documents.header import Direction
from central.documents.offer import FlexOffer
from central.market.binding import groups_of, keeps_its_times, parents_of
from central.market.clearing import Clearing
from central.market.limits import Floats, Integers, Limits

_UEUR_PER_EUR = 1_000_000


class Reasons:
    """What of a clearing decides about the offers that it did not take."""

    def __init__(self, clearing: Clearing) -> None:
        self.clearing, self.offers = clearing, clearing.book.offers
        self.taken = {take.offer for take in clearing.takes}
        self.groups = groups_of(self.offers)
        self.parents = parents_of(self.offers)
        self.sold: dict[str, set[int]] = {}
        self.dearest: dict[tuple[int, Direction], float] = {}
        for take in clearing.takes:
            offer = self.offers[take.offer]
            self.sold.setdefault(offer.pod.code, set()).add(take.start_ms)
            if take.effect > 0:
                key = take.start_ms, offer.direction
                self.dearest[key] = max(self.dearest.get(key, 0.0), take.ratio)
        self.asked: dict[tuple[str, Direction], dict[int, int]] = {}
        cap = clearing.rules.price_cap_ueur_per_mwh
        for request in clearing.book.requests:
            place = request.primary_substation, request.direction
            paid = min(cap, request.maximum_price_ueur_per_mwh)
            for quarter in request.quarters:
                most = self.asked.setdefault(place, {})
                most[quarter.start_ms] = max(most.get(quarter.start_ms, 0), paid)

    def why_not(self, position: int) -> str:
        """Return why an offer of the book was not taken."""
        offer = self.offers[position]
        return (
            self._refused_by_grid(offer)
            or self._not_asked(offer)
            or self._too_dear(offer)
            or self._helps_nothing(offer)
            or self._tied(position)
            or self._late()
            or self._outbid(offer)
        )

    def _refused_by_grid(self, offer: FlexOffer) -> str:
        ceilings = self.clearing.ceilings
        left = [ceilings.get((offer.mrid, each.start_ms), 1) for each in offer.quarters]
        return "" if any(left) else "the grid bears nothing of it: see the technical validation"

    def _paid(self, offer: FlexOffer) -> list[int]:
        """Return the most that is paid in each quarter-hour where and when an offer is."""
        place = self.clearing.book.zone_of(offer), offer.direction
        most = self.asked.get(place, {})
        return [
            most[each.start_ms] for each in offer.quarters if each.steps and each.start_ms in most
        ]

    def _not_asked(self, offer: FlexOffer) -> str:
        if self._paid(offer):
            return ""
        return f"nothing is asked {offer.direction.value} in its quarter-hours and area"

    def _too_dear(self, offer: FlexOffer) -> str:
        most = max(self._paid(offer))
        prices = [step.price_ueur_per_mwh for each in offer.quarters for step in each.steps[:1]]
        if not prices or min(prices) <= most:
            return ""
        return f"asks {told_eur(min(prices))} EUR/MWh; at most {told_eur(most)} is paid"

    def _helps_nothing(self, offer: FlexOffer) -> str:
        if len(self.clearing.volumes.rows) or math.isfinite(self._best_ratio(offer)):
            return ""
        return "at its place on the grid it helps no limit that is asked for"

    def _tied(self, position: int) -> str:
        offer = self.offers[position]
        quarters = {each.start_ms for each in offer.quarters if each.steps}
        called = self.clearing.book.called.get(offer.mrid, ())
        if called and not any(keeps_its_times(offer, {*called, each}) for each in quarters):
            return "it was called before: its calls, rest or longest activation leave no more"
        if quarters <= self.sold.get(offer.pod.code, set()):
            return f"{offer.pod} is sold by another offer in these quarter-hours"
        members = self.groups.get((offer.sender, offer.exclusive_group or ""), [])
        if self.taken & set(members):
            return f"another offer of its group {offer.exclusive_group} was taken"
        parent = self.parents.get(position, position)
        if parent is None or (parent != position and parent not in self.taken):
            return f"it goes only with offer {offer.linked_to}, which was not taken"
        return ""

    def _late(self) -> str:
        closed = "in the last rounds nobody takes the place of what the grid does not bear"
        return closed if self.clearing.is_closed else ""

    def _outbid(self, offer: FlexOffer) -> str:
        """Return how its price over effectiveness compares with the dearest that was taken."""
        own = self._best_ratio(offer)
        taken = [
            self.dearest[each.start_ms, offer.direction]
            for each in offer.quarters
            if (each.start_ms, offer.direction) in self.dearest
        ]
        if not taken:
            return "what is missing is too little for its minimum, or worth less than it asks"
        if own > max(taken):
            return f"asks {told_eur(own)} EUR/MWh over effect; {told_eur(max(taken))} was enough"
        return "its minimum, times or ties made others cheaper together"

    def _best_ratio(self, offer: FlexOffer) -> float:
        """Return the least price over effectiveness on any limit that it helps [µEUR/MWh]."""
        told = [each for each in offer.quarters if each.steps]
        start_ms = np.array([each.start_ms for each in told], dtype=np.int64)
        price = np.array([each.steps[0].price_ueur_per_mwh for each in told], dtype=np.float64)
        return min(
            self._ratio(limits, offer, start_ms, price)
            for limits in (self.clearing.limits, self.clearing.volumes)
        )

    def _ratio(self, limits: Limits, offer: FlexOffer, start_ms: Integers, price: Floats) -> float:
        column = limits.nodes.get(self.clearing.book.nodes[offer.pod.code])
        if column is None or not len(start_ms):
            return math.inf
        sign = 1.0 if offer.direction is Direction.UP else -1.0
        tan_phi = self.clearing.book.tan_phi.get(offer.pod.code, 0.0)
        effect = sign * (limits.up[:, column] + limits.up_var[:, column] * tan_phi)
        at = np.minimum(np.searchsorted(start_ms, limits.start_ms), len(start_ms) - 1)
        helps = (start_ms[at] == limits.start_ms) & (effect > 0)
        return float((price[at][helps] / effect[helps]).min(initial=math.inf))


def told_eur(ueur: float) -> str:
    """Return a price in EUR."""
    return "no price" if math.isinf(ueur) else f"{ueur / _UEUR_PER_EUR:.2f}"
