"""Who came first is taken first, of those between whom nothing else decides.

```
 divisible     what has one price at one place is filled by the book, whatever its width
 indivisible   of equal cells the first has most: with a minimum, or of a POD of several offers
 tied          of equal offers the first has most energy: blocks, times, groups, links
```

A programme finds one of many answers that cost the same, and with integers which one rests on
whatever its solver tried first. So what it found changes hands afterwards, among those that are
equal in all that clearing sees of them. No row becomes other than it was, and nothing dearer.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property

import numpy as np

from central.documents.offer import Acceptance, FlexOffer
from central.market.binding import UNTIED, Sold, ties_of
from central.market.cells import Cells
from central.market.limits import Booleans, Floats, Integers

_NO_POD = -1


def by_rank(parts_w: Floats, cells: Cells, columns: Integers) -> Floats:
    """Return the same of some columns [W], by the book where quarter, place and price are the same.

    Args:
        parts_w: what was found of each of them.
        cells: that the columns are of.
        columns: which, of cells that may be taken in whatever parts.
    """
    cell = cells.cell[columns]
    keys = [
        cells.price_ueur_per_mwh[columns],
        *(each[cell] for each in (cells.sign, cells.node, cells.tan_phi, cells.start_ms)),
    ]
    order, new = _alike(keys)
    group, first = np.cumsum(new) - 1, np.flatnonzero(new)
    width_w = cells.width_w[columns][order]
    before_w = np.cumsum(width_w) - width_w
    total_w = np.bincount(group, weights=parts_w[order])
    shared = parts_w.copy()
    shared[order] = np.clip(total_w[group] - (before_w - before_w[first][group]), 0.0, width_w)
    return shared


def in_turn(
    cells: Cells, offers: Sequence[FlexOffer], taken_w: Floats, sold: Sold, within: Booleans
) -> Floats:
    """Return what is taken of each cell, by the book among equals [W].

    Cells that a POD sells through several offers change hands on that POD alone. What others are
    linked to, and tied offers of which something is sold already, stay as they are.

    Args:
        cells: what may be taken.
        offers: of the book.
        taken_w: what was found of each cell.
        sold: what is taken already.
        within: cells whose order may be another, shape (cells); of tied offers all are looked at.
    """
    turn = _Turn(cells, offers, taken_w.copy())
    if within.any():
        turn.cells_by_rank(within)
    turn.offers_by_rank({at for at, _ in sold.places})
    return turn.taken_w


class _Turn:
    """What was found of cells, while it changes hands."""

    def __init__(self, cells: Cells, offers: Sequence[FlexOffer], taken_w: Floats) -> None:
        self.cells, self.offers, self.taken_w = cells, offers, taken_w
        parents = {offer.linked_to for offer in offers}
        self.is_parent = np.array([offer.mrid in parents for offer in offers], dtype=bool)
        self.is_tied = np.array([_is_tied(offer) for offer in offers], dtype=bool)

    def cells_by_rank(self, within: Booleans) -> None:
        """Give what is found of cells that nothing ties to the first."""
        cells, seller = self.cells, self.seller
        loose = within & ~(self.is_tied | self.is_parent)[cells.offer]
        divisible = loose & (seller == _NO_POD) & (cells.least_w == 0)
        columns = np.flatnonzero(divisible[cells.cell])
        parts_w = by_rank(cells.parts_w(self.taken_w)[columns], cells, columns)
        shared_w = np.bincount(cells.cell[columns], weights=parts_w, minlength=len(cells))
        self.taken_w[divisible] = shared_w[divisible]
        rest = np.flatnonzero(loose & ~divisible)
        keys = self.worth[rest], seller[rest], cells.start_ms[rest]
        for equal in _out_of_turn(keys, self.taken_w[rest], lambda at: self._told(int(rest[at]))):
            self.taken_w[rest[equal]] = -np.sort(-self.taken_w[rest[equal]])

    def offers_by_rank(self, gone: set[int]) -> None:
        """Give what is found of tied offers to the first, all quarter-hours of it.

        Args:
            gone: offers that are sold in part.
        """
        cells, able = self.cells, self.is_tied & ~self.is_parent
        able[list(gone)] = False
        which = np.flatnonzero(able)
        if not len(which):
            return

        def told(at: int) -> Hashable:
            own = self.own[which[at]].tolist()
            seller = max((int(self.seller[cell]) for cell in own), default=_NO_POD)
            return *_terms(self.offers[which[at]]), seller, *map(self._told, own)

        *keys, energy = (
            np.bincount(cells.offer, weights=each, minlength=len(able)).astype(np.float64)[which]
            for each in (self.worth, self.worth * cells.start_ms, cells.node, self.taken_w)
        )
        for equal in _out_of_turn(keys, energy, told):
            found_w = [self.taken_w[self.own[which[at]]] for at in equal]
            for at, place in zip(equal, np.argsort(-energy[equal], kind="stable"), strict=True):
                self.taken_w[self.own[which[at]]] = found_w[place]

    @cached_property
    def own(self) -> list[Integers]:
        """Return the cells of each offer, by quarter-hour."""
        ends = np.cumsum(np.bincount(self.cells.offer, minlength=len(self.offers)))
        return np.split(np.argsort(self.cells.offer, kind="stable"), ends[:-1])

    @cached_property
    def seller(self) -> Integers:
        """Return the POD of each cell, by number, if it sells through several offers then."""
        codes = [offer.pod.code for offer in self.offers]
        numbers = {code: number for number, code in enumerate(dict.fromkeys(codes))}
        pod = np.array([numbers[code] for code in codes], dtype=np.int64)[self.cells.offer]
        order, new = _alike([pod, self.cells.start_ms])
        group = np.cumsum(new) - 1
        seller = np.full(len(pod), _NO_POD)
        several = order[np.bincount(group)[group] > 1]
        seller[several] = pod[several]
        return seller

    @cached_property
    def worth(self) -> Floats:
        """Return of each cell what it costs as a whole: other for most that are not equal."""
        cells = self.cells
        weights = cells.width_w * cells.price_ueur_per_mwh
        return np.bincount(cells.cell, weights=weights, minlength=len(cells)).astype(np.float64)

    def _told(self, cell: int) -> Hashable:
        """Return all that clearing sees of a cell."""
        cells = self.cells
        columns = slice(*np.searchsorted(cells.cell, [cell, cell + 1]))
        return (
            int(cells.start_ms[cell]), float(cells.sign[cell]), int(cells.node[cell]),
            float(cells.tan_phi[cell]), float(cells.least_w[cell]),
            cells.width_w[columns].tobytes(), cells.price_ueur_per_mwh[columns].tobytes(),
        )  # fmt: skip


def _alike(keys: Sequence[Floats | Integers]) -> tuple[Integers, Booleans]:
    """Return an order in which what is alike is side by side, and where something new begins."""
    order = np.lexsort(keys)
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    return order, new


def _out_of_turn(
    keys: Sequence[Floats | Integers], amount: Floats, told: Callable[[int], Hashable]
) -> Iterator[Integers]:
    """Yield those that are equal and of which a later one has more than an earlier, by rank.

    Args:
        keys: what equals have in common, and few others.
        amount: of each.
        told: all that must be equal of one.
    """
    order, new = _alike(keys)
    more = np.flatnonzero((np.diff(amount[order]) > 0) & ~new[1:])
    starts = np.append(np.flatnonzero(new), len(order))
    for at in np.unique(np.searchsorted(starts, more, side="right")):
        equals: dict[Hashable, list[int]] = {}
        for each in order[starts[at - 1] : starts[at]].tolist():
            equals.setdefault(told(each), []).append(each)
        yield from (np.array(each) for each in equals.values() if len(each) > 1)


def _is_tied(offer: FlexOffer) -> bool:
    """Tell whether something ties an offer's quarter-hours together, or it to others."""
    return offer.acceptance is Acceptance.BLOCK or ties_of(offer) != UNTIED


def _terms(offer: FlexOffer) -> tuple[Hashable, ...]:
    """Return all that clearing sees of an offer beside its cells; a group is its sender's own."""
    sender = None if offer.exclusive_group is None else offer.sender
    return offer.acceptance, sender, *ties_of(offer)
