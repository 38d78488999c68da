"""The last rounds: nothing new is taken, and what is tied goes with what it is tied to."""

from central.documents.header import Direction
from central.documents.offer import Acceptance
from central.market.book import Book
from central.market.clearing import Clearing, clear, closed
from central.market.reasons import Reasons
from central.market.rules import Pricing, ReserveRule, Rules
from tests.books import at, book, line_request, mrid, offer, tso_request

RULES = Rules(reserve=ReserveRule.NONE)


def taken(clearing: Clearing) -> dict[tuple[int, int], int]:
    """Return watts by offer and quarter."""
    first = clearing.book.interval.start_ms
    return {
        (take.offer, (take.start_ms - first) // 900_000): take.power_w for take in clearing.takes
    }


def lowered(of: Book, ceilings: dict[tuple[int, int], int]) -> Clearing:
    """Return the clearing of a book after the grid bears less, by offer and quarter."""
    given = {(of.offers[n].mrid, at(quarter)): w for (n, quarter), w in ceilings.items()}
    return closed(clear(of, RULES), given)


def test_nobody_takes_the_place_of_what_is_cut_and_that_is_told() -> None:
    of = book([offer(0, 100), offer(3, 110), offer(6, 300)], [line_request({0: 1_500})])
    assert taken(clear(of, RULES)) == {(0, 0): 1_000, (1, 0): 500}
    found = lowered(of, {(0, 0): 400})
    assert taken(found) == {(0, 0): 400, (1, 0): 500}
    assert [each.power_w for each in found.missing] == [600]
    assert "nobody takes the place" in Reasons(found).why_not(2)
    assert taken(clear(of, RULES, found.ceilings)) != taken(found)


def test_nothing_cut_is_the_same_again_with_the_same_prices() -> None:
    of = book([offer(0, [(500, 80), (900, 95)]), offer(3, 110)], [line_request({0: 1_500})])
    for pricing in Pricing:
        before = clear(of, Rules(reserve=ReserveRule.NONE, pricing=pricing))
        again = closed(before, {})
        assert again.takes == before.takes
        assert again.missing == before.missing


def test_a_curve_is_paid_what_is_left_of_it() -> None:
    of = book([offer(0, [(500, 80), (900, 95)])], [line_request({0: 900})])
    (take,) = lowered(of, {(0, 0): 400}).takes
    assert (take.power_w, take.price_ueur_per_mwh) == (400, 80_000_000)


def test_what_has_too_little_left_for_its_minimum_goes() -> None:
    of = book([offer(0, 100, minimum_w=500), offer(3, 110)], [line_request({0: 1_500})])
    assert taken(lowered(of, {(0, 0): 499})) == {(1, 0): 500}
    assert taken(lowered(of, {(0, 0): 500})) == {(0, 0): 500, (1, 0): 500}


def test_a_block_goes_whole_when_an_hour_of_it_becomes_less() -> None:
    block = offer(0, 100, quarters=(0, 1), acceptance=Acceptance.BLOCK)
    of = book([block, offer(3, 110, quarters=(0, 1))], [line_request({0: 1_500, 1: 1_500})])
    assert taken(lowered(of, {(0, 1): 900})) == {(1, 0): 500, (1, 1): 500}


def test_what_was_linked_goes_with_its_offer() -> None:
    of = book(
        [offer(0, 100), offer(3, 90, linked_to=mrid(0))], [line_request({0: 2_000})]
    )  # fmt: skip
    assert taken(clear(of, RULES)) == {(0, 0): 1_000, (1, 0): 1_000}
    assert taken(lowered(of, {(0, 0): 0})) == {}
    assert taken(lowered(of, {(1, 0): 0})) == {(0, 0): 1_000}


def test_a_call_is_not_torn_into_two() -> None:
    once = offer(0, 100, quarters=(0, 1, 2), call_count=1)
    of = book([once], [line_request({0: 1_000, 1: 1_000, 2: 1_000})])
    assert taken(lowered(of, {(0, 1): 0})) == {}
    assert taken(lowered(of, {(0, 2): 0})) == {(0, 0): 1_000, (0, 1): 1_000}


def test_what_only_fitted_beside_what_is_cut_goes_too() -> None:
    """The TSO's DOWN rests on an UP that brought more than the DSO needs."""
    lumpy = offer(0, 100, 1_500, minimum_w=1_500)
    down = offer(6, 50, 400, direction=Direction.DOWN)
    of = book(
        [lumpy, down], [line_request({0: 1_000}), tso_request({0: 400}, direction=Direction.DOWN)]
    )
    assert taken(clear(of, RULES)) == {(0, 0): 1_500, (1, 0): 400}
    assert taken(lowered(of, {})) == {(0, 0): 1_500, (1, 0): 400}
    assert taken(lowered(of, {(0, 0): 0})) == {}
