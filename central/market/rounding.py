"""Whole watts of what a programme took: up, and no limit that must hold becomes worse by it.

```
 up      every need is met                                           1428.57 -> 1429
 down    a watt less of what harms a limit that must hold, where it would not hold
 more    a watt more of something else, where that leaves a need short that was met
 again   where that is not enough: the cheapest of all whole watts, as an integer programme
```

A need that is short after that is short in whole watts, whatever is tried, and told as unmet.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from central.documents.offer import Acceptance, FlexOffer
from central.highs import Programme, optimum
from central.market.binding import TAKEN_W, UNTIED, Sold, ties_of
from central.market.cells import Cells
from central.market.demand import effects
from central.market.limits import Booleans, Floats, Integers, Limits
from central.market.precedence import in_turn
from central.market.scale import Scale

MISSING_W = 1e-2
"""What a need may be short of: it is not told as unmet."""
_HOLDS_W = 1e-7
_USEFUL = 1e-9
_ALIKE = 1e-12  # relative
_DEAR = 1e6  # a thousand times the dearest watt


def whole_w(
    cells: Cells,
    offers: Sequence[FlexOffer],
    wanted_w: Floats,
    parts: Sequence[tuple[Limits, Floats, Floats]],
    sold: Sold,
) -> Floats:
    """Return whole watts of each cell that do what was wanted of it [W].

    Args:
        cells: what may be taken.
        offers: of the book.
        wanted_w: what a programme took of each cell.
        parts: limits, what must be reached of each row [W], and what a watt of shortage costs;
            infinite where there may be none. Those that the programme was made with.
        sold: what is taken already.
    """
    taken_w = np.minimum(np.ceil(wanted_w - TAKEN_W), cells.most_w)
    taken_w[wanted_w <= TAKEN_W] = 0.0
    mended = np.zeros(len(cells), dtype=bool)
    for ms in map(int, np.unique(cells.start_ms[taken_w > 0])):
        inside = np.flatnonzero(cells.start_ms == ms)
        effect = [effects(limits, cells, ms, cells.start_ms == ms) for limits, *_ in parts]
        rows = [limits.start_ms == ms for limits, *_ in parts]
        quarter = _Quarter(
            cells, offers, inside, np.vstack(effect),
            np.concatenate([need_w[at] for (_, need_w, _), at in zip(parts, rows, strict=True)]),
            np.concatenate([cap[at] for (*_, cap), at in zip(parts, rows, strict=True)]),
            wanted_w[inside], taken_w[inside],
        )  # fmt: skip
        if quarter.is_worse():
            mended[inside] = True
            quarter.lower()
            quarter.make_up()
        if quarter.is_worse():
            quarter.again()
        taken_w[inside] = quarter.taken_w
    return in_turn(cells, offers, taken_w, sold, mended)


@dataclass
class _Quarter:
    """The cells and rows of one quarter-hour.

    Args:
        cells, offers: see `whole_w`.
        inside: which cells.
        effect: of a watt of each on each row, shape (rows, cells).
        need_w, cap_ueur_per_mwh: of each row.
        wanted_w, taken_w: of each cell.
    """

    cells: Cells
    offers: Sequence[FlexOffer]
    inside: Integers
    effect: Floats
    need_w: Floats
    cap_ueur_per_mwh: Floats
    wanted_w: Floats
    taken_w: Floats

    @property
    def must_hold(self) -> Booleans:
        """Tell which rows may not be short."""
        return np.isinf(self.cap_ueur_per_mwh)

    @property
    def spare_w(self) -> Floats:
        """Return what is done for each row beyond its need; below 0 it is short [W]."""
        spare: Floats = self.effect @ self.taken_w - self.need_w
        return spare

    @cached_property
    def is_tied(self) -> Booleans:
        """Tell which cells may not be given up: others of the offer, or other offers, rest on them.

        Between two quarter-hours it makes one activation of them.
        """
        parents = {offer.linked_to for offer in self.offers}
        return np.array([
            offer.mrid in parents
            or offer.acceptance is Acceptance.BLOCK
            or (offer.rest_s, offer.call_count) != (None, None)
            for offer in (self.offers[at] for at in self.cells.offer[self.inside])
        ], dtype=bool)  # fmt: skip

    def lost(self, power_w: Floats, leave_w: float = _HOLDS_W) -> tuple[int, int]:
        """Return how many rows do not hold that must, and what is told as unmet of others [W].

        Args:
            power_w: of each cell.
            leave_w: what a need may be short of.
        """
        spare_w = self.effect @ power_w - self.need_w
        broken = spare_w[self.must_hold] < -_HOLDS_W
        short_w = np.ceil(-spare_w[~self.must_hold] - leave_w)
        return int(broken.sum()), int(np.maximum(short_w, 0.0).sum())

    def is_worse(self) -> bool:
        """Tell whether whole watts do less than was wanted."""
        return self.lost(self.taken_w) > (0, self.lost(self.wanted_w, MISSING_W)[1])

    def lower(self) -> None:
        """Take watts away, first those rounded up, until every row holds that must."""
        while True:
            spare_w = np.where(self.must_hold, self.spare_w, np.inf)
            row = int(np.argmin(spare_w)) if len(spare_w) else -1
            if row < 0 or spare_w[row] >= -_HOLDS_W:
                return
            harm = self.effect[row]
            able = (harm < -_USEFUL) & (self.taken_w >= 1)
            able &= self.taken_w - 1 >= self.cells.least_w[self.inside]
            able &= (self.taken_w > 1) | ~self.is_tied
            rounded = able & (self.taken_w > self.wanted_w)
            able = rounded if rounded.any() else able
            if not able.any():
                return
            self.taken_w[np.argmin(np.where(able, harm, np.inf))] -= 1

    def make_up(self) -> None:
        """Take watts of others where a need is short that the programme met."""
        met = self.effect @ self.wanted_w - self.need_w >= -MISSING_W
        for row in np.flatnonzero(met & ~self.must_hold):
            while self.spare_w[row] < -MISSING_W:
                at = self._cheapest(int(row), met)
                if at < 0:
                    break
                self.taken_w[at] += 1

    def again(self) -> None:
        """Take the cheapest whole watts of all, where they do more."""
        columns = np.flatnonzero(np.isin(self.cells.cell, self.inside))
        local = np.searchsorted(self.inside, self.cells.cell[columns])
        is_open, least_w = self._bounds()
        fixed_w = np.where(is_open, 0.0, self.taken_w)
        programme = self._programme(columns, local, np.where(is_open, least_w, np.inf))
        x_w = np.round(optimum(programme, where="whole watts of a clearing").x[: len(columns)])
        found_w = fixed_w.copy()
        np.add.at(found_w, local, x_w)
        if self.lost(found_w) < self.lost(self.taken_w):
            self.taken_w = found_w

    def _programme(self, columns: Integers, local: Integers, least_w: Floats) -> Programme:
        """Return the same programme in whole watts, where all rows may be short.

        What must hold is short at a price that nothing else is worth.

        Args:
            columns: of the quarter-hour.
            local: the cell of each.
            least_w: of each cell; infinite where what is taken of it stays.
        """
        width_w, price = self.cells.width_w[columns], self.cells.price_ueur_per_mwh[columns]
        scale, rows = Scale.of(width_w, price, self.cap_ueur_per_mwh), len(self.need_w)
        short = np.where(self.must_hold, _DEAR, scale.caps(self.cap_ueur_per_mwh))
        is_open = np.isfinite(least_w)
        held_w = self.effect @ np.where(is_open, 0.0, self.taken_w)
        bound = np.flatnonzero(is_open & (least_w > 0))
        own = (local == bound[:, None]).astype(float)
        matrix = [[self.effect[:, local], np.eye(rows)], [own, np.zeros((len(bound), rows))]]
        return Programme(
            cost=np.concatenate([scale.costs(price), short]),
            matrix=sparse.csc_array(np.block(matrix)),
            row_low=np.concatenate([self.need_w - held_w, least_w[bound]]),
            row_high=np.full(rows + len(bound), np.inf),
            upper=np.concatenate([width_w * is_open[local], np.full(rows, np.inf)]),
            whole=np.ones(len(columns) + rows, dtype=bool),
        )

    def _bounds(self) -> tuple[Booleans, Floats]:
        """Tell of which cells other watts may be taken, and how few, without breaking a tie."""
        offers = [self.offers[at] for at in self.cells.offer[self.inside]]
        pods = Counter(each.pod for each in offers)
        is_free = np.array([ties_of(each) == UNTIED and pods[each.pod] == 1 for each in offers])
        is_block = np.array([each.acceptance is Acceptance.BLOCK for each in offers])
        least_w = self.cells.least_w[self.inside]
        may_go = ~self.is_tied & (least_w <= 1)
        opened: Booleans = ~is_block & ((self.taken_w > 0) | (is_free & may_go))
        lowest: Floats = np.where(may_go, 0.0, np.maximum(least_w, 1.0))
        return opened, lowest

    def _cheapest(self, row: int, met: Booleans) -> int:
        """Return the cell of which a watt more serves a row best and harms none, -1 if none."""
        spare_w = self.spare_w
        best, found = self.cap_ueur_per_mwh[row], -1
        for at in np.flatnonzero(self.effect[row] > _USEFUL):
            after_w = spare_w + self.effect[:, at]
            short = np.where(self.must_hold, after_w < -_HOLDS_W, after_w < -MISSING_W)
            harmed = short & (self.effect[:, at] < 0) & (met | self.must_hold)
            if self._may_grow(int(at)) and not harmed.any():
                ratio = self._next_price(int(at)) / self.effect[row, at]
                alike = _ALIKE * abs(best)
                if ratio < best - alike or (found < 0 and ratio <= best + alike):
                    best, found = ratio, int(at)
        return found

    def _may_grow(self, at: int) -> bool:
        """Tell whether a watt more breaks no minimum and no tie."""
        cell, more_w = self.inside[at], self.taken_w[at] + 1
        offer = self.offers[self.cells.offer[cell]]
        if more_w > self.cells.most_w[cell] or offer.acceptance is Acceptance.BLOCK:
            return False
        if self.taken_w[at] > 0:
            return True
        pods = {self.offers[self.cells.offer[each]].pod for each in self.inside[self.taken_w > 0]}
        return (
            ties_of(offer) == UNTIED
            and offer.pod not in pods
            and bool(more_w >= self.cells.least_w[cell])
        )

    def _next_price(self, at: int) -> float:
        """Return the price of the next watt of a cell [µEUR/MWh]."""
        own = self.cells.cell == self.inside[at]
        ends_w = np.cumsum(self.cells.width_w[own])
        step = min(int(np.searchsorted(ends_w, self.taken_w[at], side="right")), len(ends_w) - 1)
        return float(self.cells.price_ueur_per_mwh[own][step])
