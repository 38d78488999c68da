"""Zones clear by themselves, side by side: what a primary substation feeds helps no other.

A link or an exclusive group reaches no further than its zone: an offer that goes only with one
of another zone is not taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from central.computing import Compute
from central.documents.offer import FlexOffer
from central.market.book import Book
from central.market.cells import Ceilings
from central.market.clearing import Clearing, clear
from central.market.rules import Rules


def books_of(book: Book) -> dict[str, Book]:
    """Return the book of each zone that has a request, by its primary substation."""
    zones: dict[str, list[int]] = {each.primary_substation: [] for each in book.requests}
    for position, offer in enumerate(book.offers):
        if (zone := book.zone_of(offer)) in zones:
            zones[zone].append(position)
    return {
        zone: replace(
            book,
            offers=(offers := tuple(book.offers[at] for at in inside)),
            requests=tuple(each for each in book.requests if each.primary_substation == zone),
            nodes={each.pod.code: book.nodes[each.pod.code] for each in offers},
            zones={node: of for node, of in book.zones.items() if of == zone},
            delivered=_of_pods(book.delivered, offers),
            tan_phi=_of_pods(book.tan_phi, offers),
        )
        for zone, inside in sorted(zones.items())
    }


def _of_pods(values: Mapping[str, float], offers: Sequence[FlexOffer]) -> dict[str, float]:
    codes = [each.pod.code for each in offers]
    return {code: values[code] for code in codes if code in values}


def clear_zones(
    book: Book, rules: Rules, compute: Compute, ceilings: Ceilings | None = None
) -> Iterator[tuple[str, Clearing]]:
    """Yield each zone that has a request, and what came of it, in the order of their names.

    Args:
        book: of one session, of any number of zones.
        rules: by which they clear.
        compute: where zones are worked.
        ceilings: as `clear` takes them.

    Raises:
        InvariantBroken: the solver gave up.
        Unavailable: a worker died.
    """
    books = books_of(book)
    tasks = [(each, rules, _own(each, ceilings or {})) for each in books.values()]
    return zip(books, compute.each(_cleared, tasks), strict=True)


def _own(book: Book, ceilings: Ceilings) -> Ceilings:
    names = {offer.mrid for offer in book.offers} if ceilings else set()
    return {place: most_w for place, most_w in ceilings.items() if place[0] in names}


def _cleared(task: tuple[Book, Rules, Ceilings]) -> Clearing:
    return clear(*task)
