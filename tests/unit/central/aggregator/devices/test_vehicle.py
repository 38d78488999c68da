"""Cars: later as long as the night allows, sooner if they wait, never below 6 A."""

from datetime import date
from itertools import starmap

import numpy as np
import pytest

from central.aggregator.devices.declared import Vehicle
from central.aggregator.devices.moving import UNLIMITED, Leeway, Movement
from central.aggregator.devices.vehicle import charging, move_vehicles
from central.calendar import day_interval
from central.documents.header import Direction

DAY = date(2026, 6, 3)
SIDE = 200
# Plugged in from 18:00 to 7:00; four hours of charging at 2.3 kW.
CAR = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=28, energy_wh=9_200)


def leeway(room_w: float = 9_000.0, quarters: int = 96, **less: float) -> Leeway:
    wide = {
        name: np.full((1, quarters), less.get(name, room_w))
        for name in ("take_w", "give_w", "running_w", "up_w", "down_w")
    }
    none = np.zeros(1, dtype=np.int64)
    return Leeway(**wide, longest=none + UNLIMITED, rest=none, calls=none + UNLIMITED)


def moved(car: Vehicle, within: Leeway, day: date = DAY) -> dict[str, Movement]:
    return {
        each.name: each
        for each in move_vehicles([car], within, day_interval(day))
        if each.power_w.any()
    }


def where(each: Movement) -> tuple[int, int, float]:
    """Return the first and the last quarter in which it moves, and how much in the first."""
    at = np.flatnonzero(each.power_w[0])
    return int(at[0]), int(at[-1]), float(each.power_w[0, at[0]])


def test_a_car_that_charges_on_arrival_can_be_throttled_or_paused() -> None:
    found = moved(CAR, leeway())
    assert found.keys() == {f"{DAY} throttled", f"{DAY} paused"}
    throttled, paused = found[f"{DAY} throttled"], found[f"{DAY} paused"]
    assert throttled.direction is paused.direction is Direction.UP
    assert where(throttled) == (72, 87, 2_300.0 - 1_380.0)
    assert where(paused) == (72, 87, 2_300.0)
    assert paused.is_whole
    assert paused.in_one_piece
    assert paused.calls.tolist() == [1]
    # All 16 quarters wait until the plan would have ended, and come back at once after that.
    figures = (paused.longest, paused.delay, paused.duration, paused.back_permille)
    assert [each.tolist() for each in figures] == [[16], [0], [16], [1_000]]


def test_a_car_that_leaves_soon_can_wait_for_less_long() -> None:
    soon = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=92, energy_wh=9_200)
    paused = moved(soon, leeway())[f"{DAY} paused"]
    assert where(paused) == (72, 75, 2_300.0)
    assert [each.tolist() for each in (paused.longest, paused.delay, paused.duration)] == [
        [4], [12], [4],
    ]  # fmt: skip
    throttled = moved(soon, leeway())[f"{DAY} throttled"]
    assert throttled.longest.tolist() == [10]


def test_a_car_that_hardly_gets_full_in_time_is_left_alone() -> None:
    for leaves in (88, 80):
        car = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=leaves, energy_wh=9_200)
        assert not moved(car, leeway())


def test_where_the_contract_has_no_room_later_it_cannot_wait() -> None:
    assert not moved(CAR, leeway(take_w=1_000.0))


def test_a_car_that_waits_can_begin_sooner_at_six_amperes_or_more() -> None:
    late = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=28, energy_wh=9_200, starts_slot=92)
    sooner = moved(late, leeway())[f"{DAY} sooner"]
    assert sooner.direction is Direction.DOWN
    assert where(sooner) == (72, 91, 2_300.0)
    assert sooner.least_w.tolist() == [1_380.0]
    assert sooner.longest.tolist() == [16]


def test_the_night_before_reaches_into_the_day() -> None:
    late = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=28, energy_wh=9_200, starts_slot=4)
    paused = moved(late, leeway())["2026-06-02 paused"]
    # From 1:00 on, 16 quarters of charging and only 8 until it leaves at 7:00.
    assert where(paused) == (4, 11, 2_300.0)
    assert paused.delay.tolist() == [8]


def test_an_owner_who_allows_less_than_a_pause_allows_throttling_only() -> None:
    assert moved(CAR, leeway(up_w=2_000.0)).keys() == {f"{DAY} throttled"}


@pytest.mark.parametrize(
    ("day", "quarters", "begin"),
    [(date(2026, 3, 29), 92, 68), (date(2026, 10, 25), 100, 76), (DAY, 96, 72)],
)
def test_a_car_lives_by_the_clock(day: date, quarters: int, begin: int) -> None:
    stay = charging([CAR], np.full((1, quarters), 9_000.0), day_interval(day), day)
    figures = (stay.begin, stay.start, stay.stop, stay.end)
    expected = [begin, begin, begin + 16, quarters + 28]
    assert [int(each[0]) for each in figures] == expected
    assert stay.plan_w[0].sum() / 4 == pytest.approx(9_200)
    assert np.flatnonzero(stay.plan_w[0])[0] - SIDE == begin


def test_the_night_in_which_clocks_change_is_shorter_or_longer() -> None:
    nights = [(date(2026, 3, 28), 48), (date(2026, 10, 24), 56), (DAY, 52)]

    def length(day: date, _: int) -> int:
        stay = charging([CAR], np.full((1, 96), 9_000.0), day_interval(day), day)
        return int(stay.end[0] - stay.begin[0])

    assert list(starmap(length, nights)) == [count for _, count in nights]


def test_a_last_quarter_charges_what_is_missing() -> None:
    car = Vehicle(power_w=2_300, arrives_slot=72, leaves_slot=28, energy_wh=1_000)
    stay = charging([car], np.full((1, 96), 9_000.0), day_interval(DAY), DAY)
    assert stay.plan_w[0, SIDE + 72 : SIDE + 75].tolist() == [2_300.0, 1_700.0, 0.0]
    throttled = moved(car, leeway())[f"{DAY} throttled"]
    assert where(throttled) == (72, 72, 920.0)
