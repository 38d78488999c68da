"""What earlier sessions have sold for sure, as the grid will see it: delivered, and coming back.

```
 a day before the hours ────────────────│ the hours ────────│
      sold  ▼▼▼▼            sold  ▼▼▼▼▼▼▼▼▼   sold ▼▼▼▼
                  ░░░░ over             ░░░░░░░░░       ░░░░  comes back
```
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from central.documents.encoding import opened
from central.documents.header import Reference
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.dso.delivering import Taken
from central.dso.grid.model import Floats, Grid, Phasors
from central.scd.documents import DocumentQuery
from central.scd.ports import DocumentStore
from central.sessions.dso_validation import taken_offers
from central.sessions.leftovers import sold_for_sure
from ledger.facts.interval import QUARTER_MS, Interval

_DAY_MS = 86_400_000
_QUARTERS_PER_HOUR = 4
_W_PER_KW = 1_000.0


@dataclass(frozen=True)
class CountedOn:
    """What is counted on.

    Args:
        taken: what was sold for sure, in the quarter-hours of `reach_of`.
        quarters: the last ones, which are those of the hours.
    """

    taken: Taken
    quarters: int

    @property
    def back_w(self) -> Floats:
        """Return what comes back of it, against its direction [W], shape (offers, quarters)."""
        return self.taken.back_w(self.taken.power_w)

    def changed_va(self, grid: Grid) -> Phasors:
        """Return what it makes each node draw more in the hours, shape (quarters, nodes) [VA]."""
        return self.taken.lasting_va(grid, self.taken.power_w)[-self.quarters :]

    def statement(self) -> str:
        """Return it in words: energy sold in the hours, and energy that comes back in them."""
        sold, back = (self._energy_kwh(each) for each in (self.taken.power_w, self.back_w))
        return f"{sold:.1f} kWh sold before are counted on, and {back:.1f} kWh that come back"

    def _energy_kwh(self, power_w: Floats) -> float:
        return float(power_w[:, -self.quarters :].sum()) / _QUARTERS_PER_HOUR / _W_PER_KW


def reach_of(interval: Interval) -> Interval:
    """Return when something may be sold that still comes back in some hours: a day before too."""
    return Interval(interval.start_ms - _DAY_MS, interval.end_ms)


def counted_on(
    grid: Grid, store: DocumentStore, outcomes: Iterable[MarketOutcome], interval: Interval
) -> CountedOn:
    """Return what is counted on in some hours.

    It is reserved (I-14) and will be delivered: nobody buys it again. What comes back of it is
    drawn as well, as the validation of the list that sold it reckoned.

    Args:
        grid: of the DSO.
        store: where the offers are that outcomes name.
        outcomes: of earlier sessions; see `reach_of`.
        interval: of the hours.

    Raises:
        Rejected: an outcome names an offer that is not there.
        StoreAway: offers cannot be read.
    """
    reach = reach_of(interval)
    awards = sold_for_sure(outcomes, reach)
    offers = list(_named(store, {each.offer for each in awards}))
    taken = taken_offers(grid, reach, awards, offers)
    return CountedOn(taken, interval.duration_ms // QUARTER_MS)


def _named(store: DocumentStore, names: Iterable[Reference]) -> Iterator[FlexOffer]:
    """Yield the offers of some names, as far as they are there."""
    for name in sorted(names):
        for stored in store.documents(DocumentQuery(mrid=name.mrid, revision=name.revision)):
            offer, _ = opened(stored.signed)
            if isinstance(offer, FlexOffer):
                yield offer
