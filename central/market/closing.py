"""What is left of what was taken where the grid bears less of it, and nobody takes its place."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from central.documents.offer import Acceptance, FlexOffer
from central.market.binding import Place, Sold, keeps_its_times, parents_of
from central.market.cells import Cells
from central.market.demand import effects
from central.market.limits import Booleans, Floats, Limits
from central.market.rounding import MISSING_W


def left_w(
    cells: Cells, offers: Sequence[FlexOffer], had_w: Mapping[Place, int], sold: Sold,
    kept: Iterable[tuple[Limits, Floats]],
) -> Floats:  # fmt: skip
    """Return what is left of each cell [W].

    What has too little left for its minimum goes. So do a block of which an hour became less, an
    offer whose calls or rest would not be kept, one that was taken together with another that
    goes, and what would now make a limit worse that is to be kept.

    Args:
        cells: what the grid bears, and who is asked pays.
        offers: of the book.
        had_w: what was taken, by place.
        sold: what is left already of other stages, and taken by earlier sessions.
        kept: limits, and what each row must be brought at least, 0 or less [W].
    """
    limits = list(kept)
    places = zip(cells.offer.tolist(), cells.start_ms.tolist(), strict=True)
    taken_w = np.minimum([float(had_w.get(place, 0)) for place in places], cells.most_w)
    taken_w[taken_w < cells.least_w] = 0.0
    while True:
        alone = list(_alone(cells, offers, had_w, taken_w, sold))
        going = (taken_w > 0) & (np.isin(cells.offer, alone) | _harming(cells, taken_w, limits))
        if not going.any():
            return taken_w
        taken_w[going] = 0.0


def _harming(cells: Cells, taken_w: Floats, kept: Iterable[tuple[Limits, Floats]]) -> Booleans:
    """Tell which cells harm a limit that is brought less than it must be."""
    harming = np.zeros(len(cells), dtype=bool)
    for limits, least_w in kept:
        for ms in map(int, np.unique(cells.start_ms[taken_w > 0])):
            inside, rows = cells.start_ms == ms, limits.start_ms == ms
            effect = effects(limits, cells, ms, inside)
            short = effect @ taken_w[inside] < least_w[rows] - MISSING_W
            harming[inside] |= (effect[short] < 0).any(axis=0)
    return harming


def _alone(
    cells: Cells, offers: Sequence[FlexOffer], had_w: Mapping[Place, int], taken_w: Floats,
    sold: Sold,
) -> Iterator[int]:  # fmt: skip
    """Yield offers of which something is left that cannot stay by itself."""
    kept: dict[int, dict[int, float]] = {}
    for cell in np.flatnonzero(taken_w):
        kept.setdefault(int(cells.offer[cell]), {})[int(cells.start_ms[cell])] = taken_w[cell]
    less = {at for (at, ms), power_w in had_w.items() if kept.get(at, {}).get(ms, 0) < power_w}
    before: dict[int, list[int]] = {}
    for at, ms in sold.places:
        before.setdefault(at, []).append(ms)
    parents, there = parents_of(offers), kept.keys() | before.keys()
    for at, quarters_w in kept.items():
        is_torn = offers[at].acceptance is Acceptance.BLOCK and at in less
        is_alone = at in parents and parents[at] not in there
        starts = {*quarters_w, *before.get(at, ())}
        if is_torn or is_alone or not keeps_its_times(offers[at], starts):
            yield at
