"""Records as bytes; the hot path of the gateway reads whole segments of them.

Readings are checked by their grammar. Where that does not settle it, the deterministic encoding
is checked by length: no other encoding of the same integers is as short.
"""

import hmac
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import chain, repeat, starmap
from typing import Any

from cbor2 import dumps, loads

from ledger.codec.cbor import (
    HASH_BYTES,
    MAX_TEXT,
    U32,
    U48,
    VERSION,
    loads_plain,
    need_bytes,
    reject,
)
from ledger.codec.grammar import readings
from ledger.errors import Rejected
from ledger.facts.interval import SLOT_MS
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
    RecordKind,
    SetPointReceived,
    Verdict,
)
from ledger.facts.segment import MAX_RECORDS

SALT_BYTES = 16

Row = list[Any]
"""A record as it stands on the wire: version, kind, sequence, slot, offset, then its body."""

_BOOT_ID_BYTES = 8
_SET_POINT_ID_BYTES = 16
_I31 = (1 << 31) - 1
_ARGUMENT_BOUNDS = (24, 1 << 8, 1 << 16, 1 << 32, 1 << 64)
_HEAD_BYTES = (1, 2, 3, 5, 9, 99)


def leaf_salt(node_secret: bytes, sequence: int) -> bytes:
    """Return the salt of a record: only who holds the node's secret can foretell it."""
    return hmac.digest(node_secret, sequence.to_bytes(8, "big"), "sha256")[:SALT_BYTES]


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    kind, body = _ROWS[type(record)](record)
    return dumps([VERSION, kind, record.sequence, record.slot, record.offset_ms, *body])


