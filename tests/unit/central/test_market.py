"""The market clears: small books whose answer can be told by hand."""

import itertools

import pytest

from central.documents.elements import Bound
from central.documents.header import Buyer, Direction
from central.documents.offer import Acceptance, FlexOffer
from central.documents.outcome import AwardKind
from central.documents.request import FlexRequest
from central.market.clearing import Clearing, clear
from central.market.rules import Pricing, ReserveRule, Rules
from ledger.facts.interval import QUARTER_MS
from tests.books import EUR, START_MS, book, line_request, mrid, offer, tso_request

BARE = Rules(reserve=ReserveRule.NONE)
Taken = dict[tuple[int, int], int]


def cleared(
    offers: list[FlexOffer], *requests: FlexRequest, rules: Rules = BARE, **more: object
) -> Clearing:
    return clear(book(offers, requests, **more), rules)


def taken(clearing: Clearing, kind: AwardKind = AwardKind.FIRM) -> Taken:
    """Return watts by the POD's number and the quarter."""
    return {
        (
            int(clearing.book.offers[take.offer].pod.code[-8:]),
            (take.start_ms - START_MS) // QUARTER_MS,
        ): take.power_w
        for take in clearing.takes
        if take.kind is kind
    }


def test_price_over_effectiveness_decides_not_price() -> None:
    offers = [offer(0, 100), offer(1, 60), offer(2, 10), offer(3, 300)]
    found = cleared(offers, line_request({0: 1_200}))
    assert taken(found) == {(2, 0): 1_000, (0, 0): 950}, "60 at half the effect is 120"
    assert found.missing == ()


def test_what_nobody_offers_is_missing_at_the_best_place() -> None:
    found = cleared([offer(1, 60)], line_request({0: 1_200}))
    assert taken(found) == {(1, 0): 1_000}
    assert [each.power_w for each in found.missing] == [700]


def test_nothing_dearer_than_the_cap_over_effect_is_taken() -> None:
    found = cleared([offer(1, 60)], line_request({0: 1_200}, cap_eur=119.0))
    assert taken(found) == {}
    assert [each.power_w for each in found.missing] == [1_200]


@pytest.mark.parametrize("ends", [12, 40])
def test_curves_of_many_steps_are_followed_cheapest_first(ends: int) -> None:
    curve = [(100 * (step + 1), 50.0 + step) for step in range(ends)]
    found = cleared([offer(0, curve), offer(3, 55.5, 10_000)], line_request({0: 2_000}))
    assert taken(found) == {(0, 0): 600, (3, 0): 1_400}
    price = {take.power_w: take.price_ueur_per_mwh for take in found.takes}
    assert price[600] == (50 + 51 + 52 + 53 + 54 + 55) * EUR / 6


def test_a_minimum_is_kept_or_nothing_is_taken() -> None:
    offers = [offer(0, 100, minimum_w=900), offer(3, 120), offer(6, 90, 500)]
    assert taken(cleared(offers, line_request({0: 700}))) == {(6, 0): 500, (3, 0): 200}
    assert taken(cleared(offers[:1], line_request({0: 700}))) == {(0, 0): 900}


def test_a_pod_is_sold_once_in_a_quarter() -> None:
    offers = [offer(0, 100), offer(30, 90, pod=0), offer(3, 120)]
    assert taken(cleared(offers, line_request({0: 1_500}))) == {(0, 0): 1_000, (3, 0): 500}


def test_a_block_is_taken_in_one_share_and_pays_for_all_its_hours() -> None:
    block = offer(0, 100, quarters=(0, 1, 2), acceptance=Acceptance.BLOCK)
    rest = [offer(3, 90, quarters=(0,)), offer(6, 300, quarters=(1,))]
    need = line_request({0: 500, 1: 800})
    assert taken(cleared([block, *rest], need)) == {(0, 0): 800, (0, 1): 800, (0, 2): 800}
    dear = [offer(3, 90, quarters=(0,)), offer(6, 110, quarters=(1,))]
    assert taken(cleared([block, *dear], need)) == {(3, 0): 500, (6, 1): 800}


def test_of_a_group_one_is_taken() -> None:
    offers = [offer(0, 100, exclusive_group="g"), offer(3, 90, exclusive_group="g"), offer(6, 300)]
    assert taken(cleared(offers, line_request({0: 1_500}))) == {(3, 0): 1_000, (6, 0): 500}


def test_a_group_is_its_senders_own() -> None:
    offers = [offer(0, 100, exclusive_group="g"), offer(3, 90, exclusive_group="g", sender="b")]
    assert taken(cleared(offers, line_request({0: 1_500}))) == {(3, 0): 1_000, (0, 0): 500}


def test_a_linked_offer_goes_with_the_other_or_not_at_all() -> None:
    child = offer(0, 50, linked_to=mrid(3))
    with_other = cleared([child, offer(3, 60), offer(6, 300)], line_request({0: 1_500}))
    assert taken(with_other) == {(0, 0): 1_000, (3, 0): 500}
    alone = cleared([child, offer(6, 300)], line_request({0: 900}))
    assert taken(alone) == {(6, 0): 900}


