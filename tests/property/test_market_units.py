"""In whatever units documents tell a market, the same offers are taken."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.header import Buyer
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.market.binding import Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import Demand
from central.market.limits import grid_limits
from central.market.solving import cheapest
from tests.markets import book, request
from tests.outcomes import FIRM, outcome_of, taken_w
from tests.property.test_market import MARKETS, small_markets, two_ways

Made = tuple[list[FlexOffer], list[FlexRequest], dict[int, str]]
PRICES = st.integers(-6, 3).map(lambda power: Fraction(10) ** power)
EFFECTS = st.sampled_from([1, 10, 1_000])


def divisible() -> st.SearchStrategy[Made]:
    """Draw markets of many limits, of offers that may be taken in whatever parts."""
    return MARKETS.map(lambda made: (list(made.offers), list(made.requests), made.nodes))


@st.composite
def whole(draw: st.DrawFn) -> Made:
    """Draw markets of offers that are whole, or in two directions, some of one POD."""
    if draw(st.booleans()):
        return draw(two_ways())
    offers, nodes, need_kw = draw(small_markets())
    needs = {(0, q): kw for q, kw in enumerate(need_kw)}
    return list(offers), [request(10**6, needs, [{"N1": 1.0, "N2": 0.5}], quarters=2)], nodes


@settings(max_examples=50, deadline=None)
@given(divisible(), st.integers(-3, 4).map(lambda power: Fraction(10) ** power), PRICES, EFFECTS)
def test_scaling_units_changes_nothing(
    made: Made, powers: Fraction, prices: Fraction, effects: int
) -> None:
    """W or MW, EUR or micro-euro, nV or µV: what the programme takes is the same to 1e-9.

    Documents round it to whole watts, the same ones in whatever money.
    """
    of, other = _Solved(made), _Solved(made, powers, prices, effects)
    np.testing.assert_allclose(other.wanted_w, of.wanted_w * float(powers), rtol=1e-9, atol=1e-9)
    assert in_money(made, prices, effects) == in_money(made)


@settings(max_examples=50, deadline=None)
@given(whole(), st.integers(0, 4).map(lambda power: Fraction(10) ** power), PRICES, EFFECTS)
def test_whole_offers_cost_the_same_in_whatever_units(
    made: Made, powers: Fraction, prices: Fraction, effects: int
) -> None:
    """With what is short at its cap, to 1e-9; of other offers as dear, others may be taken.

    Documents take the same ones in whatever money. Where watts are small, the one watt that whole
    offers are taken by at least is no unit that could be scaled.
    """
    of, other = _Solved(made), _Solved(made, powers, prices, effects)
    assert other.cost == pytest.approx(of.cost * float(powers * prices), rel=1e-9)
    assert in_money(made, prices, effects) == in_money(made)


def in_money(
    made: Made, prices: Fraction = Fraction(1), effects: int = 1
) -> dict[tuple[str, int], int]:
    """Return what documents take of a market that is told in other money [W]."""
    cap = as_int(FIRM.price_cap_ueur_per_mwh * prices)
    of = told_in(made, Fraction(1), prices, effects)
    return taken_w(outcome_of(of, replace(FIRM, price_cap_ueur_per_mwh=cap)))


def told_in(made: Made, powers: Fraction, prices: Fraction, effects: int) -> Book:
    """Return the book of a market that is told in other units."""
    offers, requests, nodes = made
    return book(
        [in_units(each, powers, prices) for each in offers],
        [wanted_in_units(each, powers, prices, effects) for each in requests], nodes,
    )  # fmt: skip


class _Solved:
    """The programme of the DSO's limits, and what it takes, in parts of a watt."""

    def __init__(
        self, made: Made, powers: Fraction = Fraction(1), prices: Fraction = Fraction(1),
        effects: int = 1,
    ) -> None:  # fmt: skip
        of = told_in(made, powers, prices, effects)
        limits = grid_limits(of.of_buyer(Buyer.DSO), 10**15)
        cap = np.where(limits.need_w > 0, limits.cap_ueur_per_mwh, np.inf)
        self.cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
        self.demand = Demand.of(self.cells, [(limits, limits.need_w, cap)])
        self.wanted_w = cheapest(self.cells, of.offers, self.demand, Sold())

    @property
    def cost(self) -> float:
        """Return what is paid, and what is short at its cap; what must hold does to 1e-9."""
        cells, demand = self.cells, self.demand
        cost = float(cells.parts_w(self.wanted_w) @ cells.price_ueur_per_mwh)
        for ms, effect in demand.effect.items():
            rows, inside = demand.start_ms == ms, cells.start_ms == ms
            short_w = demand.need_w[rows] - effect @ self.wanted_w[inside]
            cap, most_w = demand.cap_ueur_per_mwh[rows], cells.most_w[inside].max()
            held = np.isinf(cap)
            assert (short_w[held] <= 1e-9 * most_w).all()
            cost += float(np.maximum(short_w[~held], 0.0) @ cap[~held])
        return cost


def in_units(one: FlexOffer, powers: Fraction, prices: Fraction) -> FlexOffer:
    """Return an offer told in other units."""
    return replace(one, quarters=tuple(
        replace(each, minimum_w=as_int(each.minimum_w * powers), steps=tuple(
            replace(step, up_to_w=as_int(step.up_to_w * powers),
                    price_ueur_per_mwh=as_int(step.price_ueur_per_mwh * prices))
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
            replace(each, power_w=as_int(each.power_w * powers)) for each in one.quarters
        ),
        violations=tuple(
            replace(each, excess_milli=as_int(each.excess_milli * powers * effects))
            for each in one.violations
        ),
        sensitivities=tuple(
            replace(each, p_nano_per_w=tuple(nano * effects for nano in each.p_nano_per_w))
            for each in one.sensitivities
        ),
        maximum_price_ueur_per_mwh=as_int(one.maximum_price_ueur_per_mwh * prices),
    )


def as_int(number: Fraction) -> int:
    """Return a number that must be whole."""
    assert number.denominator == 1
    return int(number)
