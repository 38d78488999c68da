"""Numbers out of registers: `struct` over the bytes as they came off the wire."""

import math
import struct
from collections.abc import Callable
from typing import Literal

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault

NumberType = Literal["f32", "s16", "u16", "s32", "u32", "s64", "u64"]
WordOrder = Literal["ABCD", "CDAB"]
Number = int | float
Unpack = Callable[[bytes, int], Number]

REGISTER_BYTES = 2
_FORMATS: dict[NumberType, str] = {
    "f32": ">f",
    "s16": ">h",
    "u16": ">H",
    "s32": ">i",
    "u32": ">I",
    "s64": ">q",
    "u64": ">Q",
}


def registers_of(number_type: NumberType) -> int:
    """Return how many registers a number takes."""
    return struct.calcsize(_FORMATS[number_type]) // REGISTER_BYTES


def unpacker(number_type: NumberType, order: WordOrder) -> Unpack:
    """Return the function that reads a number at a byte offset.

    ABCD has the most significant word first, CDAB the least significant one; the bytes
    inside a word are always big-endian.
    """
    form = struct.Struct(_FORMATS[number_type])
    if order == "ABCD" or form.size == REGISTER_BYTES:
        return lambda payload, offset: form.unpack_from(payload, offset)[0]
    return lambda payload, offset: form.unpack(
        _words_reversed(payload[offset : offset + form.size])
    )[0]


def whole(number: Number, scale: float, *, quantity: str) -> int:
    """Return a number times its scale, rounded to the nearest integer.

    Raises:
        MeterFault: METER_RANGE, when the register holds no number at all.
    """
    if not math.isfinite(number):
        raise MeterFault(f"{quantity} is {number}", cause=GapCause.METER_RANGE)
    return round(number * scale)


def _words_reversed(number: bytes) -> bytes:
    words = [number[i : i + REGISTER_BYTES] for i in range(0, len(number), REGISTER_BYTES)]
    return b"".join(reversed(words))
