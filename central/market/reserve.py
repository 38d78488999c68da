"""What is taken beyond the DSO's need, so that it holds although somebody fails.

Reserve is paid only if it is called. Two rules say how much of it there is, row by row:

```
 the largest offer      what is lost if the offer that does most there delivers nothing
 the delivery history   what it takes until the need is delivered as surely as the request asks
```

A POD that is sold firm in a quarter-hour is no reserve in it: it would fail with itself. Reserve
that is called makes no limit worse, whether or not anybody failed.

Interpretation of the specification: a POD delivers all that it sold, with the share that it has
delivered so far as probability, or nothing, each by itself. Of all ways to deliver that share on
average this one varies most. A POD without a history is as sure as the mean of those that have
one; as long as nobody has, the loss of the largest offer is what counts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Buyer
from central.market.binding import TAKEN_W, Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import Demand, effects, effects_of
from central.market.limits import Floats, Integers, Limits
from central.market.rules import ReserveRule
from central.market.solving import cheapest

_PERMILLE = 1_000.0
_BINS = 1_000
"""Losses are counted upwards in thousandths of a row's need."""
_SURE = 1e-9
_USEFUL = 1e-9
_MOST_ROUNDS = 8


@dataclass(frozen=True)
class Firm:
    """What the DSO has bought for sure, and what could stand in for it.

    Args:
        book: that is cleared.
        limits: of the DSO.
        sold: what it has bought.
        spare: what may still be taken, none of it of a POD that is sold in its quarter-hour.
    """

    book: Book
    limits: Limits
    sold: Sold
    spare: Cells


@dataclass(frozen=True)
class _Quarter:
    """One quarter-hour: its rows, and what is held and could be added for each.

    Args:
        rows: in the limits.
        need_w: of each row.
        held_w: what each offer sold does for each row, shape (rows, sold).
        held_share: how surely, shape (sold).
        spare: cells.
        effect: of a watt of each spare cell on each row, shape (rows, spare).
    """

    rows: Integers
    need_w: Floats
    held_w: Floats
    held_share: Floats
    spare: Integers
    effect: Floats

    @property
    def surplus_w(self) -> Floats:
        """Return what is done for each row beyond its need, 0 where it is not met [W]."""
        surplus: Floats = np.maximum(self.held_w.sum(axis=1) - self.need_w, 0.0)
        return surplus


Parts = list[tuple[Limits, Floats, Floats]]
"""Limits, what must be reached of each row [W], and what a watt of shortage costs."""


def reserve_w(firm: Firm, rule: ReserveRule) -> tuple[Floats, Parts]:
    """Return what is taken of each spare cell [W], the cheapest if all of it were called.

    And what it was to reach: where nothing is short, what surplus there is may be used up.

    Raises:
        InvariantBroken: the solver gave up.
    """
    if rule is ReserveRule.NONE or not len(firm.spare) or not firm.sold.taken_w:
        return np.zeros(len(firm.spare)), []
    quarters = list(_quarters(firm))
    if rule is ReserveRule.LARGEST_OFFER or not firm.book.delivered:
        return _cheapest(firm, quarters, _largest_loss_w(firm, quarters))
    return _sure_enough_w(firm, quarters)


def _quarters(firm: Firm) -> Iterator[_Quarter]:
    limits = firm.limits
    sold: dict[int, list[tuple[int, float]]] = {}
    for (at, ms), power_w in firm.sold.taken_w.items():
        sold.setdefault(ms, []).append((at, power_w))
    for ms, bought in sorted(sold.items()):
        rows = np.flatnonzero(limits.start_ms == ms)
        held_w = effects_of(limits, firm.book, [at for at, _ in bought], rows)
        held_w *= np.array([power_w for _, power_w in bought])
        inside = firm.spare.start_ms == ms
        yield _Quarter(
            rows,
            limits.need_w[rows],
            held_w,
            _shares(firm.book, [at for at, _ in bought]),
            np.flatnonzero(inside),
            effects(limits, firm.spare, ms, inside),
        )


