"""What is on offer, as arrays: a cell is an offer in a quarter-hour, a column one price of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from central.documents.header import Direction
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter
from central.market.limits import Floats, Integers

_ROUNDING = 1e-9

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
        ceilings: Ceilings,
        highest: Callable[[FlexOffer, int], float | None],
    ) -> "Cells":
        """Return the cells of offers that may be taken.

        Args:
            offers: of the book.
            nodes: the grid node of each POD.
            ceilings: what the grid bears.
            highest: the most that is paid for an offer in a quarter-hour [µEUR/MWh], None where
                it cannot be taken.
        """
        found = sorted(
            (quarter.start_ms, position, steps)
            for position, offer in enumerate(offers)
            for quarter, ceiling_w in zip(offer.quarters, _ceilings_w(offer, ceilings), strict=True)
            if (most := highest(offer, quarter.start_ms)) is not None
            and (steps := _steps(offer, quarter, ceiling_w, most))
        )
        least = {
            (position, quarter.start_ms): quarter.minimum_w
            for position, offer in enumerate(offers)
            for quarter in offer.quarters
        }
        names = tuple(sorted({nodes[offer.pod.code] for offer in offers}))
        numbered = {name: place for place, name in enumerate(names)}
        place_of = [numbered[nodes[offer.pod.code]] for offer in offers]
        columns = [(place, *step) for place, (*_, steps) in enumerate(found) for step in steps]
        table = np.array(columns, dtype=np.float64).reshape(-1, 3)
        return cls(
            offer=np.array([position for _, position, _ in found], dtype=np.int64),
            start_ms=np.array([start_ms for start_ms, *_ in found], dtype=np.int64),
            names=names,
            node=np.array([place_of[position] for _, position, _ in found], dtype=np.int64),
            sign=np.array(
                [1.0 if offers[at].direction is Direction.UP else -1.0 for _, at, _ in found]
            ),
            least_w=np.array([least[at, ms] for ms, at, _ in found], dtype=np.float64),
            most_w=np.array([sum(w for w, _ in steps) for *_, steps in found], dtype=np.float64),
            cell=table[:, 0].astype(np.int64),
            width_w=table[:, 1],
            price_ueur_per_mwh=table[:, 2],
        )

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.offer)

    def mean_price(self, taken_w: Floats) -> Floats:
        """Return the mean price of what is taken of each cell, cheapest first [µEUR/MWh]."""
        before_w = np.cumsum(self.width_w) - self.width_w
        first = np.concatenate([[True], self.cell[1:] != self.cell[:-1]])[: len(self.cell)]
        start_w = before_w[first][self.cell] if len(self.cell) else before_w
        part_w = np.clip(taken_w[self.cell] - (before_w - start_w), 0.0, self.width_w)
        worth = np.bincount(
            self.cell, weights=part_w * self.price_ueur_per_mwh, minlength=len(self)
        )
        mean: Floats = np.divide(worth, taken_w, out=np.zeros(len(self)), where=taken_w > 0)
        return mean


def _steps(
    offer: FlexOffer, quarter: OfferedQuarter, ceiling_w: int, highest: float
) -> tuple[tuple[int, int], ...]:
    """Return width and price of each step that may be taken; none if that is below the minimum.

    A block is paid as a whole or not at all: one step that is too dear makes all of it so.
    """
    made, reached_w = [], 0
    for step in quarter.steps:
        end_w = min(step.up_to_w, ceiling_w)
        if end_w > reached_w and step.price_ueur_per_mwh > highest:
            if offer.acceptance is Acceptance.BLOCK:
                return ()
            break
        if end_w > reached_w:
            made.append((end_w - reached_w, step.price_ueur_per_mwh))
            reached_w = end_w
    return tuple(made) if reached_w >= quarter.minimum_w else ()


def _ceilings_w(offer: FlexOffer, ceilings: Ceilings) -> list[int]:
    """Return the most of each quarter-hour; a block keeps its shape, whatever is cut of it."""
    most_w = [
        min(each.maximum_w, ceilings.get((offer.mrid, each.start_ms), each.maximum_w))
        for each in offer.quarters
    ]
    if offer.acceptance is Acceptance.PER_QUARTER or not ceilings:
        return most_w
    share = min(
        (w / each.maximum_w for w, each in zip(most_w, offer.quarters, strict=True) if each.steps),
        default=1.0,
    )
    shaped = [math.floor(each.maximum_w * share + _ROUNDING) for each in offer.quarters]
    whole = all(w >= each.minimum_w for w, each in zip(shaped, offer.quarters, strict=True))
    return shaped if whole else [-1] * len(shaped)
