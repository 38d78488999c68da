"""Numbers out of registers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.meters.registers import NumberType, registers_of, unpacker, whole


def test_the_vendors_own_example() -> None:
    assert unpacker("f32", "ABCD")(bytes.fromhex("43663334"), 0) == pytest.approx(230.2, abs=1e-4)


@pytest.mark.parametrize(
    ("number_type", "words", "swapped", "value"),
    [
        ("u16", "0102", "0102", 0x0102),
        ("s16", "ffff", "ffff", -1),
        ("u32", "00010002", "00020001", 0x00010002),
        ("s32", "fffffffe", "fffeffff", -2),
        ("u64", "0001000200030004", "0004000300020001", 0x0001000200030004),
        ("s64", "ffffffffffffffff", "ffffffffffffffff", -1),
        ("f32", "3fc00000", "00003fc0", 1.5),
    ],
)
def test_both_word_orders(number_type: NumberType, words: str, swapped: str, value: float) -> None:
    assert unpacker(number_type, "ABCD")(b"\0\0" + bytes.fromhex(words), 2) == value
    assert unpacker(number_type, "CDAB")(b"\0\0" + bytes.fromhex(swapped), 2) == value
    assert registers_of(number_type) == len(words) // 4


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_come_back(value: float) -> None:
    assert unpacker("f32", "ABCD")(struct.pack(">f", value), 0) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_out_of_range(number: float) -> None:
    with pytest.raises(MeterFault, match="power is") as told:
        whole(number, 1, quantity="power")
    assert told.value.cause == GapCause.METER_RANGE


def test_a_number_is_scaled_and_rounded() -> None:
    assert whole(230.1999, 1000, quantity="voltage_l1") == 230_200
    assert whole(-0.6, 1, quantity="power") == -1