def _shares(book: Book, offers: Sequence[int]) -> Floats:
    """Return how surely the PODs of some offers deliver, 0 … 1."""
    known = book.delivered
    mean = sum(known.values()) / len(known) if known else 1.0
    return np.array([known.get(book.offers[at].pod.code, mean) for at in offers], dtype=float)


def _largest_loss_w(firm: Firm, quarters: Sequence[_Quarter]) -> Floats:
    """Return of each row what the loss of one offer would leave short, at its worst [W]."""
    short_w = np.zeros(len(firm.limits.rows))
    for quarter in quarters:
        lost_w = np.maximum(quarter.held_w.max(axis=1, initial=0.0), 0.0)
        short_w[quarter.rows] = lost_w - quarter.surplus_w
    return short_w


def _cheapest(firm: Firm, quarters: Sequence[_Quarter], short_w: Floats) -> tuple[Floats, Parts]:
    """Return the cheapest spare cells that make up for a shortage of each row [W], and for what.

    No row is left with less than it needs when all deliver, were it never so dear to make up.
    """
    short = short_w > TAKEN_W
    parts = [(firm.limits, short_w, np.where(short, firm.limits.cap_ueur_per_mwh, np.inf))]
    if not short.any():
        return np.zeros(len(firm.spare)), parts
    surplus_w, in_danger = np.zeros(len(short)), np.zeros(len(short), dtype=bool)
    for quarter in quarters:
        surplus_w[quarter.rows] = quarter.surplus_w
        in_danger[quarter.rows] = (quarter.effect < 0).any(axis=1)
    if (in_danger := in_danger & short).any():
        kept = firm.limits.rows_of(in_danger)
        parts.append((kept, -surplus_w[in_danger], np.full(len(kept.rows), np.inf)))
    demand = Demand.of(firm.spare, parts)
    return cheapest(firm.spare, firm.book.offers, demand, firm.sold), parts


def _sure_enough_w(firm: Firm, quarters: Sequence[_Quarter]) -> tuple[Floats, Parts]:
    """Return reserve with which each need is delivered as surely as was asked for [W].

    What a row needs by itself, in the order of price over effectiveness, is bought for all rows
    together; where others were cheaper then, and less sure, the row asks for more.
    """
    asked_w = np.zeros(len(firm.limits.rows))
    for quarter in quarters:
        asked_w[quarter.rows] = -quarter.surplus_w
    taken_w, parts = _cheapest(firm, quarters, asked_w)
    for _ in range(_MOST_ROUNDS):
        wanted_w = asked_w.copy()
        for quarter in quarters:
            more_w = _unsure_w(firm, quarter, taken_w)
            brought_w = np.maximum(quarter.effect @ taken_w[quarter.spare], 0.0)
            rows = quarter.rows[more_w > TAKEN_W]
            wanted_w[rows] = (brought_w + more_w)[more_w > TAKEN_W]
        if (wanted_w <= asked_w + TAKEN_W).all():
            break
        asked_w = np.maximum(asked_w, wanted_w)
        taken_w, parts = _cheapest(firm, quarters, asked_w)
    return taken_w, parts


