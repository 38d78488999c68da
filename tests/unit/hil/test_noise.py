"""Chance that repeats."""

from hil.noise import Dice, mixed, seed_of, wander


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The first outputs of SplitMix64 seeded with 1234567, as published with the algorithm.
    golden = 0x9E37_79B9_7F4A_7C15
    states = [1234567 + golden * n for n in range(3)]
    assert [mixed(state % 2**64) for state in states] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_seeds_tell_names_apart() -> None:
    assert seed_of("sky", 1) != seed_of("sky", 2)
    assert seed_of("sky", 1) == seed_of("sky", 1)


def test_dice_repeat_and_stay_in_range() -> None:
    one, two = Dice("a", 1), Dice("a", 1)
    throws = [one.fraction() for _ in range(2000)]
    assert throws == [two.fraction() for _ in range(2000)]
    assert min(throws) >= 0.0
    assert max(throws) < 1.0
    assert 0.47 < sum(throws) / len(throws) < 0.53
    assert {one.pick(3) for _ in range(200)} == {0, 1, 2}
    assert not one.chance(0.0)


def test_wander_passes_through_its_knots_without_a_jump() -> None:
    before, at, after = (wander(5, 10_000 + ms, 1000) for ms in (-1, 0, 1))
    assert abs(at - before) < 0.01
    assert abs(after - at) < 0.01
    assert all(-1.0 <= wander(5, ms * 37, 1000) < 1.0 for ms in range(1000))
