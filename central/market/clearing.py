"""The market clears: the DSO's limits first, then reserve for them, then the TSO's volumes.

```
 DSO       limits of its grid, cheapest by price over effectiveness
 reserve   more offers for the same limits, by rule; paid only if they are called
 TSO       volumes, out of what is left; no limit of the DSO's becomes worse by it
```

A POD is sold once in a quarter-hour: to one buyer, by one offer. In whole watts a need is met, and
no limit that must hold becomes worse; what is missing then is stated as unmet.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from central.documents.header import Buyer, Direction
from central.documents.offer import Acceptance
from central.documents.outcome import AwardKind
from central.documents.request import FlexRequest
from central.market.binding import Place, Sold
from central.market.book import Book
from central.market.cells import Ceilings, Cells
from central.market.closing import left_w
from central.market.demand import Demand, effects, effects_of
from central.market.limits import Floats, Integers, Limits, grid_limits, volumes
from central.market.reserve import Firm, reserve_w
from central.market.rounding import MISSING_W, whole_w
from central.market.rules import Pricing, ReserveRule, Rules
from central.market.solving import cheapest
from ledger.facts.interval import QUARTER_MS


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
        is_closed: whether nobody takes the place of what the grid refuses any more.
    """

    book: Book
    rules: Rules
    ceilings: Ceilings
    limits: Limits
    volumes: Limits
    takes: tuple[Take, ...]
    missing: tuple[Missing, ...]
    is_closed: bool = False

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


def closed(before: Clearing, ceilings: Ceilings) -> Clearing:
    """Return what is left of a clearing that may take nothing else, where the grid bears less.

    Args:
        before: the clearing.
        ceilings: what the DSO's validation left of offers, by mRID and quarter-hour [W].
    """
    return _Floor(before.book, before.rules, ceilings, before.takes).clear()


