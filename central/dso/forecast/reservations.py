"""What a forecast rests on and lacks, in words: new points of delivery, gaps, weather, imports."""

from collections.abc import Iterator

import numpy as np

from central.dso.forecast.features import Shared
from central.dso.forecast.history import Booleans, Customers, History, Origin, Past
from central.dso.forecast.result import Note, Reason
from central.dso.forecast.weather import Weather, told_utc
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS


def refuse_other_customers(history: History, customers: Customers) -> None:
    """Refuse customers who are not those of the history.

    Raises:
        Rejected: their number differs.
    """
    if len(customers.group) != len(history.pods):
        raise Rejected(
            f"{len(customers.group)} customers for a history of {len(history.pods)} PODs",
            where="customers",
            remedy="give contract and group of each POD of the history, in its order",
            reason="customers_differ",
        )


def reservations(
    past: Past, new: Booleans, weather: Weather | None, shared: Shared
) -> Iterator[Note]:
    """Yield what a reader must know of a forecast; `new` PODs are those without a past."""
    if new.any():
        said = f"{new.sum()} PODs are new: forecast like their group, scaled by their contract"
        yield _about(Reason.COLD_START, said, past, new)
    holed = (past.missing > 0) & ~new
    if holed.any():
        total = past.missing[holed].sum()
        said = f"{holed.sum()} PODs lack {total} quarters of the past, which are not guessed"
        yield _about(Reason.GAPS, said, past, holed)
    if imported := int(past.totals[Origin.IMPORTED]):
        yield Note(Reason.IMPORTED, f"{imported} quarters are imported, and nobody certifies them")
    if weather is None:
        yield Note(Reason.NO_WEATHER, "no weather was given")
    elif shared.lacking:
        yield Note(Reason.NO_WEATHER, f"the weather given is not used: {shared.lacking}")
    if weather is not None:
        yield from _weather_gaps(weather, past)


def silent(last: Past, new: Booleans) -> Iterator[Note]:
    """Yield the PODs of whose last quarters nothing is known."""
    quarters = last.interval.duration_ms // QUARTER_MS
    which = (last.missing == quarters) & ~new
    if which.any():
        said = f"{which.sum()} PODs said nothing in {quarters} quarters: as forecast a day ahead"
        yield _about(Reason.NOTHING_RECENT, said, last, which)


def _weather_gaps(weather: Weather, past: Past) -> Iterator[Note]:
    """Yield that words of the service, known by then and about these days, have holes."""
    looked_at = past.interval
    holes = [
        hole
        for hole in weather.holes
        if hole.issued_ms <= looked_at.end_ms and hole.interval.end_ms > looked_at.start_ms
    ]
    if holes:
        quarters = sum(hole.interval.duration_ms for hole in holes) // QUARTER_MS
        first, words = holes[0], len({hole.issued_ms for hole in holes})
        begin, end = told_utc(first.interval.start_ms), told_utc(first.interval.end_ms)
        yield Note(
            Reason.WEATHER_GAPS,
            f"{words} issues of the weather lack {quarters} quarters, first that of "
            f"{told_utc(first.issued_ms)} from {begin} to {end}: what was said before counts "
            "there, if anything was",
        )


def _about(reason: Reason, said: str, past: Past, which: Booleans) -> Note:
    pods = tuple(past.history.pods[number] for number in np.flatnonzero(which))
    return Note(reason, said, pods, tuple(past.missing[which].tolist()))
