"""On any market: nothing cheaper would do, nobody is sold twice, no limit pays for another."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.documents.elements import Bound
from central.documents.encoding import encode
from central.documents.header import Buyer, Direction
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter
from central.documents.outcome import Award, AwardKind
from central.documents.request import FlexRequest
from central.market.book import Book
from central.market.clearing import clear
from central.market.rules import Pricing, ReserveRule, Rules
from tests.exhaustive import bid_ueur_w_per_mwh, least_cost_ueur_w_per_mwh
from tests.markets import (
    EUR,
    KW,
    Drawn,
    book,
    curve,
    drawn,
    mrid,
    need_of_tso,
    offer,
    request,
    start_ms,
)
from tests.outcomes import (
    FIRM,
    asked_ueur_w_per_mwh,
    market,
    outcome_of,
    relief_nano,
    taken_w,
    unmet_w,
    wanted_nano,
)

# ---------------------------------------------------------------------------------------------
# What the exact optimum is
# ---------------------------------------------------------------------------------------------


@st.composite
def small_markets(draw: st.DrawFn) -> tuple[tuple[FlexOffer, ...], dict[int, str], list[int]]:
    """Draw four offers with everything an offer can say, and the need of two quarters."""
    made: list[FlexOffer] = []
    nodes: dict[int, str] = {}
    # Where offers are linked, nobody is taken by a single watt so that another can be.
    is_linked = draw(st.booleans())
    for k in range(1, draw(st.integers(1, 4)) + 1):
        nodes[k] = draw(st.sampled_from(["N1", "N2"]))
        unit = 1 if nodes[k] == "N1" else 2
        is_block = draw(st.booleans())
        height = draw(st.integers(1, 3)) * unit
        heights = [height, height if is_block else draw(st.integers(1, 3)) * unit]
        first = draw(st.sampled_from([(0, 1), (0,), (1,)]))
        least = draw(st.integers(int(is_linked), min(heights[q] for q in first) // unit)) * unit
        other: dict[str, Any] = {
            "acceptance": Acceptance.BLOCK if is_block else Acceptance.PER_QUARTER,
            "exclusive_group": draw(st.sampled_from([None, None, "G"])),
            "linked_to": mrid(draw(st.integers(1, k - 1))) if k > 1 and is_linked else None,
        }
        one = draw(st.integers(1, k)) if k > 1 else k
        nodes[one] = nodes.get(one, nodes[k])
        if nodes[one] != nodes[k]:
            one = k
        plain = offer(
            k, {q: heights[q] for q in first}, draw(st.integers(1, 9)) * 10.0, least_kw=least,
            of=one, quarters=2, **other,
        )  # fmt: skip
        if not is_block and draw(st.booleans()):
            plain = replace(plain, quarters=tuple(_steeper(each, unit) for each in plain.quarters))
        made.append(plain)
    return tuple(made), nodes, draw(st.lists(st.integers(1, 6), min_size=2, max_size=2))


def _steeper(quarter: Any, unit: int) -> Any:  # noqa: ANN401 -- an offered quarter
    """Return a quarter whose every effective kilowatt costs 7 EUR/MWh more than the last."""
    price = quarter.steps[0].price_ueur_per_mwh // EUR
    ends = range(unit, quarter.maximum_w // KW + 1, unit)
    return replace(quarter, steps=curve(*((kw, price + 7 * at) for at, kw in enumerate(ends))))


@settings(max_examples=100, deadline=None)
@given(small_markets(), st.sampled_from([110, 200]))
def test_nothing_that_can_be_tried_costs_less(
    made: tuple[tuple[FlexOffer, ...], dict[int, str], list[int]], cap_eur: int
) -> None:
    offers, nodes, need_kw = made
    step_w = {
        each.mrid: (1 if nodes[int(each.pod.code[6:14])] == "N1" else 2) * KW for each in offers
    }
    asked = request(
        10**6, {(0, q): kw for q, kw in enumerate(need_kw)}, [{"N1": 1.0, "N2": 0.5}],
        quarters=2, most_eur_per_mwh=cap_eur,
    )  # fmt: skip
    of = book(offers, [asked], nodes, quarters=2)
    told = outcome_of(of)
    paid = asked_ueur_w_per_mwh(of, told) + sum(unmet_w(told).values()) * cap_eur * EUR
    least = least_cost_ueur_w_per_mwh(offers, step_w, need_kw, cap_eur * EUR)
    # A watt for rounding in each quarter of each offer, at no more than the cap.
    assert least <= paid + 1
    assert paid <= least + 2 * len(offers) * cap_eur * EUR


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.floats(0.05, 1.2))
def test_one_limit_is_met_in_the_order_of_price_over_effectiveness(
    seed: int, count: int, steps: int, share: float
) -> None:
    made = drawn(seed, offers=count, quarters=1, steps=steps, share=share)
    of = market(made, 1)
    told = outcome_of(of)
    (asked,) = made.requests
    cap = asked.maximum_price_ueur_per_mwh
    effect = dict(zip(asked.nodes, asked.sensitivities[0].p_nano_per_w, strict=True))
    merit: list[tuple[Fraction, int, int]] = []
    for each in of.offers:
        from_w, nano = 0, effect.get(of.nodes[each.pod.code], 0)
        for step in each.quarters[0].steps:
            if nano > 0:
                per_effect = Fraction(step.price_ueur_per_mwh * 1_000_000, nano)
                merit.append((per_effect, (step.up_to_w - from_w) * nano, nano))
            from_w = step.up_to_w
    left = max(wanted_nano(asked).values(), default=0)
    least = Fraction(0)
    for per_effect, most_nano, _ in sorted(merit):
        if per_effect < cap and left > 0:
            done = min(left, most_nano)
            least += Fraction(done, 1_000_000) * per_effect
            left -= done
    least += Fraction(left, 1_000_000) * cap
    paid = asked_ueur_w_per_mwh(of, told) + sum(unmet_w(told).values()) * cap
    assert abs(paid - least) <= 2 * cap


# Published instances of the multidimensional knapsack, with the value of the best choice. What is
# left at home is a covering problem: whole offers, and limits that each relieves by its weight.
WEINGARTNER_1 = (
    (
        1898, 440, 22507, 270, 14148, 3100, 4650, 30800, 615, 4975, 1160, 4225, 510, 11880, 479,
        440, 490, 330, 110, 560, 24355, 2885, 11748, 4550, 750, 3720, 1950, 10500,
    ),
    (
        (45, 0, 85, 150, 65, 95, 30, 0, 170, 0, 40, 25, 20, 0, 0, 25, 0, 0, 25, 0, 165, 0, 85, 0,
         0, 0, 0, 100),
        (30, 20, 125, 5, 80, 25, 35, 73, 12, 15, 15, 40, 5, 10, 10, 12, 10, 9, 0, 20, 60, 40, 50,
         36, 49, 40, 19, 150),
    ),
)  # fmt: skip
PETERSEN_1 = (
    (100, 600, 1200, 2400, 500, 2000),
    (
        (8, 12, 13, 64, 22, 41), (8, 12, 13, 75, 22, 41), (3, 6, 4, 18, 6, 4),
        (5, 10, 8, 32, 6, 12), (5, 13, 8, 42, 6, 20), (5, 13, 8, 48, 6, 20), (0, 0, 0, 0, 8, 0),
        (3, 0, 4, 0, 8, 0), (3, 2, 4, 0, 8, 4), (3, 2, 4, 8, 8, 4),
    ),
)  # fmt: skip
PUBLISHED = {
    "Petersen 1967, problem 1": (
        *PETERSEN_1, (80, 96, 20, 36, 44, 48, 10, 18, 22, 24), 3_800,
    ),
    "Weingartner and Ness 1967, problem 1": (*WEINGARTNER_1, (600, 600), 141_278),
    "Weingartner and Ness 1967, problem 2": (*WEINGARTNER_1, (500, 500), 130_883),
    "Weingartner and Ness 1967, problem 3": (*WEINGARTNER_1, (300, 300), 95_677),
    "Weingartner and Ness 1967, problem 4": (*WEINGARTNER_1, (300, 600), 119_337),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_optimum_is_found(name: str) -> None:
    """Source: OR-Library, J. E. Beasley, file mknap2; Petersen, Operations Research 15 (1967)."""
    values, weights, carried, best = PUBLISHED[name]
    offers = [
        offer(k, {0: KW}, value / 100, least_kw=KW, quarters=1) for k, value in enumerate(values, 1)
    ]
    left = {(row, 0): sum(each) - carried[row] for row, each in enumerate(weights)}
    effects = [{f"N{k}": w / KW for k, w in enumerate(each, 1)} for each in weights]
    nodes = {k: f"N{k}" for k in range(1, len(values) + 1)}
    found = clear(book(offers, [request(99, left, effects, quarters=1)], nodes, quarters=1), FIRM)
    assert not found.missing
    paid = sum(take.price_ueur_per_mwh for take in found.takes) * 100 // EUR
    assert sum(values) - paid == best


# ---------------------------------------------------------------------------------------------
# What holds of every outcome
# ---------------------------------------------------------------------------------------------

MARKETS = st.builds(
    drawn,
    st.integers(0, 10_000),
    offers=st.integers(1, 30),
    quarters=st.just(3),
    elements=st.integers(1, 4),
    nodes=st.just(5),
    steps=st.integers(1, 3),
    share=st.floats(0.05, 1.3),
)
RULES = st.builds(Rules, pricing=st.sampled_from(Pricing), reserve=st.sampled_from(ReserveRule))


@settings(max_examples=40, deadline=None)
@given(MARKETS, RULES)
def test_volumes_and_money_are_conserved(made: Drawn, rules: Rules) -> None:
    of = market(made, 3)
    told = outcome_of(of, rules)
    offers = {each.mrid: each for each in of.offers}
    for (name, ms), power_w in taken_w(told).items():
        (quarter,) = (each for each in offers[name].quarters if each.start_ms == ms)
        assert quarter.minimum_w <= power_w <= quarter.maximum_w
    for award in told.awards:
        bought = offers[award.offer.mrid]
        assert (award.pod, award.direction) == (bought.pod, bought.direction)
        for sale in award.quarters:
            (told_of,) = (each for each in bought.quarters if each.start_ms == sale.start_ms)
            bid = Fraction(bid_ueur_w_per_mwh(told_of, sale.power_w), sale.power_w)
            assert sale.price_ueur_per_mwh >= bid - 1
            if rules.pricing is Pricing.PAY_AS_BID:
                assert sale.price_ueur_per_mwh <= bid + 1
            assert sale.price_ueur_per_mwh <= rules.price_cap_ueur_per_mwh
    named = {award.offer.mrid for award in told.awards} | {
        each.offer.mrid for each in told.not_taken
    }
    assert named == set(offers), "every offer is told what became of it"
    reasons = [each.because for each in told.awards]
    reasons += [each.because for each in told.not_taken]
    assert all([*reasons, *(each.because for each in told.unmet)])


@settings(max_examples=40, deadline=None)
@given(MARKETS)
def test_no_need_is_delivered_too_little_but_what_is_told_as_unmet(made: Drawn) -> None:
    of = market(made, 3)
    told = outcome_of(of)
    (asked,) = made.requests
    relief, missing_w = relief_nano(of, told, asked), unmet_w(told)
    for (place, ms), wanted in wanted_nano(asked).items():
        assert relief[place, ms] + missing_w[ms] * 1_000_000 >= wanted


@settings(max_examples=40, deadline=None)
@given(MARKETS)
def test_never_a_dearer_offer_while_a_cheaper_one_that_does_as_much_everywhere_fits(
    made: Drawn,
) -> None:
    """At whatever node: dearer is asked for less, limit by limit."""
    of = market(made, 3)
    power_w = taken_w(outcome_of(of))
    (asked,) = made.requests
    for q in range(3):
        ms = start_ms(q)
        rows = [each.p_nano_per_w for each in asked.sensitivities if each.start_ms == ms]
        effect = dict(zip(asked.nodes, zip(*rows, strict=True), strict=True))
        bought, left = _bought_and_left(of, power_w, ms)
        for dear, at in bought:
            for cheap, other in left:
                as_much = all(a >= b for a, b in zip(effect[other], effect[at], strict=True))
                assert dear <= cheap or not as_much


def _bought_and_left(
    of: Book, power_w: Mapping[tuple[str, int], int], ms: int
) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
    """Return price and node of what was bought by more than rounding, and of what was left."""
    bought, left = set(), set()
    for each in of.offers:
        (quarter,) = (one for one in each.quarters if one.start_ms == ms)
        node, taken, from_w = of.nodes[each.pod.code], power_w.get((each.mrid, ms), 0), 0
        for step in quarter.steps:
            if taken > from_w + 1:
                bought.add((step.price_ueur_per_mwh, node))
            if taken < step.up_to_w - 1:
                left.add((step.price_ueur_per_mwh, node))
            from_w = step.up_to_w
    return bought, left


def _at_one_price(quarter: OfferedQuarter) -> OfferedQuarter:
    return replace(quarter, steps=(replace(quarter.steps[-1], price_ueur_per_mwh=100 * EUR),))


@settings(max_examples=40, deadline=None)
@given(MARKETS, RULES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_byte(made: Drawn, rules: Rules, order: Any) -> None:  # noqa: ANN401
    # All ask the same: who came first is all that decides between them.
    offers, requests = (
        [replace(each, quarters=tuple(map(_at_one_price, each.quarters))) for each in made.offers],
        [*made.requests, need_of_tso(10**6 + 1, {0: 5}, quarters=3)],
    )
    one = encode(outcome_of(book(offers, requests, made.nodes, quarters=3), rules))
    stale = [replace(offers[0], revision=1)]
    offers[0] = replace(offers[0], revision=2)
    newest = encode(outcome_of(book(offers, requests, made.nodes, quarters=3), rules))
    order.shuffle(offers)
    order.shuffle(requests)
    both = [*offers, *stale] if order.random() < 0.5 else [*stale, *offers]
    assert encode(outcome_of(book(both, requests, made.nodes, quarters=3), rules)) == newest
    assert (one == newest) == (mrid(1).encode() not in one)


@st.composite
def two_ways(draw: st.DrawFn) -> tuple[list[FlexOffer], list[FlexRequest], dict[int, str]]:
    """Draw offers UP and DOWN of two aggregators, for two limits that pull apart, and a TSO.

    Some are of one POD, and of both aggregators: the clearing trusts no admission.
    """
    nodes = {k: draw(st.sampled_from(["N0", "N1", "N2"])) for k in range(1, 9)}
    offers = [
        offer(
            number, {q: draw(st.integers(1, 20)) for q in range(2)},
            draw(st.integers(1, 30)) * 10.0, of=draw(st.integers(1, 8)), quarters=2,
            direction=draw(st.sampled_from(Direction)),
            least_kw=draw(st.sampled_from([0, 0, 1])),
            sender=draw(st.sampled_from(["aggregator-1", "aggregator-2"])),
        )
        for number in range(11, 11 + draw(st.integers(1, 10)))
    ]  # fmt: skip
    effects = [
        {name: draw(st.integers(-10, 10)) / 10 for name in ("N0", "N1", "N2")} for _ in range(2)
    ]
    effects[0]["N0"] = 1.0
    asked = request(
        10**6, {(0, q): draw(st.integers(1, 30)) for q in range(2)}, effects,
        bounds=(Bound.LINE, Bound.OVERVOLTAGE), quarters=2, watched=[(1, 0), (1, 1)],
    )  # fmt: skip
    wider = need_of_tso(
        10**6 + 1, {q: draw(st.integers(1, 60)) for q in range(2)}, quarters=2,
        direction=draw(st.sampled_from(Direction)), most_eur_per_mwh=400.0,
    )  # fmt: skip
    return offers, [asked, wider], nodes


@settings(max_examples=60, deadline=None)
@given(two_ways(), st.sampled_from(ReserveRule))
def test_no_pod_is_sold_twice_in_a_quarter(
    made: tuple[list[FlexOffer], list[FlexRequest], dict[int, str]], reserve: ReserveRule
) -> None:
    offers, requests, nodes = made
    told = outcome_of(book(offers, requests, nodes, quarters=2), Rules(reserve=reserve))
    sold: dict[tuple[str, int], set[str]] = defaultdict(set)
    for award in told.awards:
        for quarter in award.quarters:
            sold[award.pod.code, quarter.start_ms].add(award.offer.mrid)
    assert all(len(names) == 1 for names in sold.values())


@settings(max_examples=60, deadline=None)
@given(two_ways())
def test_the_tso_never_harms_a_limit_of_the_dso(
    made: tuple[list[FlexOffer], list[FlexRequest], dict[int, str]],
) -> None:
    offers, (asked, wider), nodes = made
    alone_of = book(offers, [asked], nodes, quarters=2)
    both_of = book(offers, [asked, wider], nodes, quarters=2)
    alone, both = outcome_of(alone_of), outcome_of(both_of)
    assert [each for each in both.awards if each.buyer is Buyer.DSO] == list(alone.awards)
    assert unmet_w(both, asked) == unmet_w(alone)
    relief, before = relief_nano(both_of, both, asked), relief_nano(alone_of, alone, asked)
    for key, wanted in wanted_nano(asked).items():
        assert relief[key] >= min(wanted, before[key])
        assert before[key] >= min(wanted, 0), "what is not broken is not traded for what is"


NEED = request(10**6, {(0, 0): 10}, [{"N1": 1.0}])


def probabilities(awards: Sequence[Award], shares: Mapping[str, float], need_w: int) -> float:
    """Return how likely awards of one quarter deliver a need together, all or nothing each."""
    reached = {0: 1.0}
    for award in awards:
        share, power_w = shares[award.pod.code], award.quarters[0].power_w
        after: dict[int, float] = defaultdict(float)
        for sum_w, likely in reached.items():
            after[sum_w] += likely * (1 - share)
            after[sum_w + power_w] += likely * share
        reached = after
    return sum(likely for sum_w, likely in reached.items() if sum_w >= need_w)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 8), st.sampled_from([0.5, 0.8, 0.95, 1.0])),
                min_size=4, max_size=9))  # fmt: skip
def test_reserve_by_history_is_enough_and_not_more(made: list[tuple[int, float]]) -> None:
    offers = [offer(k, {0: kw}, 10.0 * k) for k, (kw, _) in enumerate(made, 1)]
    shares = {k: share for k, (_, share) in enumerate(made, 1)}
    of = book(offers, [NEED], delivered=shares)
    told = outcome_of(of, Rules(reserve=ReserveRule.DELIVERY_HISTORY))
    if told.unmet:
        return
    reached = probabilities(told.awards, of.delivered, 10_000)
    spare = [each for each in told.awards if each.kind is AwardKind.RESERVE]
    if len(told.awards) < len(offers):
        assert reached >= 0.9 - 1e-9
    for less in spare:
        rest = [each for each in told.awards if each is not less]
        assert probabilities(rest, of.delivered, 10_000) < 0.9 or len(spare) > 1