def decode_record(encoded: bytes) -> Record:
    """Return the record that the bytes stand for.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    return record_of(read_rows([encoded])[0])


def read_rows(records: Sequence[bytes]) -> list[Row]:
    """Return the checked rows of up to 225 encoded records: what `decode_record` accepts, fast.

    Raises:
        Rejected: `not_canonical`, `wrong_shape` or `out_of_range`.
    """
    if not 1 <= len(records) <= MAX_RECORDS:
        reject(f"{len(records)} records; a segment holds 1 … {MAX_RECORDS}", "wrong_shape")
    if readings(records) is not None:
        return _loads_each(records)
    rows = list(map(loads_plain, records))
    try:
        measured = [row for row in rows if row[1] == RecordKind.READING]
        shortest_bytes = _check_readings(measured) if measured else 0
        for row in rows:
            if row[1] != RecordKind.READING:
                shortest_bytes += _check_event(row)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reject(f"no record of version {VERSION}: {error}", "wrong_shape")
    # Each record begins with an encoding of its row, none of which is shorter than the
    # deterministic one: equal in total means equal one by one, with nothing trailing.
    if shortest_bytes != sum(map(len, records)):
        reject("not the deterministic encoding of a record", "not_canonical")
    return rows


def skim_readings(records: Sequence[bytes]) -> tuple[list[int], Row, Row] | None:
    """Return sequence and slot of each record in turn, then first and last row.

    None if they are not all readings, checked as `read_rows` does. A segment of readings needs
    no more, and most of its fields are never decoded.
    """
    places = readings(records)
    if not places:
        return None
    *numbers, first, last = _loads_each([*places, records[0], records[-1]])
    return numbers, first, last


def record_of(row: Row) -> Record:
    """Return the record of a row that `read_rows` has checked."""
    stamp = {"sequence": row[2], "slot": row[3], "offset_ms": row[4]}
    match row[1], row[5:]:
        case RecordKind.READING, [latency, p, q, u, i, f, imported, exported, quality, error]:
            return Reading(
                **stamp, latency_ms=latency, power_w=p, reactive_power_var=q,
                voltages_mv=tuple(u), currents_ma=tuple(i), frequency_mhz=f,
                import_wh=imported, export_wh=exported, quality=Quality(quality),
                clock_error_ms=error,
            )  # fmt: skip
        case RecordKind.GAP, [from_slot, to_slot, cause]:
            return Gap(**stamp, from_slot=from_slot, to_slot=to_slot, cause=GapCause(cause))
        case RecordKind.BOOT, [boot_id, software, profile]:
            return Boot(**stamp, boot_id=boot_id, software=software, profile=profile)
        case RecordKind.CLOCK_STEP, [step_ms]:
            return ClockStep(**stamp, step_ms=step_ms)
        case RecordKind.SETPOINT, [identity, digest, verdict]:
            return SetPointReceived(
                **stamp,
                set_point_id=identity,
                set_point_hash=digest,
                verdict=Verdict(verdict),
            )
        case RecordKind.ANSWER, [identity, answer]:
            return EmsAnswer(**stamp, set_point_id=identity, answer=Answer(answer))
        case _:
            raise Rejected(f"no record of kind {row[1]!r}", reason="wrong_shape")


def row_span(row: Row) -> tuple[int, int] | None:
    """Return the slots that a checked row covers, half-open; None if it covers none."""
    if row[1] == RecordKind.READING:
        return row[3], row[3] + 1
    return (row[5], row[6]) if row[1] == RecordKind.GAP else None


def _loads_each(encoded: Sequence[bytes]) -> list[Any]:
    """Return the values of checked encodings, one after the other, decoded all at once."""
    return list(loads(b"\x9f" + b"".join(encoded) + b"\xff"))


def _reading_row(r: Reading) -> tuple[int, list[Any]]:
    measured = [r.latency_ms, r.power_w, r.reactive_power_var, list(r.voltages_mv)]
    counted = [list(r.currents_ma), r.frequency_mhz, r.import_wh, r.export_wh]
    return RecordKind.READING.value, [*measured, *counted, int(r.quality), r.clock_error_ms]


_ROWS: dict[type, Callable[[Any], tuple[int, list[Any]]]] = {
    Reading: _reading_row,
    Gap: lambda g: (RecordKind.GAP.value, [g.from_slot, g.to_slot, int(g.cause)]),
    Boot: lambda b: (RecordKind.BOOT.value, [b.boot_id, b.software, b.profile]),
    ClockStep: lambda c: (RecordKind.CLOCK_STEP.value, [c.step_ms]),
    SetPointReceived: lambda s: (
        RecordKind.SETPOINT.value,
        [s.set_point_id, s.set_point_hash, int(s.verdict)],
    ),
    EmsAnswer: lambda a: (RecordKind.ANSWER.value, [a.set_point_id, int(a.answer)]),
}

_ONLY_INT = {int}
_READING_FIELDS = 15
_STAMP_BOUNDS = ((VERSION, VERSION), (1, 6), (0, U48), (0, U48), (0, SLOT_MS - 1))
_READING_BOUNDS = (
    *_STAMP_BOUNDS,
    (0, SLOT_MS - 1),  # latency_ms
    (-_I31, _I31),  # power_w
    (-_I31, _I31),  # reactive_power_var
    (0, U32),  # frequency_mhz
    (0, U48),  # import_wh
    (0, U48),  # export_wh
    (0, int(Quality.CLOCK_UNSYNCHRONISED | Quality.SUBSTITUTED | Quality.OUT_OF_RANGE)),
)
_VOLTAGES, _CURRENTS, _CLOCK_ERROR = 8, 9, 14
_PHASE_COUNTS = {1, 3}


def _check_readings(rows: list[Row]) -> int:
    """Return the length [bytes] of the deterministic encoding of reading rows, column by column."""
    columns = list(zip(*rows, strict=True))
    if len(columns) != _READING_FIELDS:
        reject(f"a reading of {len(columns)} fields; expected {_READING_FIELDS}", "wrong_shape")
    errors = [error for error in columns.pop(_CLOCK_ERROR) if error is not None]
    currents, voltages = columns.pop(_CURRENTS), columns.pop(_VOLTAGES)
    phases = list(map(len, voltages))
    if not (phases == list(map(len, currents)) and _PHASE_COUNTS.issuperset(phases)):
        reject("a reading has one or three phases", "wrong_shape")
    heads_bytes = 3 * len(rows)
    no_errors_bytes = len(rows) - len(errors)
    length = sum(starmap(_ints_bytes, zip(columns, _READING_BOUNDS, strict=True)))
    length += _ints_bytes(list(chain.from_iterable(voltages)), (0, U32))
    length += _ints_bytes(list(chain.from_iterable(currents)), (0, U32))
    length += _ints_bytes(errors, (0, U48)) if errors else 0
    return heads_bytes + no_errors_bytes + length


def _check_event(row: Row) -> int:
    """Return the length [bytes] of the deterministic encoding of a row that is no reading."""
    fields = _EVENT_FIELDS[row[1]]
    length = 1 + sum(
        _ints_bytes((value,), bounds) for value, bounds in zip(row[:5], _STAMP_BOUNDS, strict=True)
    )
    length += sum(check(value) for check, value in zip(fields, row[5:], strict=True))
    if row[1] == RecordKind.GAP and not row[5] < row[6] <= row[3] + 1:
        reject("a gap ends after it starts, and not after its own slot", "out_of_range")
    return length


def _ints_bytes(values: Sequence[int], bounds: tuple[int, int]) -> int:
    """Return the length [bytes] of the shortest encoding of integers within inclusive bounds."""
    least, most = min(values), max(values)
    if set(map(type, values)) != _ONLY_INT:
        reject("expected an integer", "wrong_shape")
    if least < bounds[0] or most > bounds[1]:
        reject(f"{least} … {most} is not within {bounds[0]} … {bounds[1]}", "out_of_range")
    size = bisect_right(_ARGUMENT_BOUNDS, most)
    if least >= 0 and size == bisect_right(_ARGUMENT_BOUNDS, least):
        return len(values) * _HEAD_BYTES[size]
    arguments = [value if value >= 0 else ~value for value in values]
    return sum(map(_HEAD_BYTES.__getitem__, map(bisect_right, repeat(_ARGUMENT_BOUNDS), arguments)))


def _within(least: int, most: int) -> Callable[[Any], int]:
    return lambda value: _ints_bytes((value,), (least, most))


def _exactly(length: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:  # noqa: ANN401 -- checks what it is given
        need_bytes(value, length)
        return _HEAD_BYTES[bisect_right(_ARGUMENT_BOUNDS, length)] + length

    return check


def _text_bytes(text: Any) -> int:  # noqa: ANN401 -- checks what it is given
    if type(text) is not str or len(text) > MAX_TEXT:
        reject(f"expected a text of at most {MAX_TEXT} characters", "wrong_shape")
    length = len(text.encode())
    return _HEAD_BYTES[bisect_right(_ARGUMENT_BOUNDS, length)] + length


_EVENT_FIELDS: dict[int, tuple[Callable[[Any], int], ...]] = {
    RecordKind.GAP: (_within(0, U48), _within(0, U48), _within(1, len(GapCause))),
    RecordKind.BOOT: (_exactly(_BOOT_ID_BYTES), _text_bytes, _text_bytes),
    RecordKind.CLOCK_STEP: (_within(-U48, U48),),
    RecordKind.SETPOINT: (
        _exactly(_SET_POINT_ID_BYTES),
        _exactly(HASH_BYTES),
        _within(1, len(Verdict)),
    ),
    RecordKind.ANSWER: (_exactly(_SET_POINT_ID_BYTES), _within(1, len(Answer))),
}
