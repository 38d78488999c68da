"""Orders are carried out only with everything they rest on, and what is missing is named."""

from dataclasses import replace

import numpy as np
import pytest

from central.documents.header import Buyer, Direction, QuarterPower, Reference
from central.documents.offer import Rebound as ToldRebound
from central.documents.order import SetPoint
from central.documents.outcome import Stage
from central.dso.delivering import NO_REBOUND, Rebound
from central.dso.telling.orders import (
    Resolved,
    rebound_of,
    reference_to,
    resolved_orders,
    standing_va,
)
from central.sessions.dso_dispatch import Called
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.activations import called, reference
from tests.documents import SET_POINT
from tests.grids import feeder

GRID = feeder(6)
SPAN = Interval(0, 8 * QUARTER_MS)
ONE, OTHER = GRID.pods[:2]


def resolved(given: Called, now_ms: int = 0) -> list[Resolved]:
    return resolved_orders(
        SPAN, given.orders, outcomes=given.outcomes, offers=given.offers,
        baselines=given.baselines, now_ms=now_ms,
    )  # fmt: skip


def reason(given: Called, now_ms: int = 0) -> str:
    with pytest.raises(Rejected) as told:
        resolved(given, now_ms)
    assert given.orders[0].mrid in told.value.where
    assert told.value.remedy
    return told.value.reason


