"""Clearing where offers are whole: minima, blocks, links, groups, rests, and one sale a POD.

```
 x   what is taken of a column                    0 <= x <= width
 b   what is taken of a piece of a block's share  0 <= b <= piece
 z   whether an offer is taken in a quarter-hour  least z <= x <= most z
 y   whether an offer is taken at all             z <= y
 s   shortage of a row
```

A POD is in one cell at a time: z + z' <= 1. Activations of at most n quarter-hours: no n + 1 in a
row have z = 1. A rest of n: z(t-1) - z(t) + z(t+j) <= 1 for j < n. Calls: u(t) >= z(t) - z(t-1),
and no more u than calls. What is sold already counts as z = 1.

Source: Morales-España, Latorre, Ramos: Tight and compact MILP formulation for the thermal unit
commitment problem (2013), section II, for starts and rests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from central.documents.offer import Acceptance, FlexOffer
from central.highs import Programme, optimum
from central.market.binding import Coupled, Place, Sold, groups_of, keeps_its_times, parents_of
from central.market.cells import Cells
from central.market.demand import Demand
from central.market.limits import Floats
from central.market.scale import Scale
from ledger.facts.interval import QUARTER_MS

_MS_PER_S = 1_000


@dataclass
class _Model:
    """A mixed-integer programme that grows variable by variable, row by row."""

    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def variable(self, cost: float, upper: float, *, whole: bool = False) -> int:
        """Return a new variable, 0 or more."""
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(
        self, terms: Mapping[int, float], *, low: float = -np.inf, high: float = np.inf
    ) -> None:
        """Demand that a weighted sum of variables lies in an interval."""
        place = len(self.low)
        self.entries.extend((place, at, weight) for at, weight in terms.items())
        self.low.append(low)
        self.high.append(high)

    def solve(self) -> Floats:
        """Return the cheapest values.

        Raises:
            InvariantBroken: the solver gave up.
        """
        rows, columns, weights = zip(*self.entries, strict=True) if self.entries else ((), (), ())
        matrix = sparse.coo_array(
            (weights, (rows, columns)), shape=(len(self.low), len(self.cost))
        ).tocsc()
        programme = Programme(
            cost=np.array(self.cost),
            matrix=matrix,
            row_low=np.array(self.low),
            row_high=np.array(self.high),
            upper=np.array(self.upper),
            whole=np.array(self.whole),
        )
        return optimum(programme, where="market clearing with whole offers").x


class _Whole:
    """The programme of the quarter-hours that some offers couple."""

    def __init__(
        self, cells: Cells, offers: Sequence[FlexOffer], demand: Demand, coupled: Coupled,
        sold: Sold,
    ) -> None:  # fmt: skip
        self.cells, self.offers, self.demand = cells, offers, demand
        self.coupled, self.sold = coupled, sold
        self.model = _Model()
        self.inside = np.isin(cells.start_ms, sorted(coupled.quarters))
        self.columns = np.flatnonzero(self.inside[cells.cell])
        price = cells.price_ueur_per_mwh
        self.scale = Scale.of(
            cells.width_w[self.columns], price[self.columns],
            demand.cap_ueur_per_mwh[np.isin(demand.start_ms, sorted(coupled.quarters))],
        )  # fmt: skip
        self.cost, self.most = self.scale.costs(price), self.scale.powers(cells.most_w)
        self.width = self.scale.powers(cells.width_w)
        self.own: dict[int, dict[int, int]] = {}
        for at in np.flatnonzero(self.inside).tolist():
            self.own.setdefault(int(cells.offer[at]), {})[int(cells.start_ms[at])] = at
        self.power: list[dict[int, float]] = [{} for _ in range(len(cells))]
        self.is_taken: dict[Place, int] = {}
        self.is_bought: dict[int, int] = {}

    def solve(self) -> Floats:
        """Return what is taken of each cell [W]."""
        self._amounts()
        self._switches()
        self._needs()
        self._one_sale()
        self._ties()
        self._times()
        values = self.model.solve()
        taken_w = np.zeros(len(self.cells))
        for at, terms in enumerate(self.power):
            taken_w[at] = sum(values[one] * weight for one, weight in terms.items())
        return np.clip(self.scale.watts(taken_w), 0.0, self.cells.most_w)

    # ── variables ───────────────────────────────────────────────────────────────────────────

    def _amounts(self) -> None:
        cells = self.cells
        blocks = {at for at in self.coupled.offers if self._is_block(at)}
        for column in self.columns:
            cell = int(cells.cell[column])
            if int(cells.offer[cell]) not in blocks:
                cost, width = float(self.cost[column]), float(self.width[column])
                self.power[cell][self.model.variable(cost, width)] = 1.0
        for offer in sorted(blocks):
            self._block(offer)

    def _block(self, offer: int) -> None:
        """Add the share of a block, piece by piece where one of its prices changes."""
        cells = self.cells
        own = list(self.own[offer].values())
        curves = {cell: self._curve(cell) for cell in own}
        ends = sorted({end / cells.most_w[cell] for cell in own for end, _ in curves[cell]})
        start = 0.0
        for end in ends:
            cost = sum(
                float(self.most[cell])
                * _cost_at(curves[cell], cells.most_w[cell] * (start + end) / 2)
                for cell in own
            )
            piece = self.model.variable(cost, end - start)
            for cell in own:
                self.power[cell][piece] = float(self.most[cell])
            start = end

    def _switches(self) -> None:
        """Add whether coupled offers are taken, and tie their amounts to it."""
        for offer in sorted(self.coupled.offers):
            bought = self.model.variable(0.0, 1.0, whole=True)
            self.is_bought[offer] = bought
            own = self.own[offer]
            if self._is_block(offer):
                self.is_taken.update({(offer, ms): bought for ms in own})
                # The same share of each: what asks for the greatest one asks for all.
                self._between(max(own.values(), key=self._least), bought)
                continue
            for ms, cell in own.items():
                taken = bought
                if len(own) > 1:
                    taken = self.model.variable(0.0, 1.0, whole=True)
                    self.model.row({taken: 1.0, bought: -1.0}, high=0.0)
                self.is_taken[offer, ms] = taken
                self._between(cell, taken)

    def _between(self, cell: int, taken: int) -> None:
        """Tie the share of a cell that is taken to whether it is."""
        share = {one: weight / float(self.most[cell]) for one, weight in self.power[cell].items()}
        self.model.row({**share, taken: -1.0}, high=0.0)
        self.model.row({**share, taken: -self._least(cell)}, low=0.0)

    def _least(self, cell: int) -> float:
        """Return the least share of a cell that can be taken: a watt where nothing is said."""
        return max(1.0, float(self.cells.least_w[cell])) / float(self.cells.most_w[cell])

    # ── rows ────────────────────────────────────────────────────────────────────────────────

    def _needs(self) -> None:
        for ms in sorted(self.coupled.quarters):
            rows = np.flatnonzero(self.demand.start_ms == ms)
            needs = self.scale.needs(self.demand.need_w[rows])
            caps = self.scale.caps(self.demand.cap_ueur_per_mwh[rows])
            cells = np.flatnonzero(self.cells.start_ms == ms)
            effect = self.demand.effect[ms]
            for place, need in enumerate(needs.tolist()):
                terms: dict[int, float] = {}
                for at, cell in enumerate(cells):
                    if effect[place, at]:
                        for one, weight in self.power[cell].items():
                            terms[one] = terms.get(one, 0.0) + weight * float(effect[place, at])
                cap = float(caps[place])
                if np.isfinite(cap):
                    terms[self.model.variable(cap, np.inf)] = 1.0
                self.model.row(terms, low=need)

    def _one_sale(self) -> None:
        sellers: dict[tuple[str, int], list[int]] = {}
        for (at, ms), taken in self.is_taken.items():
            sellers.setdefault((self.offers[at].pod.code, ms), []).append(taken)
        for several in sellers.values():
            if len(several) > 1:
                self.model.row(dict.fromkeys(several, 1.0), high=1.0)

    def _ties(self) -> None:
        already = {at for at, _ in self.sold.places}
        self._groups(already)
        self._links(already)
        for offer, bought_at in self.is_bought.items():
            if offer not in already and len(self.own[offer]) > 1 and not self._is_block(offer):
                own = {self.is_taken[offer, ms]: -1.0 for ms in self.own[offer]}
                self.model.row({bought_at: 1.0, **own}, high=0.0)

    def _groups(self, already: set[int]) -> None:
        for members in groups_of(self.offers).values():
            bought = [self.is_bought[at] for at in members if at in self.is_bought]
            others = already & set(members)
            for at in members:
                if at in self.is_bought and others - {at}:
                    self.model.row({self.is_bought[at]: 1.0}, high=0.0)
            if len(bought) > 1:
                self.model.row(dict.fromkeys(bought, 1.0), high=1.0)

    def _links(self, already: set[int]) -> None:
        """Tie linked offers to one that could be taken too; if it is not coupled yet, later."""
        there = set(self.cells.offer.tolist())
        for child, parent in parents_of(self.offers).items():
            if child in self.is_bought and parent not in already:
                terms = {self.is_bought[child]: 1.0}
                if parent in self.is_bought:
                    terms[self.is_bought[parent]] = -1.0
                if parent in self.is_bought or parent not in there:
                    self.model.row(terms, high=0.0)

    def _times(self) -> None:
        for offer in sorted(self.coupled.offers):
            terms = self.offers[offer]
            if (terms.longest_s, terms.rest_s, terms.call_count) != (None, None, None):
                self._times_of(offer)

    def _times_of(self, offer: int) -> None:
        terms = self.offers[offer]
        own = {ms: self.is_taken[offer, ms] for ms in self.own[offer]}
        sold = {ms for at, ms in self.sold.places if at == offer}
        if not keeps_its_times(terms, sold):
            self.model.row({self.is_bought[offer]: 1.0}, high=0.0)
            return
        axis = sorted({*own, *sold})
        clock = range(axis[0], axis[-1] + QUARTER_MS, QUARTER_MS) if axis else range(0)
        if terms.longest_s is not None:
            most = terms.longest_s * _MS_PER_S // QUARTER_MS
            for ms in clock:
                window = range(ms, ms + (most + 1) * QUARTER_MS, QUARTER_MS)
                self._limited(own, sold, dict.fromkeys(window, 1.0), most)
        if terms.rest_s is not None:
            rest = -(-terms.rest_s * _MS_PER_S // QUARTER_MS)
            for ms in clock:
                for wait in range(1, rest):
                    later = ms + (wait + 1) * QUARTER_MS
                    self._limited(own, sold, {ms: 1.0, ms + QUARTER_MS: -1.0, later: 1.0}, 1.0)
        if terms.call_count is not None:
            starts = {}
            for ms in clock:
                start = self.model.variable(0.0, 1.0)
                starts[start] = 1.0
                self._limited(own, sold, {ms: 1.0, ms - QUARTER_MS: -1.0}, 0.0, {start: -1.0})
            self.model.row(starts, high=float(terms.call_count))

    def _limited(
        self, own: Mapping[int, int], sold: set[int], weights: Mapping[int, float], high: float,
        more: Mapping[int, float] | None = None,
    ) -> None:  # fmt: skip
        """Limit a weighted sum of what is taken when; what is sold is taken, the rest is not."""
        terms = dict(more or {})
        for ms, weight in weights.items():
            if ms in sold:
                high -= weight
            elif ms in own:
                terms[own[ms]] = terms.get(own[ms], 0.0) + weight
        if terms:
            self.model.row(terms, high=high)

    def _curve(self, cell: int) -> list[tuple[float, float]]:
        """Return end [W] and cost of each step of a cell."""
        own = self.cells.cell == cell
        ends_w = np.cumsum(self.cells.width_w[own])
        return list(zip(ends_w.tolist(), self.cost[own].tolist(), strict=True))

    def _is_block(self, offer: int) -> bool:
        return self.offers[offer].acceptance is Acceptance.BLOCK


def solve_whole(
    cells: Cells, offers: Sequence[FlexOffer], demand: Demand, coupled: Coupled, sold: Sold
) -> Floats:
    """Return what is taken of each cell in the quarter-hours that are coupled [W].

    Raises:
        InvariantBroken: the solver gave up.
    """
    return _Whole(cells, offers, demand, coupled, sold).solve()


def _cost_at(curve: Sequence[tuple[float, float]], power_w: float) -> float:
    return next((cost for end_w, cost in curve if power_w <= end_w), curve[-1][1])
