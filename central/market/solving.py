"""The cheapest way to reach every limit: by merit order, linear programme, or with integers.

```
least   price · x  +  cap · shortage
where   effect x + shortage >= need      (a limit that must hold has no shortage)
        0 <= x <= width
```

Quarter-hours that nothing couples are solved by themselves; where one limit is all there is, by
merit order, which is exact and keeps ties as the rules say. Minima, blocks, links, groups, rests
and PODs that would be sold twice are left out at first. Where the answer keeps them all the same
it is the best there is; else those that were broken join, with integers, until none is broken.
So the answer is exact, and integers are paid for only where they matter.

Source: Land, Doig: An automatic method of solving discrete programming problems (1960), for the
bound.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from central.documents.offer import FlexOffer
from central.highs import Programme, optimum
from central.market.binding import Coupled, Sold, broken
from central.market.cells import Cells
from central.market.demand import Demand
from central.market.integers import solve_whole
from central.market.limits import Floats, Integers
from central.market.precedence import by_rank, in_turn
from central.market.scale import Scale

_NOTHING = 1e-9
_ALIKE = 1e-12  # relative


Known = dict[int, tuple[bytes, Floats]]
"""What was found of quarter-hours before, and for what."""


def cheapest(
    cells: Cells, offers: Sequence[FlexOffer], demand: Demand, sold: Sold,
    known: Known | None = None,
) -> Floats:  # fmt: skip
    """Return what is taken of each cell [W].

    Args:
        cells: what may be taken.
        offers: of the book.
        demand: what is to be reached.
        sold: what is taken already and stays so.
        known: what was found of the same cells before; what is asked again is not solved again.

    Raises:
        InvariantBroken: the solver gave up.
    """
    coupled = Coupled.blocks(cells, offers)
    quarters = [int(ms) for ms in np.unique(cells.start_ms)]
    known = {} if known is None else known
    apart = {ms: _again(cells, demand, ms, known) for ms in quarters if ms not in coupled.quarters}
    while True:
        taken_w = np.zeros(len(cells))
        for ms, found_w in apart.items():
            if ms not in coupled.quarters:
                taken_w[cells.start_ms == ms] = found_w
        if coupled.offers:
            taken_w += solve_whole(cells, offers, demand, coupled, sold)
        joining = broken(cells, offers, taken_w, sold, coupled)
        if not joining:
            return _in_turn(cells, offers, taken_w, sold, coupled)
        coupled = coupled.joined(joining, cells)


def _in_turn(
    cells: Cells, offers: Sequence[FlexOffer], taken_w: Floats, sold: Sold, coupled: Coupled
) -> Floats:
    """Return the same by the book, which integers know nothing of."""
    if not coupled.offers:
        return taken_w
    within = np.isin(cells.start_ms, sorted(coupled.quarters))
    return in_turn(cells, offers, taken_w, sold, within)


def _again(cells: Cells, demand: Demand, start_ms: int, known: Known) -> Floats:
    """Return what is taken of a quarter-hour by itself, as it was found if the same was asked."""
    rows = demand.start_ms == start_ms
    asked = demand.need_w[rows], demand.cap_ueur_per_mwh[rows], demand.effect[start_ms]
    key = b"".join(each.tobytes() for each in asked)
    if start_ms not in known or known[start_ms][0] != key:
        known[start_ms] = key, _apart(cells, demand, start_ms)
    return known[start_ms][1]


def _apart(cells: Cells, demand: Demand, start_ms: int) -> Floats:
    """Return what is taken of the cells of a quarter-hour that nothing couples with others."""
    inside = np.flatnonzero(cells.start_ms == start_ms)
    rows = np.flatnonzero(demand.start_ms == start_ms)
    if not len(rows):
        return np.zeros(len(inside))
    columns = np.flatnonzero(np.isin(cells.cell, inside))
    local = np.searchsorted(inside, cells.cell[columns])
    effect = demand.effect[start_ms]
    price = cells.price_ueur_per_mwh[columns]
    need_w, cap = demand.need_w[rows], demand.cap_ueur_per_mwh[rows]
    if len(rows) == 1 and np.isfinite(cap[0]):
        x_w = _merit_order(effect[0, local], price, cells.width_w[columns], need_w[0], cap)
    else:
        x_w = _linear(effect[:, local], price, cells.width_w[columns], need_w, cap)
        x_w = by_rank(x_w, cells, columns)
    found: Floats = np.bincount(local, weights=x_w, minlength=len(inside)).astype(np.float64)
    return found


def _merit_order(
    effect: Floats, price: Floats, width_w: Floats, need_w: float, cap: Floats
) -> Floats:
    """Return what is taken by price over effectiveness, up to the cap; ties by rank."""
    scale = Scale.of(width_w, price, cap)
    useful = np.flatnonzero(effect > _NOTHING)
    ratio = scale.costs(price[useful]) / effect[useful]
    place = np.lexsort((useful, price[useful], _rank(ratio)))
    order = useful[place][ratio[place] <= scale.caps(cap)[0] * (1.0 + _ALIKE)]
    reached_w = np.cumsum(effect[order] * width_w[order])
    left_w = np.clip(need_w - (reached_w - effect[order] * width_w[order]), 0.0, None)
    x_w = np.zeros(len(price))
    x_w[order] = np.minimum(width_w[order], left_w / effect[order])
    return x_w


def _rank(ratio: Floats) -> Integers:
    """Return the place of each ratio in order; the same for those that only rounding tells apart.

    Else the unit of prices could decide which of two offers that are worth the same is taken.
    """
    order = np.argsort(ratio, kind="stable")
    rises = np.diff(ratio[order], prepend=ratio[order][:1]) > _ALIKE * ratio[order]
    rank = np.empty(len(ratio), dtype=np.int64)
    rank[order] = np.cumsum(rises)
    return rank


def _linear(effect: Floats, price: Floats, width_w: Floats, need_w: Floats, cap: Floats) -> Floats:
    """Return what is taken by linear programme."""
    soft, scale = np.isfinite(cap), Scale.of(width_w, price, cap)
    shortage = np.eye(len(need_w))[:, soft]
    programme = Programme(
        cost=np.concatenate([scale.costs(price), scale.caps(cap[soft])]),
        matrix=sparse.csc_array(np.hstack([effect, shortage])),
        row_low=scale.needs(need_w),
        row_high=np.full(len(need_w), np.inf),
        upper=np.concatenate([scale.powers(width_w), np.full(int(soft.sum()), np.inf)]),
    )
    found = optimum(programme, where="market clearing")
    x_w: Floats = np.clip(scale.watts(found.x[: len(price)]), 0.0, width_w)
    return x_w