class _Floor:
    """One clearing under way."""

    def __init__(
        self, book: Book, rules: Rules, ceilings: Ceilings, only: Sequence[Take] | None = None
    ) -> None:
        self.book, self.rules, self.ceilings, self.only = book, rules, ceilings, only
        cap = rules.price_cap_ueur_per_mwh
        self.limits = grid_limits(book.of_buyer(Buyer.DSO), cap)
        self.volumes = volumes(book.of_buyer(Buyer.TSO), book.zones, cap)
        self.sold = Sold(before=frozenset(
            (at, ms)
            for at, offer in enumerate(book.offers)
            for ms in book.called.get(offer.mrid, ())
        ))  # fmt: skip
        self.takes: list[Take] = []
        self.cells = Cells.of(book.offers, book.nodes, book.tan_phi, ceilings)
        self.areas = [(book.zone_of(offer), offer.direction) for offer in book.offers]
        self.places = {area: at for at, area in enumerate(dict.fromkeys(self.areas))}
        self.place = np.array([self.places[area] for area in self.areas], dtype=np.int64)
        codes = [offer.pod.code for offer in book.offers]
        self.pods = {code: at for at, code in enumerate(dict.fromkeys(codes))}
        self.pod = np.array([self.pods[code] for code in codes], dtype=np.int64)
        self.is_block = np.array(
            [offer.acceptance is Acceptance.BLOCK for offer in book.offers], dtype=bool
        )

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
            tuple(missing), self.only is not None,
        )  # fmt: skip

    # ── a stage ─────────────────────────────────────────────────────────────────────────────

    def _stage(
        self, buyer: Buyer, kind: AwardKind, parts: Sequence[tuple[Limits, Floats, Floats]]
    ) -> dict[Place, int]:
        """Take what serves a buyer, of what is not sold; return what was taken [W]."""
        if self.only is not None:
            return self._left(buyer, kind, parts)
        is_idle = kind is AwardKind.RESERVE and self.rules.reserve is ReserveRule.NONE
        if is_idle or not any((need_w > 0).any() for _, need_w, _ in parts):
            return {}
        asked = _Asked.of(self.book, buyer, self.rules.price_cap_ueur_per_mwh)
        cells = self._cells(asked)
        if not len(cells):
            return {}
        limits = parts[0][0]
        if kind is AwardKind.RESERVE:
            firm = Firm(self.book, self.limits, self.sold, cells)
            wanted_w, parts = reserve_w(firm, self.rules.reserve)
        else:
            wanted_w = cheapest(cells, self.book.offers, Demand.of(cells, parts), self.sold)
        taken_w = whole_w(cells, self.book.offers, wanted_w, parts, self.sold)
        return self._took(cells, taken_w, limits, asked, kind)

    def _left(
        self, buyer: Buyer, kind: AwardKind, parts: Sequence[tuple[Limits, Floats, Floats]]
    ) -> dict[Place, int]:
        """Take what is left of what a buyer had; return it [W]."""
        had_w = {(one.offer, one.start_ms): one.power_w for one in self.only or ()
                 if one.buyer is buyer and one.kind is kind}  # fmt: skip
        asked = _Asked.of(self.book, buyer, self.rules.price_cap_ueur_per_mwh)
        cells = self._cells(asked)
        kept = ((limits, least_w) for limits, least_w, _ in parts[1:])
        taken_w = left_w(cells, self.book.offers, had_w, self.sold, kept)
        return self._took(cells, taken_w, parts[0][0], asked, kind)

    def _took(
        self, cells: Cells, taken_w: Floats, limits: Limits, asked: "_Asked", kind: AwardKind
    ) -> dict[Place, int]:
        """Note what is taken, at its price; return it [W]."""
        made = list(self._made(cells, taken_w, limits, asked, kind))
        self.takes += self._cleared(made) if self.rules.pricing is Pricing.PAY_AS_CLEARED else made
        taken = {(take.offer, take.start_ms): take.power_w for take in made}
        self.sold = self.sold.with_more(taken)
        return taken

    def _cells(self, asked: "_Asked") -> Cells:
        """Return what a buyer may take: asked for, within the day, and not sold."""
        cells, book, start_ms = self.cells, self.book, self.book.interval.start_ms
        quarter = (cells.start_ms - start_ms) // QUARTER_MS
        quarters = book.interval.duration_ms // QUARTER_MS
        caps = np.full((len(self.places), quarters), np.nan)
        for (zone, direction, ms), (_, paid) in asked.open.items():
            if (zone, direction) in self.places and _lies_in(book, ms):
                caps[self.places[zone, direction], (ms - start_ms) // QUARTER_MS] = paid
        gone = np.zeros((len(self.pods), quarters), dtype=bool)
        for at, ms in self.sold.taken_w:
            gone[self.pod[at], (ms - start_ms) // QUARTER_MS] = True
        inside = (quarter >= 0) & (quarter < quarters)
        hour = np.where(inside, quarter, 0)
        is_gone = gone[self.pod[cells.offer], hour] & inside
        highest = np.where(inside & ~is_gone, caps[self.place[cells.offer], hour], np.nan)
        blocks = self.is_block[cells.offer]
        whole = np.full(len(book.offers), np.nan)
        np.fmax.at(whole, cells.offer[blocks], highest[blocks])
        whole[cells.offer[is_gone]] = np.nan
        highest[blocks] = np.where(inside, whole[cells.offer], np.nan)[blocks]
        return cells.under(highest, blocks)

    def _made(
        self, cells: Cells, taken_w: Floats, limits: Limits, asked: "_Asked", kind: AwardKind
    ) -> Iterator[Take]:
        price, dearest = cells.mean_price(taken_w), cells.dearest_price(taken_w)
        for ms in map(int, np.unique(cells.start_ms[taken_w >= 1])):
            inside = (cells.start_ms == ms) & (taken_w >= 1)
            effect = effects(limits, cells, ms, inside)
            rows = np.flatnonzero(limits.start_ms == ms)
            main = _mainly(effect, limits.need_w[rows])
            for place, cell in enumerate(np.flatnonzero(inside)):
                at, row = int(cells.offer[cell]), int(main[place])
                yield Take(
                    offer=at,
                    start_ms=ms,
                    power_w=round(taken_w[cell]),
                    price_ueur_per_mwh=math.ceil(price[cell] - MISSING_W),
                    buyer=asked.buyer,
                    kind=kind,
                    request=asked.request(*self.areas[at], ms),
                    limit=None if row < 0 else int(rows[row]),
                    effect=0.0 if row < 0 else float(effect[row, place]),
                    bid_ueur_per_mwh=float(dearest[cell]),
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
        """Return the DSO's limits; one that needs nothing is not traded for another that does."""
        cap = np.where(need_w > 0, self.limits.cap_ueur_per_mwh, np.inf)
        return self.limits, need_w, cap

    def _brought_w(self, limits: Limits, taken: Mapping[Place, int]) -> Floats:
        """Return what takes bring to each row [W]."""
        brought_w = np.zeros(len(limits.rows))
        starts = limits.start_ms
        for ms, bought in _by_quarter(taken).items():
            offers, powers_w = zip(*bought, strict=True)
            rows = np.flatnonzero(starts == ms)
            brought_w[rows] = effects_of(limits, self.book, offers, rows) @ np.array(powers_w)
        return brought_w

    def _missing(self, buyer: Buyer, limits: Limits, taken: Mapping[Place, int]) -> list[Missing]:
        short_w = limits.need_w - self._brought_w(limits, taken)
        worst: dict[tuple[int, int], tuple[float, int]] = {}
        requests = self.book.of_buyer(buyer)
        for place, row in enumerate(limits.rows):
            if short_w[place] > MISSING_W:
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


def _mainly(effect: Floats, need_w: Floats) -> Integers:
    """Return of each column of effects the row that needs most of those it helps; -1 if none."""
    if not len(effect):
        return np.full(effect.shape[1], -1)
    helped = effect > 0
    most = np.argmax(np.where(helped, need_w[:, None], -1.0), axis=0)
    found: Integers = np.where(helped.any(axis=0), most, -1)
    return found
