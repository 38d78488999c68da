"""Checked rows as Arrow columns: one row for each reading, integers with the unit in the name."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa

from central.scd.checking import readings_of
from central.scd.stored import StoredSegmentBody
from ledger.codec import Row, decode_segment, read_rows
from ledger.facts.interval import SLOT_MS

READINGS = pa.schema(
    [
        pa.field("node_index", pa.int32(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("time_ms", pa.int64(), nullable=False),
        pa.field("latency_ms", pa.int32(), nullable=False),
        pa.field("power_w", pa.int32(), nullable=False),
        pa.field("reactive_power_var", pa.int32(), nullable=False),
        pa.field("voltage_l1_mv", pa.int64(), nullable=False),
        pa.field("voltage_l2_mv", pa.int64()),
        pa.field("voltage_l3_mv", pa.int64()),
        pa.field("current_l1_ma", pa.int64(), nullable=False),
        pa.field("current_l2_ma", pa.int64()),
        pa.field("current_l3_ma", pa.int64()),
        pa.field("frequency_mhz", pa.int64(), nullable=False),
        pa.field("import_wh", pa.int64(), nullable=False),
        pa.field("export_wh", pa.int64(), nullable=False),
        pa.field("quality", pa.int32(), nullable=False),
        pa.field("clock_error_ms", pa.int64()),
        pa.field("log_window", pa.int64()),
    ]
)
"""One reading of the series; `log_window` is None where the log did not hold it yet."""

_PHASES = 3


def readings_table(bodies: Iterable[StoredSegmentBody]) -> pa.Table:
    """Return the readings of stored segments, in the order given.

    Raises:
        Rejected: a body is not what was checked before it was stored.
    """
    node_indexes: list[int] = []
    windows: list[int | None] = []
    rows: list[Row] = []
    for stored in bodies:
        readings = readings_of(read_rows(decode_segment(stored.body).records))
        rows += readings
        node_indexes += repeat(stored.entry.node_index, len(readings))
        windows += repeat(stored.entry.window, len(readings))
    if not rows:
        return READINGS.empty_table()
    return _table(node_indexes, rows, windows)


def _table(node_indexes: list[int], rows: list[Row], windows: list[int | None]) -> pa.Table:
    _, _, sequence, slot, offset, latency, p, q, u, i, f, imported, exported, quality, error = zip(
        *rows, strict=True
    )
    times = [each * SLOT_MS + after for each, after in zip(slot, offset, strict=True)]
    columns: list[Sequence[Any]] = [
        node_indexes, sequence, times, latency, p, q, *_phases(u), *_phases(i), f, imported,
        exported, quality, error, windows,
    ]  # fmt: skip
    arrays = [pa.array(c, field.type) for c, field in zip(columns, READINGS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=READINGS)


def _phases(values: Sequence[Sequence[int]]) -> list[Sequence[int | None]]:
    padded = [value if len(value) == _PHASES else (value[0], None, None) for value in values]
    return list(zip(*padded, strict=True))
