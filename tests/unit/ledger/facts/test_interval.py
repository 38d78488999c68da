"""Slots, quarters and half-open intervals."""

import pytest

from ledger.facts.interval import Interval, quarter_start_ms, slot_of, slot_start_ms


def test_a_slot_is_four_seconds_from_the_epoch() -> None:
    assert [slot_of(ms) for ms in (0, 3_999, 4_000, -1)] == [0, 0, 1, -1]
    assert slot_start_ms(slot_of(1_782_000_001_234)) == 1_782_000_000_000


def test_a_quarter_starts_on_the_quarter() -> None:
    assert quarter_start_ms(900_000 * 7 + 899_999) == 900_000 * 7


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    interval = Interval(10, 20)
    assert 10 in interval
    assert 20 not in interval
    assert interval.duration_ms == 10


@pytest.mark.parametrize(
    ("other", "overlaps"), [((20, 30), False), ((0, 10), False), ((19, 30), True), ((12, 13), True)]
)
def test_neighbours_do_not_overlap(other: tuple[int, int], *, overlaps: bool) -> None:
    assert Interval(10, 20).overlaps(Interval(*other)) is overlaps


def test_an_interval_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="ends at 1 before it starts at 2"):
        Interval(2, 1)
