"""Records on the wire: golden bytes, salts, and what is out of range."""

import hashlib
import hmac
from typing import Any

import cbor2
import pytest

from ledger.codec.records import decode_record, encode_record, leaf_salt, read_rows, row_span
from ledger.errors import Rejected
from ledger.facts.record import Gap, GapCause, Quality, Reading

READING = Reading(
    sequence=7, slot=445_500_000, offset_ms=12, latency_ms=31, power_w=-1_800,
    reactive_power_var=360, voltages_mv=(230_200,), currents_ma=(7_826,), frequency_mhz=50_012,
    import_wh=1_000, export_wh=2_000, quality=Quality.GOOD, clock_error_ms=3,
)  # fmt: skip
ROW: list[Any] = [
    1, 1, 7, 445_500_000, 12, 31, -1_800, 360, [230_200], [7_826], 50_012, 1_000, 2_000, 0, 3,
]  # fmt: skip


def test_the_golden_bytes_of_a_reading() -> None:
    golden = "8f0101071a1a8dca600c181f390707190168811a0003833881191e9219c35c1903e81907d00003"
    assert encode_record(READING).hex() == golden
    assert decode_record(bytes.fromhex(golden)) == READING


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (0, 2, "out_of_range"),
        (1, 9, "wrong_shape"),
        (2, -1, "out_of_range"),
        (3, 2**48, "out_of_range"),
        (4, 4_000, "out_of_range"),
        (5, 4_000, "out_of_range"),
        (6, 2**31, "out_of_range"),
        (8, [1, 2], "wrong_shape"),
        (8, [230_200, 1, 1], "wrong_shape"),
        (9, [-1], "out_of_range"),
        (9, 7, "wrong_shape"),
        (10, None, "wrong_shape"),
        (13, 8, "out_of_range"),
        (14, "3", "wrong_shape"),
    ],
)
def test_a_value_out_of_range_is_refused(field: int, value: object, reason: str) -> None:
    row = [*ROW[:field], value, *ROW[field + 1 :]]
    with pytest.raises(Rejected) as refused:
        decode_record(cbor2.dumps(row))
    assert refused.value.reason == reason


@pytest.mark.parametrize("row", [[], [1], 5, None, "text", {1: 2}, ROW[:-1], [*ROW, 0], [1, 2, 3]])
def test_another_shape_is_refused(row: object) -> None:
    with pytest.raises(Rejected):
        decode_record(cbor2.dumps(row))


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (5, 12)])
def test_a_gap_ends_after_it_starts_and_not_in_the_future(start: int, end: int) -> None:
    gap = Gap(
        sequence=0, slot=10, offset_ms=0, from_slot=start, to_slot=end, cause=GapCause.OVERLOAD
    )
    with pytest.raises(Rejected):
        decode_record(encode_record(gap))


@pytest.mark.parametrize("count", [0, 226])
def test_a_segment_has_1_to_225_records(count: int) -> None:
    with pytest.raises(Rejected, match=f"{count} records"):
        read_rows([encode_record(READING)] * count)


def test_the_slots_that_a_row_covers() -> None:
    gap = Gap(sequence=8, slot=9, offset_ms=0, from_slot=3, to_slot=9, cause=GapCause.POWER_OFF)
    reading, missing = read_rows([encode_record(READING), encode_record(gap)])
    assert row_span(reading) == READING.span == (445_500_000, 445_500_001)
    assert row_span(missing) == gap.span == (3, 9)


def test_the_salt_is_the_head_of_an_hmac_of_the_sequence() -> None:
    expected = hmac.new(b"secret", (7).to_bytes(8, "big"), hashlib.sha256).digest()[:16]
    assert leaf_salt(b"secret", 7) == expected != leaf_salt(b"secret", 8)
