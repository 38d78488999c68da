"""Whole watts: what is met in parts of a watt is met in whole ones, and no limit pays for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.elements import Bound
from central.documents.offer import FlexOffer
from central.documents.outcome import MarketOutcome
from central.documents.request import FlexRequest
from central.market.binding import Sold
from central.market.book import Book
from central.market.cells import Cells
from central.market.demand import effects
from central.market.limits import grid_limits
from central.market.rounding import whole_w
from central.market.rules import ReserveRule, Rules
from tests.markets import book, offer, request, start_ms
from tests.outcomes import awards_of, outcome_of, relief_nano, unmet_w, wanted_nano

RESERVE = Rules(reserve=ReserveRule.LARGEST_OFFER)
Effects = Sequence[Mapping[str, float]]


def asking(need_kw: int, effects: Effects, most_eur_per_mwh: float = 1_000.0) -> FlexRequest:
    """Return a request for the first limit; the others are told and must not become worse."""
    return request(
        10**6, {(0, 0): need_kw},
        [{"best": 0.0 if place else 1.0, **each} for place, each in enumerate(effects)],
        bounds=(Bound.LINE,) * len(effects), quarters=1, most_eur_per_mwh=most_eur_per_mwh,
        watched=[(place, 0) for place in range(1, len(effects))],
    )  # fmt: skip


def offered(*kw_and_eur: tuple[int, float]) -> list[FlexOffer]:
    return [
        offer(number, {0: kw}, eur, quarters=1) for number, (kw, eur) in enumerate(kw_and_eur, 1)
    ]


def market(offers: Sequence[FlexOffer], asked: FlexRequest) -> Book:
    return book(offers, [asked], {n: f"N{n}" for n in range(1, len(offers) + 1)}, quarters=1)


def held(of: Book, told: MarketOutcome, asked: FlexRequest) -> None:
    """Check that what is told as unmet is all that is, and that no limit became worse."""
    relief, missing_w = relief_nano(of, told, asked), unmet_w(told)[start_ms(0)]
    for (place, ms), wanted in wanted_nano(asked).items():
        lacking = missing_w * 1_000_000 if place == 0 else 0
        assert relief[place, ms] + lacking >= wanted


@pytest.mark.parametrize(
    ("need_kw", "effects", "prices", "taken"),
    [
        # Rounding the first one up is borne: what the second one does for the limit is rounded too.
        (10, [{"N1": 0.7}, {"N1": -0.1, "N2": 1.0}], [(20, 50), (20, 60)], [14_286, 1_429]),
        # Each harms a limit that the other one helps.
        (17, [{"N1": 0.846, "N2": 0.592}, {"N1": -0.231, "N2": 0.89},
              {"N1": 0.649, "N2": -0.216}], [(22, 160), (28, 190)], [17_006, 4_414]),
    ],
)  # fmt: skip
def test_what_could_be_met_is_not_told_as_a_watt_unmet(
    need_kw: int, effects: Effects, prices: list[tuple[int, float]], taken: list[int]
) -> None:
    asked = asking(need_kw, effects)
    of = market(offered(*prices), asked)
    told = outcome_of(of)
    assert [awards_of(told)[number][0] for number in (1, 2)] == taken
    assert not told.unmet
    held(of, told, asked)


def test_a_watt_that_must_go_is_made_up_for_by_another_offer() -> None:
    """The third offer is all that holds the second limit: the first may move 6666.67 W."""
    asked = asking(10, [{"N1": 0.7, "N2": 0.5}, {"N1": -0.15, "N3": 1.0}])
    of = market(offered((20, 10), (20, 50), (1, 10)), asked)
    told = outcome_of(of)
    assert awards_of(told) == {1: [6_666], 2: [10_668], 3: [1_000]}
    assert not told.unmet
    held(of, told, asked)


def test_what_nobody_else_can_make_up_for_is_unmet_by_a_watt() -> None:
    asked = asking(10, [{"N1": 0.7, "N2": 0.5}, {"N1": -0.15, "N3": 1.0}])
    of = market([*offered((20, 10)), offer(2, {0: 5}, 50.0, quarters=1),
                 offer(3, {0: 1}, 10.0, quarters=1)], asked)  # fmt: skip
    told = outcome_of(of)
    assert unmet_w(told)[start_ms(0)] == 2_834, "10000 - 0.7 * 6666 - 0.5 * 5000, in whole watts"
    held(of, told, asked)


def test_a_dearer_watt_than_is_paid_makes_up_for_nothing() -> None:
    asked = asking(
        10, [{"N1": 0.7, "N2": 0.5}, {"N1": -0.15, "N3": 1.0}], most_eur_per_mwh=90.0
    )  # fmt: skip
    of = market(offered((20, 10), (20, 50), (1, 10)), asked)
    told = outcome_of(of)
    assert awards_of(told) == {1: [6_666], 3: [1_000]}
    held(of, told, asked)


def test_a_watt_less_of_what_harms_another_need_is_found() -> None:
    """Each offer helps a need that the other one harms: rounding both up leaves one short."""
    effects = [{"N0": 0.185, "N1": 0.692, "N2": 0.32, "best": 1.0},
               {"N0": 0.3, "N1": -0.307, "N2": 0.4, "best": 1.0}]  # fmt: skip
    asked = request(
        10**6, {(0, 0): 5, (1, 0): 3}, effects, quarters=1, most_eur_per_mwh=785.0
    )  # fmt: skip
    asked = replace(asked, violations=tuple(
        replace(each, excess_milli=excess_milli)
        for each, excess_milli in zip(asked.violations, (4_697, 2_685), strict=True)
    ))  # fmt: skip
    made = [offer(k, {0: 1}, eur, quarters=1) for k, eur in enumerate((370, 90, 110, 130), 1)]
    most_w = 18_093, 4_389, 2_811, 212
    offers = [replace(each, quarters=(replace(
        each.quarters[0], minimum_w=56 if each is made[3] else 0,
        steps=(replace(each.quarters[0].steps[0], up_to_w=up_to_w),),
    ),)) for each, up_to_w in zip(made, most_w, strict=True)]  # fmt: skip
    of = book(offers, [asked], {1: "N2", 2: "N0", 3: "N1", 4: "N1"}, quarters=1)
    told = outcome_of(of)
    assert not told.unmet
    relief = relief_nano(of, told, asked)
    assert all(relief[key] >= wanted for key, wanted in wanted_nano(asked).items())


SHARES = st.integers(-600, 900).map(lambda each: each / 1_000)


@settings(max_examples=80, deadline=None)
@given(
    need_kw=st.integers(5, 20),
    helps=st.lists(st.integers(100, 990).map(lambda each: each / 1_000), min_size=2, max_size=4),
    others=st.lists(st.lists(SHARES, min_size=4, max_size=4), min_size=1, max_size=2),
    made=st.lists(st.tuples(st.integers(5, 30), st.integers(2, 20)), min_size=4, max_size=4),
    rules=st.sampled_from([Rules(reserve=ReserveRule.NONE), RESERVE]),
)
def test_no_limit_becomes_worse_by_whole_watts(
    need_kw: int, helps: list[float], others: list[list[float]],
    made: list[tuple[int, int]], rules: Rules,
) -> None:  # fmt: skip
    count = len(helps)
    effects = [
        {f"N{number}": share for number, share in enumerate(each[:count], 1)}
        for each in [helps, *others]
    ]
    asked = asking(need_kw, effects)
    of = market(offered(*((kw, eur * 10.0) for kw, eur in made[:count])), asked)
    held(of, outcome_of(of, rules), asked)


@pytest.mark.parametrize(
    ("terms", "taken"),
    [({}, [0, 102]), ({"rest_s": 1_800}, [1, 100]), ({"call_count": 1}, [1, 100])],
    ids=["untied", "rest", "calls"],
)
def test_the_last_watt_that_makes_one_activation_of_two_is_not_taken_away(
    terms: dict[str, Any], taken: list[int]
) -> None:
    """The first does more harm to the second limit; a watt of it is what others rest on."""
    asked = asking(1, [{"N1": 1.0, "N2": 1.0}, {"N1": -0.9, "N2": -0.5}])
    of = market([offer(1, {0: 1}, quarters=1, **terms), offer(2, {0: 1}, quarters=1)], asked)
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    limits = grid_limits(of.requests, 10**9)
    wanted_w = np.array([0.99, 100.5])
    effect = effects(limits, cells, start_ms(0), np.ones(2, dtype=bool))
    needs = limits, effect @ wanted_w, np.array([1e9, np.inf])
    assert whole_w(cells, of.offers, wanted_w, [needs], Sold()).tolist() == taken


def test_of_watts_that_are_worth_the_same_one_of_the_first_makes_up() -> None:
    """12 at 0.4 and 16.2 at 0.54 are both 30; in floating point the second is less by a bit."""
    asked = asking(1, [{"N1": 0.7, "N2": 0.4, "N3": 0.54}, {"N1": -0.15, "far": 1.0}])
    of = market(offered((20, 10), (20, 12), (20, 16.2)), asked)
    cells = Cells.of(of.offers, of.nodes, of.tan_phi, {})
    wanted_w = np.array([6_666.6, 0.0, 0.0])
    needs = grid_limits(of.requests, 10**9), np.array([4_666.62, -1_000.0]), np.array([1e9, np.inf])
    assert whole_w(cells, of.offers, wanted_w, [needs], Sold()).tolist() == [6_666, 2, 0]
