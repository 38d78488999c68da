"""Loads: what runs can stop, what stands still can run, and a process moves as a whole."""

import numpy as np

from central.aggregator.devices.declared import Load
from central.aggregator.devices.load import move_loads
from central.aggregator.devices.moving import UNLIMITED, Leeway, Movement
from central.documents.header import Direction
from central.documents.offer import Rebound

NOTHING_BACK = Rebound(share_permille=0, delay_s=0, duration_s=900)


def leeway(running_w: list[float]) -> Leeway:
    running = np.array([running_w])
    wide = np.full(running.shape, 9_000.0)
    none = np.zeros(1, dtype=np.int64)
    return Leeway(wide, wide, running, wide, wide, none + UNLIMITED, none, none + UNLIMITED)


def moved(load: Load, within: Leeway) -> dict[tuple[Direction, bool], Movement]:
    return {
        (each.direction, each.in_one_piece): each
        for each in move_loads([load], within)
        if each.power_w.any()
    }


def test_its_part_of_what_runs_can_stop_and_the_rest_of_it_can_start() -> None:
    load = Load(power_w=1_000, share_permille=500, rebound=NOTHING_BACK)
    found = moved(load, leeway([400.0, 3_000.0, 0.0]))
    assert found[Direction.UP, False].power_w.tolist() == [[200.0, 1_000.0, 0.0]]
    assert found[Direction.DOWN, False].power_w.tolist() == [[800.0, 0.0, 1_000.0]]


def test_a_process_moves_once_in_the_piece_that_moves_most() -> None:
    load = Load(power_w=1_000, longest_s=1_800, rebound=NOTHING_BACK, in_one_piece=True)
    found = moved(load, leeway([100.0, 700.0, 800.0, 200.0]))
    assert found.keys() == {(Direction.UP, True), (Direction.DOWN, True)}
    up = found[Direction.UP, True]
    assert up.power_w.tolist() == [[0.0, 700.0, 800.0, 0.0]]
    assert up.calls.tolist() == [1]


def test_it_comes_back_as_declared_with_begun_quarters_counted() -> None:
    back = Rebound(share_permille=1_200, delay_s=1, duration_s=1_000)
    up = moved(Load(power_w=1_000, rebound=back), leeway([900.0] * 8))[Direction.UP, False]
    figures = (up.back_permille, up.delay, up.duration, up.rest)
    assert [each.tolist() for each in figures] == [[1_200], [1], [2], [3]]
