"""What ties an offer's quarter-hours together, and offers to one another; and what breaks it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from central.documents.offer import Acceptance, FlexOffer
from central.market.cells import Cells
from central.market.limits import Floats, Integers
from ledger.facts.interval import QUARTER_MS

TAKEN_W = 1e-3
"""Less than that is not taken: a thousandth of a watt."""
UNTIED = (None,) * 5
_FEW = 2_000
_MS_PER_S = 1_000
_MS_PER_DAY = 86_400_000

Place = tuple[int, int]
"""An offer, by its position in the book, and the start of a quarter-hour."""


@dataclass(frozen=True)
class Sold:
    """What is taken already.

    Args:
        taken_w: in this clearing, by place [W].
        before: places that earlier sessions took: they count for times and ties, and are on sale
            no more.
    """

    taken_w: Mapping[Place, float] = field(default_factory=dict)
    before: frozenset[Place] = frozenset()

    @property
    def places(self) -> frozenset[Place]:
        """Return all that is taken, whoever took it."""
        return self.before.union(self.taken_w)

    def with_more(self, taken: Mapping[Place, float]) -> "Sold":
        """Return it with what was taken since."""
        return Sold({**self.taken_w, **taken}, self.before)


@dataclass(frozen=True)
class Coupled:
    """Offers whose ties are looked at, and the quarter-hours that they couple."""

    offers: frozenset[int]
    quarters: frozenset[int]

    @classmethod
    def blocks(cls, cells: Cells, offers: Sequence[FlexOffer]) -> "Coupled":
        """Return the blocks: their quarter-hours are one from the beginning."""
        there = {int(at) for at in np.unique(cells.offer)}
        blocks = {at for at in there if offers[at].acceptance is Acceptance.BLOCK}
        return cls(frozenset(), frozenset()).joined(blocks, cells)

    def joined(self, joining: Iterable[int], cells: Cells) -> "Coupled":
        """Return it with more offers, and with minima that would join one after the other anyway.

        Each time another programme is solved: all of them join at once as long as they are few,
        else those that couple no quarter-hour more.
        """
        offers = self.offers | set(joining)
        starts = np.unique(cells.start_ms[np.isin(cells.offer, sorted(offers))])
        outside = cells.offer[~np.isin(cells.start_ms, starts)]
        whole = cells.offer[cells.least_w > 0]
        if len(offers) and len(whole) > _FEW:
            whole = np.setdiff1d(whole, outside)
        if len(offers):
            offers |= set(whole.tolist())
            starts = np.unique(cells.start_ms[np.isin(cells.offer, sorted(offers))])
        return Coupled(offers, frozenset(starts.tolist()))


def broken(
    cells: Cells, offers: Sequence[FlexOffer], taken_w: Floats, sold: Sold, coupled: Coupled
) -> set[int]:
    """Return the offers, not yet coupled, that have a part in a tie that is broken."""
    found: set[int] = set()
    there = taken_w > TAKEN_W
    below = there & (taken_w < cells.least_w - TAKEN_W)
    found.update(map(int, cells.offer[below]))
    which, when_ms = cells.offer[there], cells.start_ms[there]
    found.update(_sold_twice(offers, which, when_ms))
    chosen: dict[int, list[int]] = {}
    for one, start_ms in zip(which.tolist(), when_ms.tolist(), strict=True):
        chosen.setdefault(one, []).append(start_ms)
    for at, starts in _with_sold(chosen, sold).items():
        if not keeps_its_times(offers[at], starts):
            found.add(at)
    found.update(_apart_though_tied(offers, chosen, sold))
    return found & {int(at) for at in np.unique(cells.offer)} - coupled.offers


def keeps_its_times(offer: FlexOffer, starts_ms: Iterable[int]) -> bool:
    """Tell whether an offer's activations are short, far apart and few enough."""
    runs = list(runs_of(starts_ms))
    longest_ms = max((end - start for start, end in runs), default=0)
    if offer.longest_s is not None and longest_ms > offer.longest_s * _MS_PER_S:
        return False
    if offer.rest_s is not None:
        gaps = (after - end for (_, end), (after, _) in pairwise(runs))
        if any(gap < offer.rest_s * _MS_PER_S for gap in gaps):
            return False
    return offer.call_count is None or len(runs) <= offer.call_count


def runs_of(starts_ms: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the activations that quarter-hours make up: start and end of each."""
    first = last = None
    for start_ms in sorted(starts_ms):
        if last is None or first is None or start_ms != last:
            if last is not None and first is not None:
                yield first, last
            first = start_ms
        last = start_ms + QUARTER_MS
    if last is not None and first is not None:
        yield first, last


def ties_of(offer: FlexOffer) -> tuple[str | int | None, ...]:
    """Return what ties an offer to others or to other quarter-hours; `UNTIED` if nothing does."""
    return (offer.linked_to, offer.exclusive_group, offer.longest_s, offer.rest_s,
            offer.call_count)  # fmt: skip


def groups_of(offers: Sequence[FlexOffer]) -> dict[tuple[str, str], list[int]]:
    """Return the offers of each exclusive group; a group is its sender's own."""
    groups: dict[tuple[str, str], list[int]] = {}
    for at, offer in enumerate(offers):
        if offer.exclusive_group is not None:
            groups.setdefault((offer.sender, offer.exclusive_group), []).append(at)
    return groups


def parents_of(offers: Sequence[FlexOffer]) -> dict[int, int | None]:
    """Return, for each linked offer, the one that it is taken together with; None if it is not."""
    known = {offer.mrid: at for at, offer in enumerate(offers)}
    return {
        at: known.get(offer.linked_to)
        for at, offer in enumerate(offers)
        if offer.linked_to is not None
    }


def _sold_twice(offers: Sequence[FlexOffer], at: Integers, start_ms: Integers) -> list[int]:
    """Return the offers of PODs that are taken by more than one in a quarter-hour."""
    numbers: dict[str, int] = {}
    pod = np.array([numbers.setdefault(each.pod.code, len(numbers)) for each in offers])[at]
    order = np.lexsort((start_ms, pod))
    again = (np.diff(pod[order]) == 0) & (np.diff(start_ms[order]) == 0)
    is_twice = np.zeros(len(order), dtype=bool)
    is_twice[:-1] |= again
    is_twice[1:] |= again
    twice: list[int] = at[order][is_twice].tolist()
    return twice


def _with_sold(chosen: Mapping[int, Sequence[int]], sold: Sold) -> dict[int, list[int]]:
    starts = {at: list(given) for at, given in chosen.items()}
    for at, ms in sold.places:
        if at in starts:
            starts[at].append(ms)
    return starts


def _apart_though_tied(
    offers: Sequence[FlexOffer], chosen: Mapping[int, Sequence[int]], sold: Sold
) -> Iterator[int]:
    taken = set(chosen) | {at for at, _ in sold.places}
    for members in groups_of(offers).values():
        if len(taken & set(members)) > 1:
            yield from members
    for child, parent in parents_of(offers).items():
        if child in chosen and parent not in taken:
            yield child
            if parent is not None:
                yield parent
