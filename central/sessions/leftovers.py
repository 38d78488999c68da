"""What the day-ahead market has left for real time, rebuilt from documents by whoever has them.

```
 outcomes of the day ─► offers that they name, but for those not admitted
                            │ less what any outcome of these days sold, and what that ties up
                            ▼
                        what lies in the hours, and has not expired; and when it was called before
```

The session and whoever checks it call the same function with the same documents.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from central.calendar import day_interval, day_of
from central.documents.header import Document, Horizon, Reference
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import Award, AwardKind, MarketOutcome, Stage
from central.market import gates
from central.market.binding import keeps_its_times
from central.market.book import reference
from central.market.rounds import leftover
from central.sessions.admitting import NOT_ADMITTED
from ledger.facts.interval import Interval


@dataclass(frozen=True, slots=True)
class Left:
    """What is left.

    Args:
        offers: by mRID, each with its quarter-hours that are still to be had.
        called: quarter-hours in which those were sold before, by mRID, ascending.
        unpublished: day-ahead sessions of these hours of which there is no outcome.
        missing: offers that an outcome names and that are not there.
    """

    offers: tuple[FlexOffer, ...]
    called: Mapping[str, tuple[int, ...]]
    unpublished: tuple[str, ...]
    missing: tuple[Reference, ...]

    @property
    def wanting(self) -> str:
        """Return which offer is not there and is needed, in words; empty if all are."""
        if self.missing:
            first = self.missing[0]
            return f"offer {first.mrid}, revision {first.revision}, is not there"
        return ""


def days_of(interval: Interval) -> Interval:
    """Return the market days that an interval touches, as one."""
    first, last = (day_of(each) for each in (interval.start_ms, interval.end_ms - 1))
    return Interval(day_interval(first).start_ms, day_interval(last).end_ms)


def earlier_outcomes(
    documents: Iterable[Document], session: str, span: Interval, receiver: str
) -> list[MarketOutcome]:
    """Return the final outcomes of other sessions that count in a span, as one receiver has them.

    Hours that sold nothing do not count.

    Args:
        documents: in which they are looked for.
        session: the one whose own outcome is none of them.
        span: that their hours share an instant with.
        receiver: one who is told all: the DSO.
    """
    return [
        each
        for each in documents
        if isinstance(each, MarketOutcome)
        and each.stage is Stage.FINAL
        and each.receiver == receiver
        and each.session != session
        and each.validity.overlaps(span)
        and (each.awards or each.horizon is Horizon.DAY_AHEAD)
    ]


def left_for(
    interval: Interval, outcomes: Sequence[MarketOutcome], offers: Iterable[FlexOffer]
) -> Left:
    """Return what is left for some hours.

    Args:
        interval: of the hours.
        outcomes: of all sessions of their days so far; see `earlier_outcomes`.
        offers: of the day-ahead sessions among them, in all revisions.
    """
    of_the_days = [each for each in outcomes if each.horizon is Horizon.DAY_AHEAD]
    told = {each.session for each in of_the_days}
    there = {reference(each): each for each in offers}
    named = sorted({each for outcome in of_the_days for each in _admitted(outcome)})
    sold = _sold(outcomes)
    left = _untied([there[each] for each in named if each in there], sold)
    for outcome in outcomes:
        left = leftover(left, outcome)
    within = (_within(each, interval) for each in left)
    offers = tuple(each for each in within if each and each.expires_ms > interval.start_ms)
    return Left(
        offers,
        {each.mrid: sold[each.mrid] for each in offers if each.mrid in sold},
        tuple(each for each in _sessions(interval) if each not in told),
        tuple(each for each in named if each not in there),
    )


def sold_for_sure(outcomes: Iterable[MarketOutcome], interval: Interval) -> list[Award]:
    """Return the firm awards of outcomes, each with its quarter-hours in an interval."""
    return [
        replace(award, quarters=quarters)
        for outcome in outcomes
        for award in outcome.awards
        if award.kind is AwardKind.FIRM
        and (
            quarters := tuple(
                each
                for each in award.quarters
                if interval.start_ms <= each.start_ms < interval.end_ms
            )
        )
    ]


def _sold(outcomes: Iterable[MarketOutcome]) -> dict[str, tuple[int, ...]]:
    """Return when each offer was sold, reserve too: it may be called."""
    found: dict[str, set[int]] = {}
    for award in (each for outcome in outcomes for each in outcome.awards):
        found.setdefault(award.offer.mrid, set()).update(each.start_ms for each in award.quarters)
    return {mrid: tuple(sorted(starts)) for mrid, starts in found.items()}


def _untied(offers: Sequence[FlexOffer], sold: Mapping[str, Sequence[int]]) -> list[FlexOffer]:
    """Return offers without those that what was sold rules out.

    Of an exclusive group only the one that was sold is left; what goes only with an offer that
    was sold goes by itself; what was sold against its own times already is not called again.
    """
    chosen: dict[tuple[str, str, str | None], set[str]] = {}
    for each in offers:
        if each.mrid in sold and each.exclusive_group is not None:
            chosen.setdefault(_group(each), set()).add(each.mrid)
    return [
        replace(each, linked_to=None) if each.linked_to in sold else each
        for each in offers
        if chosen.get(_group(each), set()) <= {each.mrid}
        and keeps_its_times(each, sold.get(each.mrid, ()))
    ]


def _group(offer: FlexOffer) -> tuple[str, str, str | None]:
    return offer.session, offer.sender, offer.exclusive_group


def _sessions(interval: Interval) -> list[str]:
    days = dict.fromkeys(day_of(each) for each in (interval.start_ms, interval.end_ms - 1))
    return [gates.day_ahead(each).session for each in days]


def _admitted(outcome: MarketOutcome) -> Iterator[Reference]:
    """Yield the offers that an outcome names and that were in its book."""
    yield from (each.offer for each in outcome.awards)
    yield from (
        each.offer for each in outcome.not_taken if not each.because.startswith(NOT_ADMITTED)
    )


def _within(offer: FlexOffer, interval: Interval) -> FlexOffer | None:
    """Return what of an offer lies in an interval; of a block, all of it or nothing."""
    quarters = tuple(
        each for each in offer.quarters if interval.start_ms <= each.start_ms < interval.end_ms
    )
    is_cut = len(quarters) < len(offer.quarters) and offer.acceptance is Acceptance.BLOCK
    return replace(offer, quarters=quarters) if quarters and not is_cut else None
