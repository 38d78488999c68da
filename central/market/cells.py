"""What is on offer, as arrays: a cell is an offer in a quarter-hour, a column one price of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Direction
from central.documents.offer import Acceptance, FlexOffer
from central.market.limits import Booleans, Floats, Integers

_ROUNDING = 1e-9
_LEAST_W = 1e-3

Ceilings = Mapping[tuple[str, int], int]
"""The most that the grid bears of an offer (mRID) in a quarter-hour (start) [W]."""


@dataclass(frozen=True)
class Cells:
    """Cells in the order of quarter-hours, then of the book.

    Args:
        offer: position in the book, shape (cells).
        start_ms: the quarter-hour, shape (cells).
        names: of grid nodes.
        node: position of each cell's in `names`, shape (cells).
        tan_phi: var that come and go with a watt of each, shape (cells).
        sign: 1 for UP, -1 for DOWN, shape (cells).
        least_w, most_w: what can be taken of it, if any, shape (cells).
        cell: of each column, ascending, shape (columns).
        width_w: how much it offers, shape (columns).
        price_ueur_per_mwh: at which price, rising within a cell, shape (columns).
    """

    offer: Integers
    start_ms: Integers
    names: tuple[str, ...]
    node: Integers
    tan_phi: Floats
    sign: Floats
    least_w: Floats
    most_w: Floats
    cell: Integers
    width_w: Floats
    price_ueur_per_mwh: Floats

    @classmethod
    def of(
        cls,
        offers: Sequence[FlexOffer],
        nodes: Mapping[str, str],
        tan_phi: Mapping[str, float],
        ceilings: Ceilings,
    ) -> "Cells":
        """Return the cells of all that the grid bears.

        Args:
            offers: of the book.
            nodes: the grid node of each POD.
            tan_phi: var that come and go with a watt of each POD.
            ceilings: what the grid bears.
        """
        quarters = [quarter for offer in offers for quarter in offer.quarters]
        position = _repeated([len(offer.quarters) for offer in offers])
        start_ms = np.array([quarter.start_ms for quarter in quarters], dtype=np.int64)
        order = np.lexsort((position, start_ms))
        steps = [step for quarter in quarters for step in quarter.steps]
        owner = np.argsort(order)[_repeated([len(quarter.steps) for quarter in quarters])]
        column = np.argsort(owner, kind="stable")
        end_w = np.array([step.up_to_w for step in steps], dtype=np.float64)[column]
        price = np.array([step.price_ueur_per_mwh for step in steps], dtype=np.float64)[column]
        ceiling_w = _ceilings_w(offers, ceilings)[order][cell := owner[column]]
        below_w = np.concatenate([[0.0], end_w[:-1]])
        below_w[np.concatenate([[True], cell[1:] != cell[:-1]])[: len(cell)]] = 0.0
        names = tuple(sorted({nodes[offer.pod.code] for offer in offers}))
        numbered = {name: place for place, name in enumerate(names)}
        at = np.array([numbered[nodes[offer.pod.code]] for offer in offers], dtype=np.int64)
        phi = np.array([tan_phi.get(offer.pod.code, 0.0) for offer in offers], dtype=np.float64)
        sign = np.array([1.0 if offer.direction is Direction.UP else -1.0 for offer in offers])
        least_w = np.array([quarter.minimum_w for quarter in quarters], dtype=np.float64)
        offer = position[order]
        return cls(
            offer, start_ms[order], names, at[offer], phi[offer], sign[offer], least_w[order],
            np.full(len(order), np.inf), cell,
            np.minimum(end_w, ceiling_w) - np.minimum(below_w, ceiling_w), price,
        ).kept(np.ones(len(cell), dtype=bool))  # fmt: skip

    def under(self, highest: Floats, is_block: Booleans) -> "Cells":
        """Return what may be taken at a price; none of a cell if that is below its minimum.

        A block is paid as a whole or not at all: one step that is too dear makes all of it so.

        Args:
            highest: the most that is paid [µEUR/MWh], NaN where nothing may be taken, (cells).
            is_block: whether a cell is of a block, shape (cells).
        """
        paid = self.price_ueur_per_mwh <= highest[self.cell]
        dear = np.bincount(self.cell[~paid], minlength=len(self)) > 0
        return self.kept(paid & ~(dear & is_block)[self.cell])

    def kept(self, columns: Booleans) -> "Cells":
        """Return some columns of cells, without cells that have too little left."""
        columns = columns & (self.width_w > 0)
        width_w = np.where(columns, self.width_w, 0.0)
        most_w = np.bincount(self.cell, weights=width_w, minlength=len(self)).astype(np.float64)
        cells = (most_w > 0) & (most_w >= self.least_w)
        columns &= cells[self.cell]
        renumbered = np.cumsum(cells) - 1
        return Cells(
            self.offer[cells], self.start_ms[cells], self.names, self.node[cells],
            self.tan_phi[cells],
            self.sign[cells], self.least_w[cells], most_w[cells],
            renumbered[self.cell[columns]], self.width_w[columns],
            self.price_ueur_per_mwh[columns],
        )  # fmt: skip

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.offer)

    def parts_w(self, taken_w: Floats) -> Floats:
        """Return what is taken of each column, from what is taken of each cell [W]."""
        before_w = np.cumsum(self.width_w) - self.width_w
        first = np.concatenate([[True], self.cell[1:] != self.cell[:-1]])[: len(self.cell)]
        start_w = before_w[first][self.cell] if len(self.cell) else before_w
        parts: Floats = np.clip(taken_w[self.cell] - (before_w - start_w), 0.0, self.width_w)
        return parts

    def mean_price(self, taken_w: Floats) -> Floats:
        """Return the mean price of what is taken of each cell, cheapest first [µEUR/MWh]."""
        worth = np.bincount(
            self.cell,
            weights=self.parts_w(taken_w) * self.price_ueur_per_mwh,
            minlength=len(self),
        )
        mean: Floats = np.divide(worth, taken_w, out=np.zeros(len(self)), where=taken_w > 0)
        return mean

    def dearest_price(self, taken_w: Floats) -> Floats:
        """Return the price of the dearest watt that is taken of each cell [µEUR/MWh]."""
        there = self.parts_w(taken_w) > _LEAST_W
        dearest = np.full(len(self), -np.inf)
        np.maximum.at(dearest, self.cell[there], self.price_ueur_per_mwh[there])
        return dearest


def _repeated(counts: Sequence[int]) -> Integers:
    """Return each position as often as its count says."""
    return np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64))


def _ceilings_w(offers: Sequence[FlexOffer], ceilings: Ceilings) -> Floats:
    """Return the most of each quarter-hour of each offer [W]."""
    cut = {mrid for mrid, _ in ceilings}
    return np.array(
        [
            most_w
            for offer in offers
            for most_w in (
                _ceilings_of(offer, ceilings)
                if offer.mrid in cut
                else (quarter.maximum_w for quarter in offer.quarters)
            )
        ],
        dtype=np.float64,
    )


def _ceilings_of(offer: FlexOffer, ceilings: Ceilings) -> list[int]:
    """Return the most of each quarter-hour; a block keeps its shape, whatever is cut of it."""
    most_w = [
        min(each.maximum_w, ceilings.get((offer.mrid, each.start_ms), each.maximum_w))
        for each in offer.quarters
    ]
    if offer.acceptance is Acceptance.PER_QUARTER:
        return most_w
    share = min(
        (w / each.maximum_w for w, each in zip(most_w, offer.quarters, strict=True) if each.steps),
        default=1.0,
    )
    shaped = [math.floor(each.maximum_w * share + _ROUNDING) for each in offer.quarters]
    whole = all(w >= each.minimum_w for w, each in zip(shaped, offer.quarters, strict=True))
    return shaped if whole else [-1] * len(shaped)
