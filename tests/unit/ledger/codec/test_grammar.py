"""The grammar of a reading accepts exactly what the field by field check accepts."""

from typing import Any

import pytest
from cbor2 import dumps
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import records as records_module
from ledger.codec.cbor import loads_plain
from ledger.codec.grammar import READING
from ledger.codec.records import read_rows
from ledger.errors import Rejected

U32, U48, I31 = (1 << 32) - 1, (1 << 48) - 1, (1 << 31) - 1
EDGES = [0, 1, 23, 24, 255, 256, 3_999, 4_000, 65_535, 65_536, I31 - 1, I31, I31 + 1, U32, U32 + 1,
         U48, U48 + 1, (1 << 64) - 1]  # fmt: skip
STRANGE = [-1, -24, -25, -256, -257, -I31, -I31 - 1, None, True, 1.0, b"x", "x"]
numbers = st.sampled_from([*EDGES, *(-edge for edge in EDGES), -I31 - 1]) | st.integers(0, 5_000)
FIELDS: list[Any] = [
    1, 1, 70_000, 445_500_000, 12, 31, -1_800, 360, [230_100], [7_826], 50_012, 1_000_000, 2_000,
    0, 3,
]  # fmt: skip


def field_by_field(record: bytes) -> bool:
    """Tell what the check without the grammar says."""
    row = loads_plain(record)
    try:
        length = records_module._check_readings([row])
    except (Rejected, TypeError, ValueError, LookupError, AttributeError):
        return False
    return row[1] == 1 and length == len(record)


def judged(fields: list[Any]) -> bool:
    record = dumps(fields)
    by_grammar = READING.fullmatch(record) is not None
    assert by_grammar == field_by_field(record), fields
    return by_grammar


def test_a_reading_matches() -> None:
    assert judged(FIELDS)
    assert judged([*FIELDS[:8], [1, 2, 3], [4, 5, 6], *FIELDS[10:]])
    assert judged([*FIELDS[:14], None])


@pytest.mark.parametrize("place", range(len(FIELDS)))
@pytest.mark.parametrize("edge", [*EDGES, *STRANGE], ids=repr)
def test_every_edge_of_every_field(place: int, edge: object) -> None:
    value: object = [edge] if place in {8, 9} else edge
    judged([*FIELDS[:place], value, *FIELDS[place + 1 :]])


@given(st.lists(numbers, min_size=12, max_size=12), st.sampled_from([0, 1, 2, 3]), st.data())
def test_any_values(values: list[int], phases: int, data: st.DataObject) -> None:
    currents = data.draw(st.sampled_from([phases, 1, 3]))
    electric = [
        data.draw(st.lists(numbers, min_size=count, max_size=count)) for count in (phases, currents)
    ]
    judged([1, 1, *values[:6], *electric, *values[6:10], values[10]])


@given(st.integers(0, len(dumps(FIELDS)) - 1), st.integers(0, 255))
def test_any_byte(place: int, byte: int) -> None:
    record = bytearray(dumps(FIELDS))
    record[place] = byte
    matches = READING.fullmatch(bytes(record)) is not None
    try:
        accepted = read_rows([bytes(record)])[0][1] == 1
    except Rejected:
        accepted = False
    assert matches == accepted


def test_a_longer_encoding_of_the_same_values_is_refused() -> None:
    record = dumps(FIELDS)
    assert record[:3] == b"\x8f\x01\x01"
    assert READING.fullmatch(b"\x8f\x18\x01" + record[2:]) is None
    assert READING.fullmatch(b"\x98\x0f" + record[1:]) is None
    assert READING.fullmatch(record + b"\x00") is None
