"""Windows of slots and the bitmap of readings."""

import pytest

from ledger.facts.segment import bitmap, slots_per_window


@pytest.mark.parametrize(("window_ms", "slots"), [(4_000, 1), (60_000, 15), (900_000, 225)])
def test_a_window_is_a_whole_number_of_slots(window_ms: int, slots: int) -> None:
    assert slots_per_window(window_ms) == slots


@pytest.mark.parametrize("window_ms", [0, 3_999, 61_000, 904_000, -4_000])
def test_any_other_window_is_refused(window_ms: int) -> None:
    with pytest.raises(ValueError, match=r"is not 4 s … 15 min"):
        slots_per_window(window_ms)


def test_slot_i_of_the_window_is_bit_i_least_significant_first() -> None:
    assert bitmap([150, 151, 158, 164], 10, 15) == bytes([0b0000_0011, 0b0100_0001])
    assert bitmap([], 10, 15) == bytes(2)
