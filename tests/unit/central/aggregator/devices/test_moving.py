"""What devices are moved within: windows ahead, pieces, and room for what comes back."""

import numpy as np

from central.aggregator.devices.moving import (
    UNLIMITED,
    Leeway,
    Movement,
    best_piece,
    column,
    least_ahead,
    whole_quarters,
)
from central.aggregator.history import Floats
from central.documents.header import Direction


def leeway(take_w: Floats, give_w: Floats) -> Leeway:
    rows = len(take_w)
    wide = np.full_like(take_w, 9_000.0)
    none = np.zeros(rows, dtype=np.int64)
    return Leeway(take_w, give_w, wide, wide, wide, none + UNLIMITED, none, none + UNLIMITED)


def movement(
    direction: Direction,
    power_w: Floats,
    *,
    longest: int = 4,
    rest: int = 0,
    back_permille: int = 1_000,
    duration: int = 4,
) -> Movement:
    one = np.ones(len(power_w), dtype=np.int64)
    return Movement(
        direction=direction, power_w=power_w, least_w=np.zeros(len(power_w)),
        longest=one * longest, rest=one * rest, calls=one, back_permille=one * back_permille,
        delay=one * 0, duration=one * duration,
    )  # fmt: skip


def test_the_least_of_a_window_is_found_as_by_looking_at_each() -> None:
    dice = np.random.default_rng(1)
    values = dice.normal(size=(40, 96))
    first, length = dice.integers(0, 30, 40), dice.integers(1, 120, 40)
    padded = np.pad(values, ((0, 0), (0, 160)), mode="edge")
    naive = [
        [padded[row, at + first[row] :][: length[row]].min() for at in range(96)]
        for row in range(40)
    ]
    np.testing.assert_array_equal(least_ahead(values, first, length), naive)


def test_no_device_has_no_window() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert least_ahead(np.zeros((0, 96)), none, none).shape == (0, 96)


def test_what_comes_back_finds_room_when_it_does() -> None:
    take_w = np.full((1, 12), 4_000.0)
    take_w[0, 8] = 500.0
    room = leeway(take_w, np.full((1, 12), 4_000.0))
    fitted = movement(Direction.UP, np.full((1, 12), 2_000.0)).fitted(room)
    # An activation of up to four quarters that begins in 1 … 7 may come back in quarter 8.
    assert fitted.power_w[0].tolist() == [2_000.0] + [500.0] * 7 + [2_000.0] * 4
    assert fitted.rest.tolist() == [4]


def test_a_long_activation_that_comes_back_in_a_short_time_needs_more_room() -> None:
    room = leeway(np.full((1, 12), 1_000.0), np.full((1, 12), 1_000.0))
    fitted = movement(Direction.UP, np.full((1, 12), 2_000.0), duration=1).fitted(room)
    assert fitted.power_w[0].tolist() == [250.0] * 12


def test_more_taken_now_comes_back_as_less_taken_later() -> None:
    room = leeway(np.full((1, 12), 1_000.0), np.full((1, 12), 300.0))
    assert movement(Direction.DOWN, np.full((1, 12), 900.0)).fitted(room).power_w.max() == 300.0


def test_nothing_back_needs_no_room_and_no_rest() -> None:
    room = leeway(np.zeros((1, 12)), np.zeros((1, 12)))
    fitted = movement(Direction.UP, np.full((1, 12), 900.0), back_permille=0, rest=2).fitted(room)
    assert fitted.power_w.min() == 900.0
    assert fitted.rest.tolist() == [2]


def test_an_activation_of_no_length_moves_nothing() -> None:
    room = leeway(np.full((1, 12), 9_000.0), np.full((1, 12), 9_000.0))
    assert not movement(Direction.UP, np.full((1, 12), 900.0), longest=0).fitted(room).power_w.any()


def test_the_best_piece_moves_most_energy() -> None:
    power_w = np.array([[1.0, 5.0, 5.0, 1.0, 9.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 7.0]])
    piece = best_piece(power_w, np.array([2, 3]))
    assert (power_w * piece).sum(axis=1).tolist() == [10.0, 7.0]
    assert piece.sum(axis=1).max() <= 3
    assert not best_piece(power_w, np.array([0, 0])).any()


def test_columns_and_begun_quarters() -> None:
    assert column([1, 2]).shape == (2, 1)
    assert [whole_quarters(length_s) for length_s in (0, 1, 900, 901)] == [0, 1, 1, 2]
