"""Set-points as documents: whole watts, numbers, what holds in silence, and what they rest on."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from central.documents.encoding import decode, encode
from central.documents.header import Direction, Envelope
from central.documents.offer import Rebound
from central.documents.order import Failsafe, SetPoint, SetPointKind
from central.dso.dispatch import Dispatch, dispatch
from central.dso.expectation import expected
from central.dso.limits import Limits
from central.dso.powerflow import PowerFlow
from central.dso.telling.orders import Resolved, resolved_orders
from central.dso.telling.set_points import Silence, set_points
from central.sessions.dso_dispatch import Called
from ledger.facts.interval import QUARTER_MS, Interval
from tests.activations import OUTCOME, called, mrid, reference
from tests.grids import feeder

CONTRACT_W = 6_000
GRID = feeder(6, contract_w=CONTRACT_W)
SPAN = Interval(0, 8 * QUARTER_MS)
ONE, OTHER = GRID.pods[:2]
EXPECTATION = expected(GRID, 0, {"mean": np.full((len(GRID.pods), 8), 3e3)})


def worked_out(given: Called) -> tuple[Dispatch, list[Resolved]]:
    resolved = resolved_orders(
        SPAN, given.orders, outcomes=given.outcomes, offers=given.offers,
        baselines=given.baselines, now_ms=0,
    )  # fmt: skip
    found = dispatch(
        PowerFlow(GRID), EXPECTATION, [each.ordered for each in resolved],
        np.array([each.baseline_w for each in resolved]), Limits.of(GRID),
    )  # fmt: skip
    return found, resolved


def told(
    given: Called, held: dict[str, list[SetPoint]] | None = None, silence: Silence | None = None
) -> tuple[SetPoint, ...]:
    numbers = count(500)
    found, resolved = worked_out(given)
    return set_points(
        GRID, found, resolved,
        envelope=lambda pod: Envelope(
            mrid=mrid(next(numbers)), created_ms=7, sender="dso", receiver=pod
        ),
        silence=silence or Silence(), held=held or {},
    )  # fmt: skip


def test_up_is_an_envelope_below_the_baseline_with_all_it_rests_on() -> None:
    given = called(SPAN, {ONE: {1: 500, 2: 500}})
    first, second = told(given)
    assert decode(encode(first)) == first
    assert first == SetPoint(
        mrid=mrid(500), revision=1, created_ms=7, sender="dso", receiver=ONE,
        validity=Interval(QUARTER_MS, 2 * QUARTER_MS), pod=given.offers[0].pod,
        kind=SetPointKind.ENVELOPE, target_w=2_501, least_w=-CONTRACT_W, most_w=2_501,
        difference_w=-500, baseline=reference(2_000), outcome=reference(OUTCOME),
        order=reference(9), offer=reference(1_000), sequence=0, supersedes=None,
        not_before_ms=QUARTER_MS, expires_ms=2 * QUARTER_MS, reason=given.orders[0].reason,
        failsafe=Failsafe(least_w=-CONTRACT_W, most_w=4_200, after_s=120),
    )  # fmt: skip
    assert (second.target_w, second.sequence) == (2_502, 1)


def test_down_is_an_envelope_above_the_baseline_and_nobody_has_to_draw_in_silence() -> None:
    (only,) = told(called(SPAN, {ONE: {1: 500}}, direction=Direction.DOWN))
    assert (only.least_w, only.target_w, only.most_w) == (3_501, 3_501, CONTRACT_W)
    assert only.difference_w == 500
    assert only.failsafe == Failsafe(least_w=0, most_w=CONTRACT_W, after_s=120)


@pytest.mark.parametrize(
    ("floor_w", "most_w"), [(0, 2_501), (2_000, 2_501), (5_000, 5_000), (9_000, CONTRACT_W)]
)
def test_in_silence_the_floor_may_be_drawn_as_far_as_the_contract_goes(
    floor_w: int, most_w: int
) -> None:
    (only,) = told(called(SPAN, {ONE: {1: 500}}), silence=Silence(60, floor_w))
    assert (only.failsafe.most_w, only.failsafe.after_s) == (most_w, 60)


def test_alike_quarters_with_one_baseline_are_one_set_point() -> None:
    given = called(SPAN, {ONE: {1: 500, 2: 500}})
    flat = tuple(replace(each, power_w=3_000) for each in given.baselines[0].quarters)
    given = replace(given, baselines=[replace(given.baselines[0], quarters=flat)])
    (only,) = told(given)
    assert only.validity == Interval(QUARTER_MS, 3 * QUARTER_MS)


def test_where_energy_comes_back_the_baseline_is_wished_for() -> None:
    back = Rebound(share_permille=1_000, delay_s=0, duration_s=900)
    active, after = told(called(SPAN, {ONE: {1: 500}}, rebound=back))
    assert active.difference_w == -500
    assert (after.target_w, after.difference_w) == (3_002, 0)
    assert (after.least_w, after.most_w) == (-CONTRACT_W, 3_502)


def test_numbers_go_on_and_what_was_said_of_these_quarters_is_superseded() -> None:
    before = told(called(SPAN, {ONE: {1: 400, 5: 400}}))
    assert [each.sequence for each in before] == [0, 1]
    again = told(called(SPAN, {ONE: {1: 500, 2: 500}, OTHER: {1: 100}}), held={ONE: list(before)})
    mine = [each for each in again if each.pod.code == ONE]
    assert [each.sequence for each in mine] == [2, 3]
    assert [each.supersedes for each in mine] == [before[0].mrid, None]
    (other,) = (each for each in again if each.pod.code == OTHER)
    assert (other.sequence, other.supersedes) == (0, None)


def test_part_of_a_watt_is_left_to_the_customer() -> None:
    found, resolved = worked_out(called(SPAN, {ONE: {1: 500}}))
    (point,) = found.set_points
    less = replace(found, set_points=(replace(point, difference_w=-499.7, target_w=2_501.3),))
    envelope = Envelope(mrid=mrid(1), created_ms=7, sender="dso", receiver=ONE)
    (only,) = set_points(
        GRID, less, resolved, envelope=lambda _: envelope, silence=Silence(), held={}
    )
    assert (only.difference_w, only.target_w) == (-499, 2_502)
