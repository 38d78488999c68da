"""Zones clear by themselves, and the same on every engine."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from central.computing import Opened, here, pool
from central.market.book import Book
from central.market.clearing import clear
from central.market.rules import ReserveRule, Rules
from central.market.zones import books_of, clear_zones
from tests.markets import book, mrid, offer, request

RULES = Rules(reserve=ReserveRule.NONE)
NORTH, SOUTH = "CP Nord", "CP Sud"


def two_zones() -> Book:
    """Return a book of two zones, and of a third in which nobody asks."""
    offers = [offer(k, {0: 10}, 10.0 * k) for k in range(1, 8)]
    nodes = {1: "N1", 2: "S1", 3: "N1", 4: "S1", 5: "N2", 6: "E1", 7: "S1"}
    asked = [
        replace(request(10**6, {(0, 0): 25}, [{"N1": 1.0, "N2": 0.5}]), primary_substation=NORTH),
        replace(request(10**6 + 1, {(0, 0): 15}, [{"S1": 1.0}]), primary_substation=SOUTH),
    ]
    zones = {"N1": NORTH, "N2": NORTH, "S1": SOUTH, "E1": "CP Est"}
    return replace(book(offers, asked, nodes, delivered={1: 0.5, 2: 0.7}), zones=zones)


@pytest.mark.parametrize("engine", [here.opened, lambda: pool.opened(2)])
def test_each_zone_takes_its_own_offers(engine: Callable[[], Opened]) -> None:
    with engine() as compute:
        found = list(clear_zones(two_zones(), RULES, compute))
    assert [zone for zone, _ in found] == [NORTH, SOUTH]
    powers = {
        zone: {int(each.book.offers[t.offer].pod.code[6:]): t.power_w for t in each.takes}
        for zone, each in found
    }
    assert powers == {NORTH: {1: 10_000, 3: 10_000, 5: 10_000}, SOUTH: {2: 10_000, 4: 5_000}}
    assert all(not each.missing for _, each in found)


def test_a_zones_book_holds_what_is_its_own() -> None:
    books = books_of(two_zones())
    assert {zone: [each.mrid for each in of.offers] for zone, of in books.items()} == {
        NORTH: [mrid(1), mrid(3), mrid(5)], SOUTH: [mrid(2), mrid(4), mrid(7)],
    }  # fmt: skip
    assert set(books[NORTH].zones) == {"N1", "N2"}
    assert list(books[SOUTH].delivered.values()) == [0.7]


def test_ceilings_reach_the_zone_of_their_offer() -> None:
    of = two_zones()
    start_ms = of.interval.start_ms
    with here.opened() as compute:
        found = dict(clear_zones(of, RULES, compute, {(mrid(2), start_ms): 3_000}))
    assert [take.power_w for take in found[SOUTH].takes] == [3_000, 10_000, 2_000]
    assert (
        found[SOUTH].takes == clear(books_of(of)[SOUTH], RULES, {(mrid(2), start_ms): 3_000}).takes
    )