def _unsure_w(firm: Firm, quarter: _Quarter, taken_w: Floats) -> Floats:
    """Return of each row how much more reserve it takes to be sure enough of its need [W]."""
    more_w = np.zeros(len(quarter.rows))
    spare = firm.spare.offer[quarter.spare].tolist()
    share = np.concatenate([quarter.held_share, _shares(firm.book, spare)])
    price = firm.spare.mean_price(firm.spare.most_w)[quarter.spare]
    taken = taken_w[quarter.spare]
    left_w = np.where(taken > TAKEN_W, 0.0, firm.spare.most_w[quarter.spare])
    for place, effect in enumerate(quarter.effect):
        if quarter.need_w[place] > TAKEN_W:
            held_w = np.concatenate([quarter.held_w[place], effect * taken])
            useful = np.flatnonzero((effect > _USEFUL) & (left_w > 0))
            ratio = price[useful] / effect[useful]
            within = ratio <= firm.limits.cap_ueur_per_mwh[quarter.rows[place]]
            order = useful[within][np.argsort(ratio[within], kind="stable")]
            more_w[place] = missing_w(
                float(quarter.need_w[place]),
                (held_w, share),
                ((effect * left_w)[order], share[len(quarter.held_share) + order]),
                _target(firm, int(quarter.rows[place])),
            )
    return more_w


def _target(firm: Firm, row: int) -> float:
    """Return how surely a row's need must be delivered, 0 … 1."""
    requests = firm.book.of_buyer(Buyer.DSO)
    asking = firm.limits.rows[row].requests
    return max(requests[at].reliability_permille for at in asking) / _PERMILLE


def missing_w(
    need_w: float, held: tuple[Floats, Floats], spare: tuple[Floats, Floats], target: float
) -> float:
    """Return how much more must be held so that a need is delivered surely enough [W].

    All that there is where that does not suffice. Where less is held than needed, what is held is
    the need: the rest is unmet anyhow.

    Args:
        need_w: what must be delivered, above 0.
        held: power [W] and probability of delivery of each that is sold; below 0 is harm, which
            is counted as delivered for sure.
        spare: of each that could be added, in this order.
        target: the probability that is asked for, 0 … 1.
    """
    net_w = float(held[0].sum())
    if net_w <= TAKEN_W:
        return 0.0
    losses = _Losses(min(need_w, net_w) / _BINS, max(net_w - need_w, 0.0))
    for power_w, share in zip(*held, strict=True):
        if power_w > TAKEN_W:
            losses.add(float(power_w), float(share))
    added_w = 0.0
    for power_w, share in zip(*spare, strict=True):
        if losses.borne() >= target - _SURE:
            break
        enough_w = losses.enough_w(float(power_w), float(share), target)
        added_w += enough_w
        losses.bear(enough_w, float(share))
    return added_w


class _Losses:
    """How likely it is that so much is lost, in bins counted upwards; and what can be borne."""

    def __init__(self, bin_w: float, surplus_w: float) -> None:
        self.bin_w, self.surplus_w = bin_w, surplus_w
        self.likely = np.ones(1)

    def add(self, power_w: float, share: float) -> None:
        """Let somebody lose their power, unless they deliver."""
        bins = math.ceil(power_w / self.bin_w - _SURE)
        lost = np.concatenate([np.zeros(bins), self.likely * (1.0 - share)])
        lost[: len(self.likely)] += self.likely * share
        self.likely = lost

    def bear(self, power_w: float, share: float) -> None:
        """Let somebody bear losses, and lose their power themselves unless they deliver."""
        self.surplus_w += power_w
        self.add(power_w, share)

    def borne(self, more_w: float = 0.0) -> float:
        """Return how likely it is that no more is lost than can be borne, with more to bear it."""
        bins = math.floor((self.surplus_w + more_w) / self.bin_w + _SURE)
        return float(self.likely[: bins + 1].sum())

    def enough_w(self, power_w: float, share: float, target: float) -> float:
        """Return how much of somebody's power makes it sure enough; all where none does [W]."""
        wanted = target - (1.0 - share) * self.borne() - _SURE
        if share * self.borne(power_w) < wanted:
            return power_w
        low, high = 0, math.ceil(power_w / self.bin_w - _SURE)
        while high - low > 1:
            middle = (low + high) // 2
            is_enough = share * self.borne(middle * self.bin_w) >= wanted
            low, high = (low, middle) if is_enough else (middle, high)
        return min(high * self.bin_w, power_w)
