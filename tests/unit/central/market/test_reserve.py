"""Reserve: enough when somebody fails, no more than that, and never against a limit."""

from central.documents.elements import Bound
from central.documents.header import Direction
from central.documents.outcome import AwardKind
from central.market.book import Book
from central.market.clearing import Clearing, clear
from central.market.rules import ReserveRule, Rules
from tests.markets import book, offer, request
from tests.outcomes import outcome_of

LARGEST = Rules(reserve=ReserveRule.LARGEST_OFFER)
HISTORY = Rules(reserve=ReserveRule.DELIVERY_HISTORY)
NEED = request(10**6, {(0, 0): 10}, [{"N1": 1.0, "N2": 0.5}])


def taken(of: Book, rules: Rules) -> tuple[dict[int, int], dict[int, int]]:
    """Return the watts taken of each POD for sure, and as reserve."""
    found = clear(of, rules)
    return _by_pod(found, AwardKind.FIRM), _by_pod(found, AwardKind.RESERVE)


def _by_pod(found: Clearing, kind: AwardKind) -> dict[int, int]:
    offers = found.book.offers
    return {
        int(offers[each.offer].pod.code[6:]): each.power_w
        for each in found.takes
        if each.kind is kind
    }


def test_the_loss_of_the_largest_is_made_up_for_at_the_least_price_over_effect() -> None:
    offers = [offer(1, {0: 7}, 10.0), offer(2, {0: 3}, 20.0), offer(3, {0: 40}, 90.0),
              offer(4, {0: 6}, 40.0)]  # fmt: skip
    firm, reserve = taken(book(offers, [NEED], {1: "N1", 2: "N1", 3: "N1", 4: "N2"}), LARGEST)
    assert firm == {1: 7_000, 2: 3_000}
    assert reserve == {4: 6_000, 3: 4_000}, "40 at half the effect is 80"


def test_no_reserve_where_the_rules_say_none_or_nothing_is_firm() -> None:
    offers = [offer(1, {0: 10}, 10.0), offer(2, {0: 10}, 20.0)]
    assert taken(book(offers, [NEED]), Rules(reserve=ReserveRule.NONE))[1] == {}
    assert taken(book(offers, [NEED], "N9"), LARGEST) == ({}, {})


def test_what_is_sold_firm_is_no_reserve_for_others() -> None:
    offers = [offer(1, {0: 20}, 10.0), offer(2, {0: 4}, 20.0)]
    firm, reserve = taken(book(offers, [NEED]), LARGEST)
    assert firm == {1: 10_000}
    assert reserve == {2: 4_000}, "less than the loss, and all there is"


def test_reserve_does_not_harm_a_limit_that_is_told() -> None:
    asked = request(
        10**6, {(0, 0): 10}, [{"N1": 1.0, "N2": 1.0}, {"N1": 0.0, "N2": -0.5}],
        bounds=(Bound.LINE, Bound.OVERVOLTAGE), watched=[(1, 0)],
    )  # fmt: skip
    offers = [offer(1, {0: 10}, 10.0), offer(2, {0: 10}, 20.0), offer(3, {0: 8}, 60.0)]
    firm, reserve = taken(book(offers, [asked], {1: "N1", 2: "N2", 3: "N1"}), LARGEST)
    assert firm == {1: 10_000}
    assert reserve == {3: 8_000}, "the cheaper one would raise a voltage that is at its limit"


def test_reserve_down_for_a_need_down() -> None:
    asked = request(
        10**6, {(0, 0): 10}, [{"N1": -1.0}], bounds=(Bound.OVERVOLTAGE,), direction=Direction.DOWN
    )
    offers = [offer(k, {0: 10}, 10.0 * k, direction=Direction.DOWN) for k in (1, 2)]
    assert taken(book(offers, [asked]), LARGEST) == ({1: 10_000}, {2: 10_000})


def test_without_any_history_the_largest_loss_counts() -> None:
    offers = [offer(1, {0: 6}, 10.0), offer(2, {0: 4}, 20.0), offer(3, {0: 10}, 30.0)]
    assert taken(book(offers, [NEED]), HISTORY) == taken(book(offers, [NEED]), LARGEST)


def test_who_has_no_history_is_as_sure_as_the_others() -> None:
    offers = [offer(1, {0: 10}, 10.0), offer(2, {0: 10}, 20.0), offer(3, {0: 10}, 30.0)]
    _, reserve = taken(book(offers, [NEED], delivered={1: 0.75, 2: 0.75}), HISTORY)
    # 1 - 0.25² = 0.9375 is enough for 0.9.
    assert reserve == {2: 10_000}
    _, reserve = taken(book(offers, [NEED], delivered={1: 0.65, 2: 0.65}), HISTORY)
    # 1 - 0.35² = 0.8775 is not: the third is as sure as the mean of the two.
    assert reserve == {2: 10_000, 3: 10_000}


def test_two_limits_are_both_as_sure_as_asked() -> None:
    asked = request(
        10**6, {(0, 0): 10, (1, 0): 5}, [{"N1": 1.0, "N2": 0.0}, {"N1": 0.0, "N2": 1.0}]
    )
    offers = [offer(k, {0: 10}, 10.0 * k) for k in range(1, 7)]
    nodes = {k: "N1" if k % 2 else "N2" for k in range(1, 7)}
    firm, reserve = taken(
        book(offers, [asked], nodes, delivered=dict.fromkeys(range(1, 7), 0.8)), HISTORY
    )
    assert firm == {1: 10_000, 2: 5_000}
    assert reserve == {3: 10_000, 4: 5_000}


def test_while_nobody_has_a_history_the_outcome_says_so() -> None:
    offers = [offer(k, {0: 10}, 10.0 * k) for k in (1, 2)]
    unknown = outcome_of(book(offers, [NEED]), HISTORY)
    known = outcome_of(book(offers, [NEED], delivered={1: 0.5, 2: 0.9}), HISTORY)
    (spare,) = [each for each in unknown.awards if each.kind is AwardKind.RESERVE]
    assert spare.because.startswith("reserve, as large as the largest offer while nobody has a")
    (spare,) = [each for each in known.awards if each.kind is AwardKind.RESERVE]
    assert spare.because.startswith("reserve: ")
