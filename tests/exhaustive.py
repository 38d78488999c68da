"""The least cost of a small market, found by trying everything: integers only, and no solver.

Volumes are tried in steps of one effective kilowatt. That is exact where needs, ends, minima and
blocks are whole steps: with what is on or off held fast, each step of a curve stands in one
quarter and each block in quarters in a row, so that the matrix is one of intervals, and a least
cost stands at whole numbers.

Source: Hoffman, Kruskal: Integral boundary points of convex polyhedra (1956), for interval
matrices.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter
from tests.markets import KW, start_ms

Integers = NDArray[np.int64]
Way = tuple[int, tuple[int, ...], tuple[bool, ...]]
"""A way to take an offer: what it costs, what it does in each quarter, and where it is used."""


def bid_ueur_w_per_mwh(quarter: OfferedQuarter, power_w: int) -> int:
    """Return what an offer asks for a power in a quarter, by its curve [µEUR/MWh times W]."""
    asked, from_w = 0, 0
    for step in quarter.steps:
        taken_w = min(power_w, step.up_to_w) - from_w
        if taken_w <= 0:
            break
        asked += taken_w * step.price_ueur_per_mwh
        from_w = step.up_to_w
    return asked


def ways(offer: FlexOffer, step_w: int, quarters: int) -> list[Way]:
    """Return all ways to take an offer, in whole steps; not at all comes first."""
    told = {each.start_ms: each for each in offer.quarters}
    listed = [told.get(start_ms(quarter)) for quarter in range(quarters)]
    choices: Iterator[tuple[int, ...]]
    if offer.acceptance is Acceptance.BLOCK:
        most_w = offer.quarters[0].maximum_w
        assert all(each.maximum_w == most_w for each in offer.quarters), "blocks of one height"
        least_w = max(each.minimum_w for each in offer.quarters)
        powers = [0, *(w for w in range(step_w, most_w + 1, step_w) if w >= least_w)]
        choices = (tuple(w if each else 0 for each in listed) for w in powers)
    else:
        choices = product(*(_powers(each, step_w) for each in listed))
    return [
        (
            sum(bid_ueur_w_per_mwh(q, w) for q, w in zip(listed, powers_w, strict=True) if q),
            tuple(w // step_w for w in powers_w),
            tuple(w > 0 for w in powers_w),
        )
        for powers_w in choices
    ]


def _powers(quarter: OfferedQuarter | None, step_w: int) -> list[int]:
    if quarter is None:
        return [0]
    whole = range(step_w, quarter.maximum_w + 1, step_w)
    return [0, *(w for w in whole if w >= quarter.minimum_w)]


def least_cost_ueur_w_per_mwh(
    offers: Sequence[FlexOffer],
    step_w: Mapping[str, int],
    need_kw: Sequence[int],
    cap_ueur_per_mwh: int,
) -> int:
    """Return the least cost of a need, what is unmet at the cap [µEUR/MWh times W].

    Args:
        offers: of which every combination of ways is tried.
        step_w: of each offer's mRID, what it must move for the effect of one kilowatt.
        need_kw: at the node that helps most, quarter by quarter.
        cap_ueur_per_mwh: of what stays unmet.
    """
    quarters = len(need_kw)
    told = [ways(each, step_w[each.mrid], quarters) for each in offers]
    grid = np.indices([len(each) for each in told]).reshape(len(offers), -1)
    cost: Integers = np.zeros(grid.shape[1], dtype=np.int64)
    done: Integers = np.zeros((quarters, grid.shape[1]), dtype=np.int64)
    used = []
    for choice, each in zip(grid, told, strict=True):
        cost += np.array([way[0] for way in each], dtype=np.int64)[choice]
        done += np.array([way[1] for way in each], dtype=np.int64)[choice].T
        used.append(np.array([way[2] for way in each])[choice])
    unmet = np.maximum(np.array(need_kw)[:, None] - done, 0).sum(axis=0)
    cost += unmet * KW * cap_ueur_per_mwh
    allowed = np.ones(grid.shape[1], dtype=bool)
    for one, other in _conflicts(offers):
        if offers[one].pod == offers[other].pod:
            allowed &= ~(used[one] & used[other]).any(axis=1)
        group = offers[one].exclusive_group
        if group is not None and group == offers[other].exclusive_group:
            allowed &= ~(used[one].any(axis=1) & used[other].any(axis=1))
        for child, parent in ((one, other), (other, one)):
            if offers[child].linked_to == offers[parent].mrid:
                allowed &= ~used[child].any(axis=1) | used[parent].any(axis=1)
    return int(cost[allowed].min())


def _conflicts(offers: Sequence[FlexOffer]) -> Iterator[tuple[int, int]]:
    for one in range(len(offers)):
        for other in range(one + 1, len(offers)):
            yield one, other
