"""In whatever units documents tell a market, the same offers are taken."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.header import Buyer
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.market.binding import Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import Demand
from central.market.limits import Floats, grid_limits
from central.market.solving import cheapest
from tests.markets import book, request
from tests.outcomes import FIRM, outcome_of, taken_w
from tests.property.test_market import MARKETS, small_markets, two_ways


@st.composite
def in_all_units(draw: st.DrawFn) -> tuple[list[FlexOffer], list[FlexRequest], dict[int, str]]:
    """Draw a market of any kind: many limits, whole offers, or two ways and a TSO."""
    kind = draw(st.sampled_from(["divisible", "whole", "two ways"]))
    if kind == "divisible":
        made = draw(MARKETS)
        return list(made.offers), list(made.requests), made.nodes
    if kind == "two ways":
        return draw(two_ways())
    offers, nodes, need_kw = draw(small_markets())
    asked = request(
        10**6, {(0, q): kw for q, kw in enumerate(need_kw)}, [{"N1": 1.0, "N2": 0.5}], quarters=2
    )
    return list(offers), [asked], nodes


@settings(max_examples=100, deadline=None)
@given(
    in_all_units(),
    st.integers(-3, 4).map(lambda power: Fraction(10) ** power),
    st.integers(-6, 3).map(lambda power: Fraction(10) ** power),
    st.sampled_from([1, 10, 1_000]),
)
def test_scaling_units_changes_nothing(
    made: tuple[list[FlexOffer], list[FlexRequest], dict[int, str]],
    powers: Fraction, prices: Fraction, effects: int,
) -> None:  # fmt: skip
    """W or MW, EUR or micro-euro, nV or µV: what the programme takes is the same to 1e-9.

    Documents round it to whole watts, the same ones in whatever money.
    """
    offers, requests, nodes = made

    def told_in(powers: Fraction, prices: Fraction, effects: int) -> Book:
        return book(
            [in_units(each, powers, prices) for each in offers],
            [wanted_in_units(each, powers, prices, effects) for each in requests], nodes,
        )  # fmt: skip

    of, other = told_in(Fraction(1), Fraction(1), 1), told_in(powers, prices, effects)
    # Who is taken so that another can be is taken by a watt, in whatever units.
    watt_w = max(float(powers), 1.0) * 3 * any(each.linked_to for each in offers)
    np.testing.assert_allclose(
        wanted_w(other), wanted_w(of) * float(powers), rtol=1e-9, atol=watt_w + 1e-9
    )
    dear = replace(FIRM, price_cap_ueur_per_mwh=whole(FIRM.price_cap_ueur_per_mwh * prices))
    assert taken_w(outcome_of(told_in(Fraction(1), prices, effects), dear)) == taken_w(
        outcome_of(of)
    )


def wanted_w(of: Book) -> Floats:
    """Return what the programme of the DSO's limits takes, in parts of a watt."""
    limits = grid_limits(of.of_buyer(Buyer.DSO), 10**15)
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    cap = np.where(limits.need_w > 0, limits.cap_ueur_per_mwh, np.inf)
    demand = Demand.of(cells, [(limits, limits.need_w, cap)])
    return cheapest(cells, of.offers, demand, Sold())


def in_units(one: FlexOffer, powers: Fraction, prices: Fraction) -> FlexOffer:
    """Return an offer told in other units."""
    return replace(one, quarters=tuple(
        replace(each, minimum_w=whole(each.minimum_w * powers), steps=tuple(
            replace(step, up_to_w=whole(step.up_to_w * powers),
                    price_ueur_per_mwh=whole(step.price_ueur_per_mwh * prices))
            for step in each.steps
        )) for each in one.quarters
    ))  # fmt: skip


def wanted_in_units(
    one: FlexRequest, powers: Fraction, prices: Fraction, effects: int
) -> FlexRequest:
    """Return a request told in other units."""
    return replace(
        one,
        quarters=tuple(
            replace(each, power_w=whole(each.power_w * powers)) for each in one.quarters
        ),
        violations=tuple(
            replace(each, excess_milli=whole(each.excess_milli * powers * effects))
            for each in one.violations
        ),
        sensitivities=tuple(
            replace(each, p_nano_per_w=tuple(nano * effects for nano in each.p_nano_per_w))
            for each in one.sensitivities
        ),
        maximum_price_ueur_per_mwh=whole(one.maximum_price_ueur_per_mwh * prices),
    )


def whole(number: Fraction) -> int:
    """Return a number that must be whole."""
    assert number.denominator == 1
    return int(number)