def test_an_order_is_resolved_to_its_offers_and_their_programmes() -> None:
    first, second = resolved(called(SPAN, {ONE: {1: 500, 2: 700}, OTHER: {2: 300}}))
    assert (first.ordered.pod, second.ordered.pod) == (ONE, OTHER)
    np.testing.assert_array_equal(first.ordered.power_w, [0, 500, 700, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(first.baseline_w, [0, 3_001, 3_002, 0, 0, 0, 0, 0])
    assert first.ordered.is_up
    assert (first.ordered.offer, first.ordered.order) == (first.offer.mrid, first.order.mrid)


def test_quarters_in_which_energy_comes_back_have_a_baseline_too() -> None:
    told = ToldRebound(share_permille=500, delay_s=0, duration_s=1_800)
    (only,) = resolved(called(SPAN, {ONE: {1: 500}}, rebound=told))
    np.testing.assert_array_equal(only.baseline_w, [0, 3_001, 3_002, 3_003, 0, 0, 0, 0])


def test_of_two_programmes_the_later_one_counts() -> None:
    given = called(SPAN, {ONE: {1: 500}})
    old = given.baselines[0]
    new = replace(
        old, revision=2, created_ms=old.created_ms + 1,
        quarters=(*old.quarters[:1], QuarterPower(start_ms=QUARTER_MS, power_w=99),
                  *old.quarters[2:]),
    )  # fmt: skip
    for both in ([old, new], [new, old]):
        (only,) = resolved(replace(given, baselines=both))
        assert only.programme[QUARTER_MS] == (99, reference_to(new))


@pytest.mark.parametrize(
    ("share_permille", "delay_s", "duration_s", "back"),
    [
        (0, 0, 900, NO_REBOUND),
        (400, 0, 900, Rebound(0.4, 1, 1)),
        (400, 899, 901, Rebound(0.4, 1, 2)),
        (400, 1_800, 60, Rebound(0.4, 3, 1)),
    ],
)
def test_what_comes_back_is_told_in_quarters(
    share_permille: int, delay_s: int, duration_s: int, back: Rebound
) -> None:
    told = ToldRebound(share_permille=share_permille, delay_s=delay_s, duration_s=duration_s)
    (offer,) = called(SPAN, {ONE: {1: 500}}, rebound=told).offers
    assert rebound_of(offer) == back


def test_what_stands_against_an_order_is_named() -> None:
    good = called(SPAN, {ONE: {1: 500}})
    (order,), (outcome,), (offer,), (baseline,) = (
        good.orders, good.outcomes, good.offers, good.baselines,
    )  # fmt: skip
    assert reason(good, now_ms=SPAN.end_ms) == "expired"
    assert reason(replace(good, outcomes=[replace(outcome, revision=2)])) == "no_outcome"
    preliminary = replace(outcome, stage=Stage.PRELIMINARY)
    assert reason(replace(good, outcomes=[preliminary])) == "not_final"
    assert reason(replace(good, offers=[])) == "no_offer"
    assert reason(replace(good, offers=[replace(offer, revision=2)])) == "no_offer"
    assert reason(replace(good, outcomes=[replace(outcome, awards=())])) == "not_won"
    assert reason(replace(good, orders=[replace(order, buyer=Buyer.TSO)])) == "not_won"
    down = replace(order, direction=Direction.DOWN)
    assert reason(replace(good, orders=[down])) == "other_direction"
    assert reason(replace(good, baselines=[])) == "no_baseline"
    early = replace(baseline, quarters=baseline.quarters[:1])
    assert reason(replace(good, baselines=[early])) == "no_baseline"


@pytest.mark.parametrize(
    ("start_ms", "power_w"), [(QUARTER_MS, 501), (2 * QUARTER_MS, 1), (-QUARTER_MS, 1)]
)
def test_no_more_is_ordered_than_was_won(start_ms: int, power_w: int) -> None:
    good = called(SPAN, {ONE: {1: 500}})
    ordered = replace(
        good.orders[0].orders[0], quarters=(QuarterPower(start_ms=start_ms, power_w=power_w),)
    )
    more = replace(good, orders=[replace(good.orders[0], orders=(ordered,))])
    assert reason(more) == "not_won"


def test_a_quarter_that_nobody_forecast_is_refused() -> None:
    late = Interval(20 * QUARTER_MS, 24 * QUARTER_MS)
    assert reason(called(late, {ONE: {1: 500}})) == "not_forecast"


def test_awards_of_one_offer_add_up() -> None:
    good = called(SPAN, {ONE: {1: 500}})
    (outcome,) = good.outcomes
    twice = replace(outcome, awards=outcome.awards * 2)
    quarters = (QuarterPower(start_ms=QUARTER_MS, power_w=1_000),)
    ordered = replace(good.orders[0].orders[0], quarters=quarters)
    order = replace(good.orders[0], orders=(ordered,))
    (only,) = resolved(replace(good, orders=[order], outcomes=[twice]))
    assert only.ordered.power_w[1] == 1_000
    assert only.order.outcome == Reference(mrid=outcome.mrid, revision=1)


def sent(pod: str, sequence: int, at: range, difference_w: int, offer: int) -> SetPoint:
    span = Interval(at.start * QUARTER_MS, at.stop * QUARTER_MS)
    return replace(
        SET_POINT, pod=Pod(pod), sequence=sequence, validity=span, difference_w=difference_w,
        offer=reference(offer), not_before_ms=span.start_ms, expires_ms=span.end_ms,
    )  # fmt: skip


def test_what_was_sent_before_and_still_stands_is_in_what_is_checked() -> None:
    given = resolved(called(SPAN, {ONE: {1: 500}}))
    held = {
        ONE: [sent(ONE, 0, range(1, 3), -300, 1_000)],  # replaced: of the same offer
        OTHER: [sent(OTHER, 4, range(4), -100, 77), sent(OTHER, 5, range(2, 3), -250, 78),
                sent(OTHER, 6, range(40, 44), -9, 79)],
    }  # fmt: skip
    changed_w = standing_va(GRID, SPAN, given, held).real
    one, other = (GRID.pod_node[GRID.pod(pod)] for pod in (ONE, OTHER))
    np.testing.assert_allclose(changed_w[:, one], [0, 0, -300, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(changed_w[:, other], [-100, -100, -250, -100, 0, 0, 0, 0])
    assert np.abs(changed_w).sum() == pytest.approx(850)


def test_a_pod_that_moves_for_another_offer_already_is_not_sold_again() -> None:
    given = resolved(called(SPAN, {ONE: {1: 500}}))
    with pytest.raises(Rejected, match=f"{ONE} moves for offer .* already") as told:
        standing_va(GRID, SPAN, given, {ONE: [sent(ONE, 0, range(1, 2), -300, 77)]})
    assert told.value.reason == "sold_twice"
    standing_va(GRID, SPAN, given, {ONE: [sent(ONE, 0, range(2, 3), -300, 77)]})