def test_activations_are_short_few_and_far_apart() -> None:
    need = line_request({0: 990, 1: 900, 2: 900, 3: 800})
    other = offer(3, 200, quarters=(0, 1, 2, 3))
    short = offer(0, 50, quarters=(0, 1, 2, 3), longest_s=1_800, call_count=1)
    assert {at for pod, at in taken(cleared([short, other], need)) if pod == 0} == {0, 1}
    rested = offer(0, 50, quarters=(0, 1, 2, 3), longest_s=900, rest_s=1_800)
    assert {at for pod, at in taken(cleared([rested, other], need)) if pod == 0} == {0, 3}


def test_the_tso_gets_what_is_left_and_harms_no_limit() -> None:
    offers = [
        offer(0, 100, quarters=(0, 1)),
        offer(1, 60, quarters=(0, 1)),
        offer(3, 120, quarters=(0, 1)),
        offer(2, 20, quarters=(0, 1), direction=Direction.DOWN),
    ]
    found = cleared(offers, line_request({0: 500}), tso_request({0: 800, 1: 2_500}))
    by_buyer = {
        buyer: {(t.offer, t.power_w) for t in found.takes if t.buyer is buyer} for buyer in Buyer
    }
    assert by_buyer[Buyer.DSO] == {(0, 500)}
    assert taken(found) == {(0, 0): 500, (1, 0): 800, (0, 1): 1_000, (1, 1): 1_000, (3, 1): 500}
    down = cleared(offers, line_request({0: 500}), tso_request({0: 800}, direction=Direction.DOWN))
    assert (2, 0) not in taken(down), "more taken at node 2 would load the line again"
    assert [(each.power_w, each.request) for each in down.missing] == [(800, 1)]


def test_reserve_stands_in_for_the_largest_offer() -> None:
    offers = [offer(0, 100), offer(3, 110), offer(6, 120), offer(9, 500, 5_000)]
    found = cleared(offers, line_request({0: 1_300}, cap_eur=200.0), rules=Rules())
    assert taken(found) == {(0, 0): 1_000, (3, 0): 300}
    assert taken(found, AwardKind.RESERVE) == {(6, 0): 1_000}


def test_reserve_by_history_asks_more_of_those_who_deliver_less() -> None:
    rules = Rules(reserve=ReserveRule.DELIVERY_HISTORY)
    offers = [offer(0, 100), offer(3, 110), offer(6, 120)]
    need = line_request({0: 1_000})
    sure = cleared(offers, need, rules=rules, delivered={"IT002E00000000": 0.9})
    assert taken(sure, AwardKind.RESERVE) == {}
    unsure = cleared(offers, need, rules=rules, delivered={"IT002E00000000": 0.8})
    assert taken(unsure, AwardKind.RESERVE) == {(3, 0): 1_000}


def test_pay_as_cleared_pays_what_the_dearest_was_worth() -> None:
    offers = [offer(0, 100), offer(1, 60), offer(3, 90)]
    rules = Rules(pricing=Pricing.PAY_AS_CLEARED, reserve=ReserveRule.NONE)
    found = cleared(offers, line_request({0: 2_200}), rules=rules)
    paid = {take.offer: take.price_ueur_per_mwh for take in found.takes}
    assert paid == {0: 120 * EUR, 1: 60 * EUR, 2: 120 * EUR}


def test_ties_go_to_who_came_first_then_to_the_smaller_name() -> None:
    late, early = offer(0, 100, created_ms=9), offer(3, 100, created_ms=5)
    assert taken(cleared([late, early], line_request({0: 1_200}))) == {(3, 0): 1_000, (0, 0): 200}
    same = [offer(0, 100, created_ms=5), offer(3, 100, created_ms=5)]
    first = min((mrid(0), 0), (mrid(3), 3))[1]
    assert taken(cleared(same, line_request({0: 900}))) == {(first, 0): 900}


def test_the_order_of_arrival_changes_nothing() -> None:
    offers = [
        offer(0, 100, minimum_w=600), offer(1, 60), offer(3, 100), offer(4, 60, quarters=(0, 1)),
        offer(6, 80, quarters=(0, 1), acceptance=Acceptance.BLOCK),
    ]  # fmt: skip
    need = [line_request({0: 1_900, 1: 500}), tso_request({0: 700, 1: 700})]
    answers = {
        clear(book(list(some), need[::turn]), Rules()).takes
        for some in itertools.permutations(offers)
        for turn in (1, -1)
    }
    assert len(answers) == 1


def test_what_the_grid_refused_is_not_taken_again() -> None:
    offers = [offer(0, 100), offer(3, 110)]
    found = clear(
        book(offers, [line_request({0: 1_200})]), BARE, {(mrid(0), START_MS): 400}
    )  # fmt: skip
    assert taken(found) == {(0, 0): 400, (3, 0): 800}


def test_an_undervoltage_is_lifted_and_an_overvoltage_lowered() -> None:
    low = line_request({0: 400}, bound=Bound.UNDERVOLTAGE, element="node 0")
    assert taken(cleared([offer(0), offer(3, 90, direction=Direction.DOWN)], low)) == {(0, 0): 400}
    high = line_request(
        {0: 400}, bound=Bound.OVERVOLTAGE, element="node 0", direction=Direction.DOWN
    )
    assert taken(cleared([offer(0), offer(3, 90, direction=Direction.DOWN)], high)) == {(3, 0): 400}
