"""A value has one encoding: what we write is read again, and nothing else is read."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import codec
from ledger.errors import Rejected
from ledger.facts.record import (
    Answer,
    Boot,
    ClockStep,
    EmsAnswer,
    Gap,
    GapCause,
    Quality,
    Reading,
    Record,
    SetPointReceived,
    Verdict,
)

U32 = st.integers(0, 2**32 - 1)
U48 = st.integers(0, 2**48 - 1)
I31 = st.integers(-(2**31) + 1, 2**31 - 1)
STAMP = {"sequence": U48, "slot": U48, "offset_ms": st.integers(0, 3999)}
TEXT = st.text(max_size=200).filter(lambda text: len(text.encode(errors="replace")) < 2**16)


def phases(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[U32] * count)


def readings(count: int) -> st.SearchStrategy[Reading]:
    return st.builds(
        Reading,
        **STAMP,
        latency_ms=st.integers(0, 3999),
        power_w=I31,
        reactive_power_var=I31,
        voltages_mv=phases(count),
        currents_ma=phases(count),
        frequency_mhz=U32,
        import_wh=U48,
        export_wh=U48,
        quality=st.integers(0, 7).map(Quality),
        clock_error_ms=st.none() | U48,
    )


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    slot = draw(U48)
    from_slot = draw(st.integers(0, slot))
    return Gap(
        sequence=draw(U48),
        slot=slot,
        offset_ms=draw(st.integers(0, 3999)),
        from_slot=from_slot,
        to_slot=draw(st.integers(from_slot + 1, slot + 1).filter(lambda end: end < 2**48)),
        cause=draw(st.sampled_from(GapCause)),
    )


RECORDS: st.SearchStrategy[Record] = st.one_of(
    readings(1),
    readings(3),
    gaps().filter(lambda gap: gap.slot < 2**48 - 1),
    st.builds(
        Boot, **STAMP, boot_id=st.binary(min_size=8, max_size=8), software=TEXT, profile=TEXT
    ),
    st.builds(ClockStep, **STAMP, step_ms=st.integers(-(2**48) + 1, 2**48 - 1)),
    st.builds(
        SetPointReceived,
        **STAMP,
        set_point_id=st.binary(min_size=16, max_size=16),
        set_point_hash=st.binary(min_size=32, max_size=32),
        verdict=st.sampled_from(Verdict),
    ),
    st.builds(
        EmsAnswer,
        **STAMP,
        set_point_id=st.binary(min_size=16, max_size=16),
        answer=st.sampled_from(Answer),
    ),
)


@given(RECORDS)
def test_a_record_comes_back_from_its_bytes(record: Record) -> None:
    encoded = codec.encode_record(record)
    assert codec.decode_record(encoded) == record
    assert cbor2.dumps(cbor2.loads(encoded), canonical=True) == encoded


@given(st.lists(RECORDS, min_size=1, max_size=20))
def test_a_run_of_records_is_read_as_each_alone(records: list[Record]) -> None:
    encoded = [codec.encode_record(record) for record in records]
    assert [codec.record_of(row) for row in codec.read_rows(encoded)] == records


def heads_of(encoded: bytes) -> list[int]:
    """Return where each data item of a shallow CBOR array begins."""
    positions, at = [], 0
    while at < len(encoded):
        positions.append(at)
        major, argument = encoded[at] >> 5, encoded[at] & 31
        extra = {24: 1, 25: 2, 26: 4, 27: 8}.get(argument, 0)
        value = int.from_bytes(encoded[at + 1 : at + 1 + extra], "big") if extra else argument
        at += 1 + extra + (value if major in {2, 3} else 0)
    return positions


def lengthened(encoded: bytes, at: int) -> bytes | None:
    """Return the same value with one head a size longer than need be."""
    major, argument = encoded[at] & 0xE0, encoded[at] & 31
    if argument < 24:
        return encoded[:at] + bytes([major | 24, argument]) + encoded[at + 1 :]
    if argument < 27:
        width = {24: 1, 25: 2, 26: 4}[argument]
        widened = bytes([major | argument + 1]) + bytes(width) + encoded[at + 1 : at + 1 + width]
        return encoded[:at] + widened + encoded[at + 1 + width :]
    return None


@given(RECORDS, st.data())
def test_no_longer_encoding_is_read(record: Record, data: st.DataObject) -> None:
    encoded = codec.encode_record(record)
    at = data.draw(st.sampled_from(heads_of(encoded)))
    if encoded[at] >> 5 == 7 or (longer := lengthened(encoded, at)) is None:
        return
    assert list(cbor2.loads(longer)) == list(cbor2.loads(encoded))
    with pytest.raises(Rejected):
        codec.decode_record(longer)


@given(RECORDS, st.data())
def test_one_and_true_and_a_float_are_not_the_same(record: Record, data: st.DataObject) -> None:
    row = cbor2.loads(codec.encode_record(record))
    at = data.draw(st.sampled_from([n for n, value in enumerate(row) if type(value) is int]))
    wrong: object = bool(row[at]) if row[at] in {0, 1} else float(row[at])
    with pytest.raises(Rejected):
        codec.decode_record(cbor2.dumps([*row[:at], wrong, *row[at + 1 :]], canonical=True))


@given(st.lists(RECORDS, min_size=2, max_size=5), st.data())
def test_bytes_cannot_move_from_one_record_to_the_next(
    records: list[Record], data: st.DataObject
) -> None:
    encoded = [codec.encode_record(record) for record in records]
    cut = data.draw(st.integers(1, len(encoded[1]) - 1))
    moved = [encoded[0] + encoded[1][:cut], encoded[1][cut:], *encoded[2:]]
    with pytest.raises(Rejected):
        codec.read_rows(moved)


@given(st.lists(readings(1) | readings(3), min_size=1, max_size=20))
def test_readings_are_skimmed_as_they_are_read(records: list[Reading]) -> None:
    encoded = [codec.encode_record(record) for record in records]
    rows = codec.read_rows(encoded)
    places = [number for record in records for number in (record.sequence, record.slot)]
    assert codec.skim_readings(encoded) == (places, rows[0], rows[-1])


@given(st.lists(readings(1), min_size=2, max_size=5), st.data())
def test_bytes_cannot_move_from_one_reading_to_the_next(
    records: list[Reading], data: st.DataObject
) -> None:
    encoded = [codec.encode_record(record) for record in records]
    joined = b"".join(encoded)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(joined) - 1), max_size=len(encoded))))
    parts = [joined[a:b] for a, b in zip([0, *cuts], [*cuts, len(joined)], strict=True)]
    if parts == encoded:
        return
    assert codec.skim_readings(parts) is None
    with pytest.raises(Rejected):
        codec.read_rows(parts)


@given(st.lists(readings(1), min_size=1, max_size=3), RECORDS, st.data())
def test_among_readings_nothing_else_is_skimmed(
    records: list[Reading], other: Record, data: st.DataObject
) -> None:
    encoded = [codec.encode_record(record) for record in records]
    strange = data.draw(st.just(b"") | st.binary(max_size=20) | st.just(codec.encode_record(other)))
    place = data.draw(st.integers(0, len(encoded)))
    encoded.insert(place, strange)
    is_reading = isinstance(other, Reading) and strange == codec.encode_record(other)
    assert (codec.skim_readings(encoded) is not None) is is_reading


@settings(max_examples=2000)
@given(st.binary(max_size=400))
def test_hostile_bytes_end_in_rejected_or_in_their_own_encoding(hostile: bytes) -> None:
    readers = [
        codec.decode,
        codec.decode_record,
        codec.decode_header,
        codec.decode_segment,
        codec.decode_receipt,
        codec.decode_registration,
        codec.decode_window_entry,
        codec.decode_window_leaf,
        codec.decode_enrolment,
    ]
    for read in readers:
        try:
            read(hostile)
        except Rejected:
            continue
        assert cbor2.dumps(cbor2.loads(hostile), canonical=True) == hostile


@settings(max_examples=500)
@given(RECORDS, st.data())
def test_a_changed_byte_is_refused_or_another_record(record: Record, data: st.DataObject) -> None:
    encoded = bytearray(codec.encode_record(record))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        read = codec.decode_record(bytes(encoded))
    except Rejected:
        return
    assert read != record
    assert codec.encode_record(read) == bytes(encoded)
