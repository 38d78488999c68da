"""The cheapest way: examples whose answer can be told by hand, from books to outcomes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from central.documents.outcome import AwardKind
from central.market.rules import ReserveRule, Rules
from tests.markets import (
    EUR,
    START_MS,
    book,
    curve,
    drawn,
    mrid,
    offer,
    request,
    start_ms,
)
from tests.outcomes import awards_of, market, outcome_of, relief_nano, unmet_w, wanted_nano

CALLED = "it was called before: its calls, rest or longest activation leave no more"
NEED = request(10**6, {(0, 0): 10}, [{"N1": 1.0, "N2": 0.25}])


def test_a_dear_watt_that_helps_is_cheaper_than_a_cheap_one_that_does_not() -> None:
    offers = [offer(1, {0: 40}, 60.0), offer(2, {0: 40}, 20.0)]
    told = outcome_of(book(offers, [NEED], {1: "N1", 2: "N2"}))
    assert awards_of(told) == {1: [10_000]}


def test_ties_go_to_the_earlier_offer_then_to_the_smaller_mrid() -> None:
    first, late, third = (offer(k, {0: 6}, 50.0) for k in (1, 2, 3))
    late = replace(late, created_ms=late.created_ms + 1_000_000)
    third = replace(third, created_ms=first.created_ms)
    told = outcome_of(book([late, third, first], [NEED]))
    assert awards_of(told) == {1: [6_000], 3: [4_000]}


def test_what_is_worth_the_same_is_a_tie_in_whatever_units_prices_are_told() -> None:
    """27.2 at 0.68 and 14 at 0.35 are both 40; in floating point the dearer is less by a bit."""
    need = request(10**6, {(0, 0): 1}, [{"N1": 0.68, "N2": 0.35}])
    for factor in (1.0, 10.0):
        offers = [offer(1, {0: 40}, 27.2 * factor), offer(2, {0: 40}, 14 * factor)]
        told = outcome_of(book(offers, [need], {1: "N1", 2: "N2"}))
        assert list(awards_of(told)) == [2]


def test_a_curve_of_more_than_ten_points_is_taken_step_by_step() -> None:
    steps = curve(*((kw, 10.0 * kw) for kw in range(1, 25)))
    plain = offer(1, {0: 24})
    made = replace(plain, quarters=tuple(replace(each, steps=steps) for each in plain.quarters))
    told = outcome_of(book([made, offer(2, {0: 40}, 85.0)], [NEED]))
    assert awards_of(told) == {1: [8_000], 2: [2_000]}
    (quarter,) = next(each for each in told.awards if each.offer.mrid == mrid(1)).quarters
    assert quarter.price_ueur_per_mwh == 45 * EUR


def test_what_costs_more_than_the_most_that_is_paid_stays_unmet() -> None:
    dear = request(10**6, {(0, 0): 10}, [{"N1": 1.0, "N2": 0.25}], most_eur_per_mwh=100.0)
    offers = [offer(1, {0: 4}, 99.0), offer(2, {0: 40}, 26.0)]
    told = outcome_of(book(offers, [dear], {1: "N1", 2: "N2"}))
    assert awards_of(told) == {1: [4_000]}
    assert unmet_w(told) == {start_ms(0): 6_000}
    (refused,) = told.not_taken
    assert refused.offer.mrid == mrid(2)


def test_where_nothing_can_help_all_is_unmet() -> None:
    told = outcome_of(book([offer(1, {0: 40}, 10.0)], [NEED], "N9"))
    assert not told.awards
    assert unmet_w(told) == {start_ms(0): 10_000}
    assert [each.offer.mrid for each in told.not_taken] == [mrid(1)]


def test_calls_and_rest_and_length_are_kept() -> None:
    asked = request(10**6, {(0, q): 10 for q in range(8)}, [{"N1": 1.0}], quarters=8)
    limited = offer(
        1, dict.fromkeys(range(8), 10), 50.0, quarters=8, longest_s=1_800, rest_s=1_800,
        call_count=2,
    )  # fmt: skip
    told = outcome_of(book([limited], [asked], quarters=8))
    (award,) = told.awards
    used = [(each.start_ms - START_MS) // 900_000 for each in award.quarters]
    runs = np.split(np.array(used), np.flatnonzero(np.diff(used) > 1) + 1)
    assert [len(run) for run in runs] == [2, 2], "two calls of half an hour"
    assert runs[1][0] - runs[0][-1] - 1 >= 2, "half an hour of rest"


@pytest.mark.parametrize(
    ("called", "offered", "terms", "taken"),
    [
        (4, {0, 1, 2, 6, 7}, {"rest_s": 1_800}, {0, 1, 7}),
        (4, {0, 1, 2, 6, 7}, {"call_count": 1}, set()),
        (4, {3, 5, 7}, {"call_count": 1}, {3, 5}),
        (4, {5, 7}, {"longest_s": 900}, {7}),
        (4, {5, 6, 7}, {"longest_s": 1_800, "call_count": 1}, {5}),
    ],
    ids=[
        "rest before and after",
        "no call is left",
        "beside it no new call",
        "not too long",
        "all",
    ],
)
def test_what_was_called_before_counts_for_an_offers_times(
    called: int, offered: set[int], terms: dict[str, Any], taken: set[int]
) -> None:
    asked = request(9, {(0, quarter): 10 for quarter in range(8)}, [{"N1": 1.0}], quarters=8)
    made = offer(1, dict.fromkeys(offered, 10), 50.0, quarters=8, **terms)
    before = {made.mrid: (start_ms(called),)}
    told = outcome_of(replace(book([made], [asked], quarters=8), called=before))
    found = {quarter.start_ms for award in told.awards for quarter in award.quarters}
    assert found == {start_ms(quarter) for quarter in taken}
    assert [each.because for each in told.not_taken] == ([] if taken else [CALLED])


@pytest.mark.parametrize("quarters", [92, 96, 100])
def test_days_of_every_length_are_met_to_the_last_quarter(quarters: int) -> None:
    made = drawn(7, offers=20, quarters=quarters, elements=2, share=0.2)
    of = market(made, quarters)
    told = outcome_of(of)
    (asked,) = made.requests
    relief = relief_nano(of, told, asked)
    wanted = wanted_nano(asked)
    assert not told.unmet
    assert {ms for _, ms in wanted} == {start_ms(q) for q in range(quarters)}
    assert all(relief[key] >= nano for key, nano in wanted.items())


def test_reserve_makes_up_for_the_loss_of_the_largest_offer() -> None:
    offers = [offer(1, {0: 7}, 10.0), offer(2, {0: 3}, 20.0), offer(3, {0: 40}, 90.0)]
    told = outcome_of(book(offers, [NEED]), Rules(reserve=ReserveRule.LARGEST_OFFER))
    assert awards_of(told) == {1: [7_000], 2: [3_000]}
    assert awards_of(told, AwardKind.RESERVE) == {3: [7_000]}


def test_reserve_reaches_the_reliability_that_was_asked_for() -> None:
    offers = [offer(1, {0: 10}, 10.0), *(offer(k, {0: 10}, 80.0 + k) for k in (2, 3, 4))]
    shares = {1: 0.8, 2: 0.5, 3: 0.5, 4: 0.5}
    told = outcome_of(
        book(offers, [NEED], delivered=shares), Rules(reserve=ReserveRule.DELIVERY_HISTORY)
    )
    # 1 - 0.2 × 0.5 = 0.9 is the target: the first of the three suffices.
    assert awards_of(told) == {1: [10_000]}
    assert list(awards_of(told, AwardKind.RESERVE)) == [2]


def test_vars_that_come_and_go_with_watts_count() -> None:
    rows = [replace(each, q_nano_per_var=(500_000, 0)) for each in NEED.sensitivities]
    of = book([offer(1, {0: 20}, 60.0)], [replace(NEED, sensitivities=tuple(rows))])
    assert awards_of(outcome_of(of)) == {1: [10_000]}
    told = replace(of, tan_phi={of.offers[0].pod.code: 0.5})
    assert awards_of(outcome_of(told)) == {1: [8_000]}, "each watt does as much as 1.25"
