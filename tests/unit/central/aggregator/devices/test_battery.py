"""Batteries: as long, and as often, as what is in them lasts."""

from dataclasses import replace

import numpy as np

from central.aggregator.devices.battery import move_batteries
from central.aggregator.devices.declared import Battery
from central.aggregator.devices.moving import UNLIMITED, Leeway, Movement
from central.documents.header import Direction


def leeway(room_w: float = 9_000.0, longest: int = UNLIMITED, calls: int = UNLIMITED) -> Leeway:
    wide = np.full((1, 96), room_w)
    most = np.array([longest]), np.array([0]), np.array([calls])
    return Leeway(wide, wide, wide, wide, wide, *most)


def moved(battery: Battery, within: Leeway) -> tuple[Movement, Movement]:
    up, down = move_batteries([battery], within)
    assert (up.direction, down.direction) == (Direction.UP, Direction.DOWN)
    return up, down


FULL = Battery(power_w=2_000, capacity_wh=8_000, charge_wh=4_000, efficiency_permille=1_000)


def test_what_is_in_it_lasts_for_so_long_at_full_power() -> None:
    up, down = moved(FULL, leeway())
    for each in (up, down):
        assert each.power_w.tolist() == [[2_000.0] * 96]
        assert each.longest.tolist() == [8]
        assert each.calls.tolist() == [1]


def test_losses_make_what_it_gives_shorter_and_what_it_takes_longer() -> None:
    lossy = Battery(power_w=2_000, capacity_wh=8_000, charge_wh=4_000, efficiency_permille=810)
    up, down = moved(lossy, leeway())
    assert up.longest.tolist() == [7]
    assert down.longest.tolist() == [8]
    assert up.back_permille.tolist() == [1_235]
    assert down.back_permille.tolist() == [810]


def test_with_short_activations_it_can_be_called_more_often() -> None:
    up, _ = moved(FULL, leeway(longest=3))
    assert (up.longest.tolist(), up.calls.tolist()) == ([3], [2])
    up, _ = moved(FULL, leeway(longest=3, calls=1))
    assert up.calls.tolist() == [1]


def test_half_the_room_makes_it_last_twice_as_long() -> None:
    up, _ = moved(FULL, leeway(room_w=1_000.0))
    assert (up.power_w.max(), up.longest.tolist()) == (1_000.0, [16])


def test_less_than_a_quarter_of_an_hour_is_less_power() -> None:
    nearly = Battery(power_w=2_000, capacity_wh=400, charge_wh=100, efficiency_permille=1_000)
    up, down = moved(nearly, leeway())
    assert (up.power_w.max(), up.longest.tolist()) == (400.0, [1])
    assert (down.power_w.max(), down.longest.tolist()) == (1_200.0, [1])


def test_what_is_to_last_longer_is_less_power() -> None:
    up, down = move_batteries([FULL], leeway(), 16)
    for each in (up, down):
        assert (each.power_w.max(), each.longest.tolist()) == (1_000.0, [16])
    up, _ = move_batteries([FULL], leeway(), 4)
    assert (up.power_w.max(), up.longest.tolist()) == (2_000.0, [8])


def test_an_empty_one_gives_nothing_and_a_full_one_takes_nothing() -> None:
    up, _ = moved(Battery(power_w=2_000, capacity_wh=400, charge_wh=0), leeway())
    assert not up.power_w.any()
    _, down = moved(Battery(power_w=2_000, capacity_wh=400, charge_wh=400), leeway())
    assert not down.power_w.any()


def test_it_is_filled_again_within_the_room_there_is() -> None:
    up, _ = moved(FULL, replace(leeway(), take_w=np.full((1, 96), 300.0)))
    # Twice the time at half the power: what comes back is at most the room.
    assert up.power_w.max() == 600.0
    assert up.duration.tolist() == [16]
