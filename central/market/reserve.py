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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Buyer
from central.market.binding import TAKEN_W, Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import Demand, effects, effects_of
from central.market.limits import Booleans, Floats, Integers, Limits
from central.market.rules import ReserveRule
from central.market.solving import Known, cheapest
from central.market.surety import Losses

_PERMILLE = 1_000.0
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


def _cheapest(
    firm: Firm, quarters: Sequence[_Quarter], short_w: Floats, known: Known | None = None
) -> tuple[Floats, Parts]:
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
    return cheapest(firm.spare, firm.book.offers, demand, firm.sold, known), parts


def _sure_enough_w(firm: Firm, quarters: Sequence[_Quarter]) -> tuple[Floats, Parts]:
    """Return reserve with which each need is delivered as surely as was asked for [W].

    What a row needs by itself, in the order of price over effectiveness, is bought for all rows
    together; where others were cheaper then, and less sure, the row asks for more.
    """
    asked_w = np.zeros(len(firm.limits.rows))
    for quarter in quarters:
        asked_w[quarter.rows] = -quarter.surplus_w
    known: Known = {}
    taken_w, parts = _cheapest(firm, quarters, asked_w, known)
    unsure = [_Unsure(firm, quarter) for quarter in quarters]
    for _ in range(_MOST_ROUNDS):
        wanted_w = asked_w.copy()
        for each in unsure:
            taken = taken_w[each.quarter.spare]
            more_w = each.more_w(taken)
            brought_w = np.maximum(each.quarter.effect @ taken, 0.0)
            rows = each.quarter.rows[more_w > TAKEN_W]
            wanted_w[rows] = (brought_w + more_w)[more_w > TAKEN_W]
        if (wanted_w <= asked_w + TAKEN_W).all():
            break
        asked_w = np.maximum(asked_w, wanted_w)
        taken_w, parts = _cheapest(firm, quarters, asked_w, known)
    return taken_w, parts


class _Unsure:
    """What a quarter-hour's needs still lack to be sure enough, whatever reserve is taken.

    What is bought for sure stays as it is from round to round: its losses are counted once, and so
    are those of reserve that is taken whole.
    """

    def __init__(self, firm: Firm, quarter: _Quarter) -> None:
        self.firm, self.quarter = firm, quarter
        spare = firm.spare.offer[quarter.spare].tolist()
        self.share = _shares(firm.book, spare)
        self.most_w = firm.spare.most_w[quarter.spare]
        self.price = firm.spare.mean_price(firm.spare.most_w)[quarter.spare]
        self.held: dict[int, Losses] = {}
        self.counted: dict[int, tuple[Booleans, Losses]] = {}
        self.known: tuple[bytes, Floats] | None = None

    def more_w(self, taken_w: Floats) -> Floats:
        """Return of each row how much more reserve it takes beside what is taken [W]."""
        key = taken_w.tobytes()
        if self.known is None or self.known[0] != key:
            quarter, more_w = self.quarter, np.zeros(len(self.quarter.rows))
            for place in np.flatnonzero(quarter.need_w > TAKEN_W).tolist():
                more_w[place] = self._missing_w(place, taken_w)
            self.known = key, more_w
        return self.known[1]

    def _missing_w(self, place: int, taken_w: Floats) -> float:
        losses = self._losses(place, taken_w)
        if losses is None:
            return 0.0
        effect, row = self.quarter.effect[place], int(self.quarter.rows[place])
        left_w = np.where(taken_w > TAKEN_W, 0.0, self.most_w)
        useful = np.flatnonzero((effect > _USEFUL) & (left_w > 0))
        ratio = self.price[useful] / effect[useful]
        within = ratio <= self.firm.limits.cap_ueur_per_mwh[row]
        order = useful[within][np.argsort(ratio[within], kind="stable")]
        return losses.missing_w(
            (effect * left_w)[order], self.share[order], _target(self.firm, row)
        )  # fmt: skip

    def _losses(self, place: int, taken_w: Floats) -> Losses | None:
        """Return the losses of all that is held for a row, reserve too."""
        quarter = self.quarter
        held_w, need_w = quarter.held_w[place], float(quarter.need_w[place])
        reserve_w = quarter.effect[place] * taken_w
        if held_w.sum() < need_w:
            # What is held is the need then, so reserve changes the bins.
            both_w = np.concatenate([held_w, reserve_w])
            return Losses.of(need_w, both_w, np.concatenate([quarter.held_share, self.share]))
        if place not in self.held:
            losses = Losses.of(need_w, held_w, quarter.held_share)
            assert losses is not None, "as much is held as needed"  # noqa: S101 -- said above
            self.held[place] = losses
            self.counted[place] = np.zeros(len(reserve_w), dtype=bool), losses
        whole = (taken_w >= self.most_w) & (reserve_w > TAKEN_W)
        losses = self._counted(place, whole, reserve_w)
        return losses.with_more(reserve_w[~whole], self.share[~whole])

    def _counted(self, place: int, whole: Booleans, reserve_w: Floats) -> Losses:
        """Return the losses of what is bought for sure, and of reserve that is taken whole."""
        before, losses = self.counted[place]
        if (before & ~whole).any():
            before, losses = np.zeros_like(whole), self.held[place]
        more = whole & ~before
        if more.any():
            losses = losses.with_more(reserve_w[more], self.share[more])
            self.counted[place] = whole, losses
        return losses


def _target(firm: Firm, row: int) -> float:
    """Return how surely a row's need must be delivered, 0 … 1."""
    requests = firm.book.of_buyer(Buyer.DSO)
    asking = firm.limits.rows[row].requests
    return max(requests[at].reliability_permille for at in asking) / _PERMILLE
