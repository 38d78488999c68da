"""The market clears: the DSO's limits first, then reserve for them, then the TSO's volumes.

```
 DSO       limits of its grid, cheapest by price over effectiveness
 reserve   more offers for the same limits, by rule; paid only if they are called
 TSO       volumes, out of what is left; no limit of the DSO's becomes worse by it
```

A POD is sold once in a quarter-hour: to one buyer, by one offer. Whole watts: what is taken is
rounded up, so that a need is met; rounded down where a watt more would harm a limit that the TSO
must not touch. What is missing after that is stated as unmet.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from central.documents.header import Buyer, Direction
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import AwardKind
from central.documents.request import FlexRequest
from central.market.binding import TAKEN_W, Place, Sold
from central.market.book import Book
from central.market.cells import Ceilings, Cells
from central.market.demand import Demand, effects
from central.market.limits import Booleans, Floats, Limits, grid_limits, volumes
from central.market.reserve import Firm, reserve_w
from central.market.rules import Pricing, Rules
from central.market.solving import cheapest

_MISSING_W = 1e-2


@dataclass(frozen=True, slots=True)
class Take:
    """What is taken of an offer in a quarter-hour.

    Args:
        offer: its position in the book.
        start_ms: the quarter-hour.
        power_w: in the offer's direction, at least 1.
        price_ueur_per_mwh: what is paid.
        buyer, kind, request: for whom, whether it is sure, and for which request of the book.
        limit: what it mainly helps; None where it helps nothing (a block's other hours).
        effect: of its watts there, at most 1.
        bid_ueur_per_mwh: what the dearest watt of it asked.
    """

    offer: int
    start_ms: int
    power_w: int
    price_ueur_per_mwh: int
    buyer: Buyer
    kind: AwardKind
    request: int
    limit: int | None
    effect: float
    bid_ueur_per_mwh: float

    @property
    def ratio(self) -> float:
        """Return price over effectiveness of its dearest watt [µEUR/MWh]."""
        return self.bid_ueur_per_mwh / self.effect if self.effect > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Missing:
    """What a request misses in a quarter-hour, at the place where a watt does most [W]."""

    request: int
    start_ms: int
    power_w: int
    limit: int


@dataclass(frozen=True)
class Clearing:
    """What came of a book.

    Args:
        book: that was cleared.
        rules: by which.
        ceilings: what the grid had refused before.
        limits: of the DSO.
        volumes: of the TSO; what is taken or missing for the TSO names rows of these.
        takes: by quarter-hour and offer.
        missing: by request and quarter-hour.
    """

    book: Book
    rules: Rules
    ceilings: Ceilings
    limits: Limits
    volumes: Limits
    takes: tuple[Take, ...]
    missing: tuple[Missing, ...]

    def limits_of(self, buyer: Buyer) -> Limits:
        """Return the rows that a buyer's takes name."""
        return self.limits if buyer is Buyer.DSO else self.volumes


def clear(book: Book, rules: Rules, ceilings: Ceilings | None = None) -> Clearing:
    """Return the cheapest way to meet what is asked for, of what is offered.

    The same book gives the same answer, in whatever order its documents came.

    Args:
        book: of one session.
        rules: by which it clears.
        ceilings: what the DSO's validation left of offers, by mRID and quarter-hour [W].

    Raises:
        InvariantBroken: the solver gave up.
    """
    return _Floor(book, rules, ceilings or {}).clear()


class _Floor:
    """One clearing under way."""

    def __init__(self, book: Book, rules: Rules, ceilings: Ceilings) -> None:
        self.book, self.rules, self.ceilings = book, rules, ceilings
        cap = rules.price_cap_ueur_per_mwh
        self.limits = grid_limits(book.of_buyer(Buyer.DSO), cap)
        self.volumes = volumes(book.of_buyer(Buyer.TSO), book.zones, cap)
        self.sold = Sold()
        self.takes: list[Take] = []

    def clear(self) -> Clearing:
        """Go through the three stages."""
        firm = self._stage(Buyer.DSO, AwardKind.FIRM, [self._grid_part(self.limits.need_w)])
        self._stage(Buyer.DSO, AwardKind.RESERVE, [self._grid_part(self.limits.need_w)])
        room_w = np.maximum(self._brought_w(self.limits, firm) - self.limits.need_w, 0.0)
        volume = self.volumes, self.volumes.need_w, self.volumes.cap_ueur_per_mwh
        kept = self.limits, -room_w, np.full(len(self.limits.rows), np.inf)
        sold = self._stage(Buyer.TSO, AwardKind.FIRM, [volume, kept])
        missing = [
            *self._missing(Buyer.DSO, self.limits, firm),
            *self._missing(Buyer.TSO, self.volumes, sold),
        ]
        return Clearing(
            self.book, self.rules, self.ceilings, self.limits, self.volumes,
            tuple(sorted(self.takes, key=lambda one: (one.start_ms, one.offer, one.kind.value))),
            tuple(missing),
        )  # fmt: skip

    # ── a stage ─────────────────────────────────────────────────────────────────────────────

    def _stage(
        self, buyer: Buyer, kind: AwardKind, parts: Sequence[tuple[Limits, Floats, Floats]]
    ) -> dict[Place, int]:
        """Take what serves a buyer, of what is not sold; return what was taken [W]."""
        if not any((need_w > 0).any() for _, need_w, _ in parts):
            return {}
        asked = _Asked.of(self.book, buyer, self.rules.price_cap_ueur_per_mwh)
        cells = self._cells(asked)
        if not len(cells):
            return {}
        if kind is AwardKind.RESERVE:
            firm = Firm(self.book, self.limits, self.sold, cells)
            wanted_w = reserve_w(firm, self.rules.reserve)
        else:
            wanted_w = cheapest(cells, self.book.offers, Demand.of(cells, parts), self.sold)
        taken_w = self._whole_w(cells, wanted_w, parts)
        made = list(self._made(cells, taken_w, parts[0][0], asked, kind))
        self.takes += self._cleared(made) if self.rules.pricing is Pricing.PAY_AS_CLEARED else made
        taken = {(take.offer, take.start_ms): take.power_w for take in made}
        self.sold = self.sold.with_more(taken)
        return taken

    def _cells(self, asked: "_Asked") -> Cells:
        gone = self.sold.pods(self.book.offers)
        blocks = {at for at, _ in self.sold.taken_w}
        positions = {offer.mrid: at for at, offer in enumerate(self.book.offers)}

        def highest(offer: FlexOffer, start_ms: int) -> float | None:
            if (offer.pod.code, start_ms) in gone or not _lies_in(self.book, start_ms):
                return None
            if offer.acceptance is Acceptance.BLOCK:
                is_free = positions[offer.mrid] not in blocks and not any(
                    (offer.pod.code, each.start_ms) in gone for each in offer.quarters
                )
                return asked.block_cap(self.book.zone_of(offer), offer) if is_free else None
            return asked.cap(self.book.zone_of(offer), offer.direction, start_ms)

        return Cells.of(self.book.offers, self.book.nodes, self.ceilings, highest)

    def _whole_w(
        self, cells: Cells, wanted_w: Floats, parts: Sequence[tuple[Limits, Floats, Floats]]
    ) -> Floats:
        """Return whole watts: up, unless a watt more harms a row that must hold."""
        up = np.ceil(wanted_w - TAKEN_W)
        for limits, _, cap in parts:
            for ms in map(int, np.unique(cells.start_ms)):
                inside = cells.start_ms == ms
                must_hold = np.isinf(cap[limits.start_ms == ms])
                harms = (effects(limits, cells, ms, inside)[must_hold] < 0).any(axis=0)
                at = np.flatnonzero(inside)[harms]
                up[at] = np.floor(wanted_w[at] + TAKEN_W)
        kept: Floats = np.where(wanted_w > TAKEN_W, np.minimum(up, cells.most_w), 0.0)
        return kept

    def _made(
        self, cells: Cells, taken_w: Floats, limits: Limits, asked: "_Asked", kind: AwardKind
    ) -> Iterator[Take]:
        price = cells.mean_price(taken_w)
        for ms in map(int, np.unique(cells.start_ms)):
            inside = cells.start_ms == ms
            effect = effects(limits, cells, ms, inside)
            rows = np.flatnonzero(limits.start_ms == ms)
            for place, cell in enumerate(np.flatnonzero(inside)):
                if taken_w[cell] >= 1:
                    offer = self.book.offers[cells.offer[cell]]
                    row = _mainly(effect[:, place], limits.need_w[rows])
                    yield Take(
                        offer=int(cells.offer[cell]),
                        start_ms=ms,
                        power_w=round(taken_w[cell]),
                        price_ueur_per_mwh=math.ceil(price[cell] - _MISSING_W),
                        buyer=asked.buyer,
                        kind=kind,
                        request=asked.request(self.book.zone_of(offer), offer.direction, ms),
                        limit=None if row is None else int(rows[row]),
                        effect=0.0 if row is None else float(effect[row, place]),
                        bid_ueur_per_mwh=_dearest(cells, int(cell), taken_w[cell]),
                    )

    def _cleared(self, takes: Sequence[Take]) -> list[Take]:
        """Return takes paid what the dearest of their quarter-hour and limit was worth."""
        worth: dict[tuple[int, int | None], float] = {}
        for take in takes:
            key = take.start_ms, take.limit
            if take.limit is not None:
                worth[key] = max(worth.get(key, 0.0), take.ratio)
        cap = self.rules.price_cap_ueur_per_mwh
        return [
            replace(
                take,
                price_ueur_per_mwh=max(
                    take.price_ueur_per_mwh,
                    min(cap, math.floor(worth.get((take.start_ms, take.limit), 0.0) * take.effect)),
                ),
            )
            for take in takes
        ]

    # ── figures ─────────────────────────────────────────────────────────────────────────────

    def _grid_part(self, need_w: Floats) -> tuple[Limits, Floats, Floats]:
        return self.limits, need_w, self.limits.cap_ueur_per_mwh

    def _brought_w(self, limits: Limits, taken: Mapping[Place, int]) -> Floats:
        """Return what takes bring to each row [W]."""
        brought_w = np.zeros(len(limits.rows))
        by_quarter = _by_quarter(taken)
        for place, row in enumerate(limits.rows):
            brought_w[place] = sum(
                self._effect(limits, place, at) * power_w
                for at, power_w in by_quarter.get(row.start_ms, ())
            )
        return brought_w

    def _effect(self, limits: Limits, row: int, offer: int) -> float:
        told = self.book.offers[offer]
        column = limits.nodes.get(self.book.nodes[told.pod.code])
        sign = 1.0 if told.direction is Direction.UP else -1.0
        return 0.0 if column is None else sign * float(limits.up[row, column])

    def _missing(self, buyer: Buyer, limits: Limits, taken: Mapping[Place, int]) -> list[Missing]:
        short_w = limits.need_w - self._brought_w(limits, taken)
        worst: dict[tuple[int, int], tuple[float, int]] = {}
        requests = self.book.of_buyer(buyer)
        for place, row in enumerate(limits.rows):
            if short_w[place] > _MISSING_W:
                at = _asked_in(requests, row.requests, row.start_ms)
                key = self.book.requests.index(requests[at]), row.start_ms
                worst[key] = max(worst.get(key, (0.0, -1)), (float(short_w[place]), place))
        return [
            Missing(request, ms, math.ceil(w), place)
            for (request, ms), (w, place) in sorted(worst.items())
        ]


@dataclass(frozen=True)
class _Asked:
    """In which direction and when something is asked for, by a buyer, in each zone."""

    buyer: Buyer
    open: Mapping[tuple[str, Direction, int], tuple[int, int]]
    any_of: Mapping[tuple[str, Direction], tuple[int, int]]

    @classmethod
    def of(cls, book: Book, buyer: Buyer, cap: int) -> "_Asked":
        """Return what is asked for in a book."""
        quarters: dict[tuple[str, Direction, int], tuple[int, int]] = {}
        whole: dict[tuple[str, Direction], tuple[int, int]] = {}
        for position, request in enumerate(book.requests):
            if request.buyer is buyer:
                paid = min(cap, request.maximum_price_ueur_per_mwh)
                zone = request.primary_substation, request.direction
                whole.setdefault(zone, (position, paid))
                for quarter in request.quarters:
                    quarters.setdefault((*zone, quarter.start_ms), (position, paid))
        return cls(buyer, quarters, whole)

    def cap(self, zone: str, direction: Direction, start_ms: int) -> float | None:
        """Return the most that is paid then; None if nothing is asked for."""
        found = self.open.get((zone, direction, start_ms))
        return None if found is None else float(found[1])

    def block_cap(self, zone: str, offer: FlexOffer) -> float | None:
        """Return the most that is paid for a block; None if none of its hours is asked for."""
        found = [
            paid
            for each in offer.quarters
            if (paid := self.cap(zone, offer.direction, each.start_ms)) is not None
        ]
        return max(found, default=None)

    def request(self, zone: str, direction: Direction, start_ms: int) -> int:
        """Return which request of the book a take serves."""
        found = self.open.get((zone, direction, start_ms)) or self.any_of[zone, direction]
        return found[0]


def _by_quarter(taken: Mapping[Place, int]) -> dict[int, list[tuple[int, int]]]:
    """Return offer and watts of what is taken, by quarter-hour."""
    found: dict[int, list[tuple[int, int]]] = {}
    for (at, ms), power_w in taken.items():
        found.setdefault(ms, []).append((at, power_w))
    return found


def _lies_in(book: Book, start_ms: int) -> bool:
    return book.interval.start_ms <= start_ms < book.interval.end_ms


def _asked_in(requests: Sequence[FlexRequest], among: Sequence[int], start_ms: int) -> int:
    """Return the first of some requests that asks in a quarter-hour."""
    return next(
        (at for at in among if any(each.start_ms == start_ms for each in requests[at].quarters)),
        among[0],
    )


def _mainly(effect: Floats, need_w: Floats) -> int | None:
    """Return the row that needs most of those that are helped."""
    helped: Booleans = effect > 0
    if not helped.any():
        return None
    return int(np.argmax(np.where(helped, need_w, -1.0)))


def _dearest(cells: Cells, cell: int, taken_w: float) -> float:
    own = np.flatnonzero(cells.cell == cell)
    ends_w = np.cumsum(cells.width_w[own])
    at = min(int(np.searchsorted(ends_w, taken_w - TAKEN_W)), len(own) - 1)
    return float(cells.price_ueur_per_mwh[own[at]])
