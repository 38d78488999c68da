"""Who came first: what a programme found of equal offers goes to the first of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from central.documents.elements import Bound
from central.documents.header import Buyer
from central.documents.offer import Acceptance, FlexOffer
from central.market.binding import Place, Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import Demand
from central.market.limits import Floats, grid_limits
from central.market.precedence import in_turn
from central.market.rounding import whole_w
from central.market.solving import cheapest
from tests.markets import KW, book, curve, offer, request, start_ms
from tests.outcomes import awards_of, outcome_of

BLOCK: dict[str, Any] = {"acceptance": Acceptance.BLOCK}


def in_turn_kw(
    offers: Sequence[FlexOffer], found_kw: Sequence[Sequence[float]], sold: Sold | None = None
) -> list[list[float]]:
    """Return what each offer is given of what was found, by quarter-hour [kW]."""
    of = book(offers, [])
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    quarter = (cells.start_ms - start_ms(0)) // (start_ms(1) - start_ms(0))
    found_w = np.array(found_kw, dtype=float)[cells.offer, quarter] * KW
    everywhere = np.ones(len(cells), dtype=bool)
    turned_w = in_turn(cells, of.offers, found_w, sold or Sold(), everywhere)
    given = np.zeros((len(offers), len(found_kw[0])))
    given[cells.offer, quarter] = turned_w / KW
    return given.tolist()


def test_what_is_divisible_is_filled_by_the_book_whatever_its_width() -> None:
    offers = [offer(1, {0: 4}), offer(2, {0: 9}), offer(3, {0: 2}, 90.0)]
    assert in_turn_kw(offers, [[1], [5], [2]]) == [[4], [2], [2]]


def test_each_step_of_a_curve_is_filled_by_itself() -> None:
    steps = curve((2, 50.0), (6, 60.0))
    offers = [
        replace(each, quarters=(replace(each.quarters[0], steps=steps),))
        for each in (offer(1, {0: 6}), offer(2, {0: 6}))
    ]
    assert in_turn_kw(offers, [[2], [5]]) == [[5], [2]]


def test_of_equal_minima_the_first_has_most_and_none_has_too_little() -> None:
    offers = [offer(k, {0: 9}, least_kw=4) for k in (1, 2, 3)]
    assert in_turn_kw(offers, [[0], [5], [9]]) == [[9], [5], [0]]


def test_of_equal_offers_of_a_pod_the_first_is_sold_and_other_pods_stay() -> None:
    offers = [offer(1, {0: 5}, of=1), offer(2, {0: 5}, of=1), offer(3, {0: 5}, of=2),
              offer(4, {0: 5}, of=2), offer(5, {0: 5})]  # fmt: skip
    found = [[0], [3], [0], [0], [5]]
    assert in_turn_kw(offers, found) == [[3], [0], [0], [0], [5]]


@pytest.mark.parametrize(
    "terms",
    [BLOCK, {"rest_s": 1_800}, {"call_count": 1}, {"longest_s": 900}, {"exclusive_group": "G"}],
    ids=str,
)
def test_tied_offers_change_hands_as_a_whole(terms: dict[str, Any]) -> None:
    offers = [offer(k, {0: 5, 1: 5}, least_kw=1, **terms) for k in (1, 2)]
    assert in_turn_kw(offers, [[5, 0], [2, 4]]) == [[2, 4], [5, 0]]
    assert in_turn_kw(offers, [[4, 2], [1, 5]]) == [[4, 2], [1, 5]], "as much energy"


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "acceptance": (BLOCK, {"call_count": 2}),
    "times": ({"rest_s": 900}, {"rest_s": 1_800}),
    "group": ({"exclusive_group": "G"}, {"exclusive_group": "H"}),
    "sender": ({"exclusive_group": "G"}, {"exclusive_group": "G", "sender": "another"}),
    "minimum": (BLOCK, BLOCK | {"least_kw": 1}),
    "price": (BLOCK, BLOCK | {"eur_per_mwh": 99.0}),
    "price, loose": ({"least_kw": 1}, {"least_kw": 1, "eur_per_mwh": 99.0}),
}


@pytest.mark.parametrize("terms", OTHERS.values(), ids=OTHERS)
def test_offers_that_clearing_can_tell_apart_stay(
    terms: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    offers = [offer(k, {0: 5}, **each) for k, each in enumerate(terms, 1)]
    assert in_turn_kw(offers, [[0], [5]]) == [[0], [5]]


def test_steps_of_one_worth_are_not_one_curve() -> None:
    """4 kW at 50 and 2 at 80 are worth as much as 4 at 60 and 2 at 60."""
    offers = [
        replace(each, quarters=(replace(each.quarters[0], steps=steps),))
        for each, steps in (
            (offer(1, {0: 6}, least_kw=1), curve((4, 50.0), (6, 80.0))),
            (offer(2, {0: 6}, least_kw=1), curve((4, 60.0), (6, 60.0))),
        )
    ]
    assert in_turn_kw(offers, [[1], [6]]) == [[1], [6]]


def test_what_others_are_linked_to_stays() -> None:
    first, parent = (offer(k, {0: 5}, least_kw=1) for k in (1, 2))
    child = offer(3, {0: 5}, linked_to=parent.mrid)
    assert in_turn_kw([first, parent, child], [[0], [2], [5]]) == [[0], [2], [5]]


def test_what_is_sold_in_part_stays() -> None:
    offers = [offer(k, {0: 5, 1: 5}, call_count=1) for k in (1, 2)]
    gone: Place = (0, start_ms(2))
    for sold in (Sold({gone: 5.0}), Sold(before=frozenset({gone}))):
        assert in_turn_kw(offers, [[0, 0], [5, 5]], sold) == [[0, 0], [5, 5]]


# ── as integers find it ─────────────────────────────────────────────────────────────────────


def of_one_pod(power_kw: int) -> Book:
    """Return two equal offers of a POD, where the second quarter-hour asks for both."""
    asked = request(
        10**6, {(0, 0): power_kw, (0, 1): 2 * power_kw}, [{"N0": 1.0}, {"N0": 0.0}],
        bounds=(Bound.LINE, Bound.OVERVOLTAGE), quarters=2, watched=[(1, 0), (1, 1)],
    )  # fmt: skip
    offers = [offer(k, dict.fromkeys(range(2), power_kw), 10.0, of=1, quarters=2) for k in (11, 12)]
    return book(offers, [asked], "N0", quarters=2)


@pytest.mark.parametrize("power_kw", [1, 10, 100])
def test_whole_offers_are_taken_by_the_book_in_whatever_units(power_kw: int) -> None:
    of = of_one_pod(power_kw)
    assert awards_of(outcome_of(of)) == {11: [power_kw * KW] * 2}
    limits = grid_limits(of.of_buyer(Buyer.DSO), 10**15)
    cap = np.where(limits.need_w > 0, limits.cap_ueur_per_mwh, np.inf)
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    demand = Demand.of(cells, [(limits, limits.need_w, cap)])
    wanted_w = cheapest(cells, of.offers, demand, Sold())
    np.testing.assert_allclose(wanted_w, np.array([1, 0, 1, 0]) * power_kw * KW, rtol=1e-9)


def test_a_watt_that_must_go_goes_from_the_last_of_equals() -> None:
    """The block's half watt is a whole one, which leaves a limit short that must hold."""
    offers = [offer(k, {0: 1}, quarters=1) for k in (1, 2)]
    offers.append(offer(3, {0: 1}, quarters=1, **BLOCK))
    asked = request(9, {(0, 0): 3}, [{"N1": 1.0}, {"N1": -1.0}], quarters=1, watched=[(1, 0)])
    of = book(offers, [asked], quarters=1)
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    wanted_w: Floats = np.array([1_000.0, 1_000.0, 0.5])
    limits = grid_limits(of.requests, 10**9)
    needs = limits, np.array([2_000.0, -2_000.5]), np.array([1e9, np.inf])
    assert whole_w(cells, of.offers, wanted_w, [needs], Sold()).tolist() == [1_000, 999, 1]
