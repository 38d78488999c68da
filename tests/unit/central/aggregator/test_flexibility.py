"""What customers can move: within baseline, contract, the programme, and their owners' word."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from central.aggregator.baseline import Baselines, Ground
from central.aggregator.devices.declared import Battery, Device, Generation, Load
from central.aggregator.flexibility import Movable, latest, movable, room_of
from central.aggregator.history import Floats
from central.aggregator.portfolio import Customer, Portfolio
from central.calendar import day_interval
from central.documents.availability import AvailableQuarter, DerAvailability, Resource
from central.documents.header import Direction
from central.documents.offer import Rebound
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod
from tests.portfolios import programme

DAY = day_interval(date(2026, 6, 3))
POD = "IT002E00000001"
BATTERY = Battery(power_w=2_000, capacity_wh=8_000, charge_wh=4_000, efficiency_permille=1_000)
LOAD = Load(power_w=1_000, rebound=Rebound(share_permille=0, delay_s=0, duration_s=900))


def portfolio(*devices: Device) -> Portfolio:
    one = Customer(pod=Pod(POD), contract_w=3_000, owner="owner", devices=devices)
    return Portfolio.of("aggregator", [one])


def baseline(
    power_w: float | Floats, error_w: float = 0.0, ground: Ground = Ground.LIKE_DAYS
) -> Baselines:
    none = np.zeros(1, dtype=np.int64)
    return Baselines(
        (POD,), DAY, np.zeros((1, 96)) + power_w, np.full((1, 96), error_w), np.array([100.0]),
        (ground,), none + 8, none, np.zeros(1),
    )  # fmt: skip


def allows(
    resource: Resource, up_w: int = 9_000, down_w: int = 9_000, *, count: int = 96
) -> DerAvailability:
    return DerAvailability(
        mrid="0d1f7a3e-5a0b-4c59-9a43-0f6f4c1f2b11", revision=1, created_ms=1, sender="owner",
        receiver="aggregator", validity=DAY, pod=Pod(POD), resource=resource,
        quarters=tuple(
            AvailableQuarter(
                start_ms=DAY.start_ms + number * QUARTER_MS, up_w=up_w, down_w=down_w
            )
            for number in range(count)
        ),
        longest_s=None, rest_s=None, call_count=None,
    )  # fmt: skip


def powers(found: Sequence[Movable]) -> dict[tuple[Resource, Direction], float]:
    return {
        (each.resource, each.movement.direction): float(each.movement.power_w.max())
        for each in found
    }


UP, DOWN = Direction.UP, Direction.DOWN


def test_what_is_left_is_divided_by_power_and_never_more_than_the_contract_in_all() -> None:
    offered = movable(
        portfolio(BATTERY, LOAD), baseline(700.0),
        [allows(Resource.BATTERY), allows(Resource.LOAD)],
    )  # fmt: skip
    found = powers(list(offered))
    # 3,000 W less may be taken in all, of which the battery has two thirds; 600 W run.
    assert found[Resource.BATTERY, UP] == 2_000
    assert found[Resource.LOAD, UP] == 600
    # 2,300 W more may be taken in all.
    assert found[Resource.BATTERY, DOWN] == 1_533
    assert found[Resource.LOAD, DOWN] == 400


def test_a_load_stops_only_what_surely_runs_beyond_the_standing_load() -> None:
    only = [allows(Resource.LOAD)]
    assert powers(list(movable(portfolio(LOAD), baseline(700.0, 150.0), only))) == {
        (Resource.LOAD, UP): 450, (Resource.LOAD, DOWN): 550,
    }  # fmt: skip


def test_generation_holds_back_only_what_is_surely_given() -> None:
    roof = portfolio(Generation(power_w=4_000))
    only = [allows(Resource.GENERATION)]
    assert powers(list(movable(roof, baseline(-1_200.0, 200.0), only))) == {
        (Resource.GENERATION, DOWN): 1_000
    }
    assert not list(movable(roof, baseline(500.0), only))


def test_the_owner_s_word_bounds_and_without_it_nothing_moves() -> None:
    kept = [allows(Resource.BATTERY, 800, 0, count=4)]
    (found,) = movable(portfolio(BATTERY), baseline(0.0), kept)
    assert found.movement.power_w[0].tolist() == [800.0] * 4 + [0.0] * 92
    assert not list(movable(portfolio(BATTERY), baseline(0.0), []))


def test_the_owner_s_times_bound() -> None:
    told = replace(allows(Resource.BATTERY), longest_s=2_700, rest_s=100_000, call_count=1)
    found = list(movable(portfolio(BATTERY), baseline(0.0), [told]))
    figures = [(one.movement.longest, one.movement.rest, one.movement.calls) for one in found]
    assert [[int(one[0]) for one in each] for each in figures] == [[3, 112, 1], [3, 112, 1]]
    short = replace(told, longest_s=600)
    assert not list(movable(portfolio(BATTERY), baseline(0.0), [short]))


def test_the_last_word_counts_whatever_the_order() -> None:
    old, new = allows(Resource.LOAD, 100), replace(allows(Resource.LOAD, 50), created_ms=2)
    for told in ([old, new], [new, old]):
        assert latest(told) == {(POD, Resource.LOAD): new}


def test_a_programme_that_leaves_less_room_counts() -> None:
    filed = programme(POD, DAY, np.full(96, 2_500.0))
    room = room_of(portfolio(BATTERY), baseline(-500.0), [filed])
    assert room.take_w.max() == 500.0
    assert room.give_w.max() == 2_500.0
    assert room.running_w.max() == room.given_w.max() == 0.0


def test_a_baseline_beyond_the_contract_leaves_no_room_that_way() -> None:
    room = room_of(portfolio(BATTERY), baseline(3_500.0), [])
    assert (room.take_w.max(), room.give_w.max()) == (0.0, 3_000.0)
    room = room_of(portfolio(BATTERY), baseline(-3_500.0), [])
    assert (room.take_w.max(), room.give_w.max()) == (3_000.0, 0.0)


def test_a_contract_that_lets_less_be_given_than_taken_counts() -> None:
    (one,) = portfolio(BATTERY).customers
    for feed_in_w, give_w in ((0, 700.0), (1_000, 1_700.0), (9_000, 3_000.0)):
        only = Portfolio.of("aggregator", [replace(one, feed_in_w=feed_in_w)])
        room = room_of(only, baseline(700.0), [])
        assert (room.give_w.max(), room.take_w.max()) == (give_w, 2_300.0)


def test_without_consent_nothing_is_offered() -> None:
    (one,) = portfolio(BATTERY, LOAD).customers
    hours = Interval(DAY.start_ms + 8 * QUARTER_MS, DAY.start_ms + 60 * QUARTER_MS)
    only = Portfolio.of("aggregator", [replace(one, consent=hours)])
    told = [allows(Resource.BATTERY), allows(Resource.LOAD)]
    found = list(movable(only, baseline(700.0), told))
    assert found
    for each in found:
        at = np.flatnonzero(each.movement.power_w[0])
        assert at.min() >= 8
        assert at.max() < 60


def test_a_baseline_that_rests_on_nothing_leaves_nothing() -> None:
    nothing = baseline(np.nan, ground=Ground.NOTHING)
    assert not list(movable(portfolio(BATTERY), nothing, [allows(Resource.BATTERY)]))


@pytest.mark.parametrize(("least_w", "offered"), [(450, True), (451, False)])
def test_less_than_what_is_worth_a_call_is_left_out(least_w: int, offered: bool) -> None:  # noqa: FBT001 -- a table
    only = [allows(Resource.LOAD, 450, 0)]
    found = list(movable(portfolio(LOAD), baseline(2_000.0), only, least_w=least_w))
    assert bool(found) is offered
