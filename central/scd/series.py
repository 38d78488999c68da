"""Every reading at 4 s, out of sealed Parquet and, where nothing is sealed yet, out of evidence.

Each reading comes exactly once: an hour's file holds every arrival up to the hour's offset, and
the evidence gives those after it.

```
 hour        08:00          09:00          10:00          now
 file        through 5 120  through 5 640  none
 evidence    arrivals >     arrivals >     all arrivals
             5 120          5 640
```
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from central.errors import StoreAway
from central.scd.columns import READINGS, readings_table
from central.scd.manifest import DAY_MS, HOUR_MS, Manifest, SealedHour, read_manifest
from central.scd.ports import Evidence
from central.scd.sealing import within
from central.scd.stored import SegmentEntry, StoredSegmentBody
from ledger.facts.interval import SLOT_MS, Interval

SERIES = pa.schema([*list(READINGS)[:-1], pa.field("state", pa.string(), nullable=False)])
"""What `Series.scan` yields: the columns of `READINGS`, and how far each reading has come."""

_QUERIES = Path(__file__).parent / "queries"
_READINGS_SQL = (_QUERIES / "readings.sql").read_text()
_SETTLED_SQL = (_QUERIES / "readings_settled.sql").read_text()
_QUARTERS_SQL = (_QUERIES / "quarters.sql").read_text()
_ROWS_AT_ONCE = 2_000_000
_SPANS = pa.schema(
    [
        ("node_index", pa.int32()),
        ("first_sequence", pa.int64()),
        ("next_sequence", pa.int64()),
        ("log_window", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files to read for an interval, and the hours in `partial` ones that do not count."""

    whole: list[str]
    partial: list[str]
    stale_hours: list[int]


class Series:
    """Reads the series; see the module for how each reading comes exactly once.

    Args:
        evidence: where what is not sealed comes from.
        directory: where the sealed files are.
    """

    def __init__(self, evidence: Evidence, directory: Path) -> None:
        self._evidence = evidence
        self._directory = directory
        self._engine = duckdb.connect(":memory:")

    def close(self) -> None:
        """Release the query engine."""
        self._engine.close()

    def scan(
        self, nodes: Sequence[int], interval: Interval, *, rows_at_once: int = _ROWS_AT_ONCE
    ) -> Iterator[pa.Table]:
        """Yield the readings of nodes in an interval, by time, in tables of `SERIES`.

        A table has about `rows_at_once` rows, in whole hours.

        Raises:
            StoreAway: a file or the evidence cannot be read.
        """
        if not nodes:
            return
        anchor = self._evidence.latest_anchor()
        anchored_count = anchor.size if anchor else 0
        step_ms = max(rows_at_once // len(nodes) * SLOT_MS // HOUR_MS, 1) * HOUR_MS
        start_ms = interval.start_ms
        while start_ms < interval.end_ms:
            end_ms = min((start_ms // HOUR_MS) * HOUR_MS + step_ms, interval.end_ms)
            part = self._steady_part(sorted(nodes), Interval(start_ms, end_ms), anchored_count)
            if part.num_rows:
                yield part
            start_ms = end_ms

    def quarter_sums(self, interval: Interval) -> pa.Table:
        """Return the sums of every node's quarter-hours out of sealed files alone.

        Raises:
            StoreAway: a file cannot be read.
        """
        files = self._files(read_manifest(self._directory), interval)
        with self._engine.cursor() as cursor:
            self._view(cursor, "whole", files.whole + files.partial)
            return self._ask(
                cursor, _QUARTERS_SQL, {"from_ms": interval.start_ms, "to_ms": interval.end_ms}
            )

    def _steady_part(self, nodes: list[int], interval: Interval, anchored_count: int) -> pa.Table:
        try:
            return self._part(nodes, interval, anchored_count)
        except StoreAway:
            # A file may have been sealed anew and removed since we read the manifest.
            return self._part(nodes, interval, anchored_count)

    def _part(self, nodes: list[int], interval: Interval, anchored_count: int) -> pa.Table:
        manifest = read_manifest(self._directory)
        files = self._files(manifest, interval)
        disputed = [e for e in self._evidence.disputed_entries() if e.node_index in nodes]
        unplaced = self._open_entries(nodes, interval, manifest)
        with self._engine.cursor() as cursor:
            self._view(cursor, "whole", files.whole)
            self._view(cursor, "partial", files.partial)
            cursor.register("late", self._late(nodes, interval, manifest))
            if unplaced or disputed:
                cursor.register("placed", _spans(unplaced))
                cursor.register("disputed", _spans(disputed))
            return self._ask(
                cursor,
                _READINGS_SQL if unplaced or disputed else _SETTLED_SQL,
                {
                    "from_ms": interval.start_ms, "to_ms": interval.end_ms, "nodes": nodes,
                    "first_node": nodes[0], "last_node": nodes[-1],
                    "stale_hours": files.stale_hours, "anchored_count": anchored_count,
                },
            ).cast(SERIES)  # fmt: skip

    def _files(self, manifest: Manifest, interval: Interval) -> _Files:
        used = {
            hour.file: hour.start_ms // DAY_MS * DAY_MS
            for start in _hour_starts(interval)
            if (hour := manifest.hours.get(start))
        }
        stale = {
            file: [
                start // HOUR_MS
                for start in range(day_ms, day_ms + DAY_MS, HOUR_MS)
                if start in manifest.hours and manifest.hours[start].file != file
            ]
            for file, day_ms in used.items()
            if file.startswith("day-")
        }
        partial = [file for file, hours in stale.items() if hours]
        whole = [file for file in used if file not in partial]
        return _Files(
            [str(self._directory / file) for file in whole],
            [str(self._directory / file) for file in partial],
            list(chain.from_iterable(stale.values())),
        )

    def _late(self, nodes: list[int], interval: Interval, manifest: Manifest) -> pa.Table:
        """Return the readings of an interval that no file holds.

        The feed was read up to the manifest's offset: an hour that is sealed and not waiting can
        only lack what arrived after that.
        """
        tables = [READINGS.empty_table()]
        sealed: list[SealedHour] = []
        for start_ms in _hour_starts(interval):
            hour = manifest.hours.get(start_ms)
            if hour and start_ms not in manifest.waiting:
                sealed.append(hour)
                continue
            after = hour.through_arrival if hour else 0
            span = Interval(start_ms, start_ms + HOUR_MS)
            tables.append(within(readings_table(self._bodies(nodes, span, after)), span))
        if sealed:
            tables += self._just_arrived(nodes, sealed, manifest.offset)
        return pa.concat_tables(tables)

    def _bodies(
        self, nodes: list[int], span: Interval, after_arrival: int
    ) -> Iterator[StoredSegmentBody]:
        first_slot, end_slot = span.start_ms // SLOT_MS, span.end_ms // SLOT_MS
        for node_index in nodes:
            yield from self._evidence.segment_bodies(
                node_index, first_slot, end_slot, after_arrival=after_arrival
            )

    def _just_arrived(
        self, nodes: list[int], sealed: list[SealedHour], offset: int
    ) -> Iterator[pa.Table]:
        first_slot = sealed[0].start_ms // SLOT_MS
        end_slot = sealed[-1].interval.end_ms // SLOT_MS
        for stored in self._evidence.bodies_since(nodes, offset):
            entry = stored.entry
            if entry.end_slot <= first_slot or entry.first_slot >= end_slot:
                continue
            table = readings_table([stored])
            for hour in sealed:
                if entry.arrival > hour.through_arrival:
                    yield within(table, hour.interval)

    def _open_entries(
        self, nodes: list[int], interval: Interval, manifest: Manifest
    ) -> list[SegmentEntry]:
        """Return the segments whose window was not known when their hour was sealed."""
        hours = [manifest.hours.get(start_ms) for start_ms in _hour_starts(interval)]
        return [
            entry
            for hour in hours
            if hour and hour.open_count
            for node_index in nodes
            for entry in self._evidence.segment_entries(
                node_index, hour.start_ms // SLOT_MS, hour.interval.end_ms // SLOT_MS
            )
        ]

    def _view(self, cursor: duckdb.DuckDBPyConnection, name: str, files: list[str]) -> None:
        if files:
            with _translating(self._directory):
                cursor.read_parquet(files).create_view(name)
        else:
            cursor.register(name, READINGS.empty_table())

    def _ask(
        self, cursor: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]
    ) -> pa.Table:
        with _translating(self._directory):
            return cursor.sql(query, params=parameters).to_arrow_table()


def _hour_starts(interval: Interval) -> range:
    return range(interval.start_ms // HOUR_MS * HOUR_MS, interval.end_ms, HOUR_MS)


def _spans(entries: Sequence[SegmentEntry]) -> pa.Table:
    unique = {(entry.node_index, entry.first_sequence): entry for entry in entries}
    return pa.Table.from_pylist(
        [
            {
                "node_index": entry.node_index,
                "first_sequence": entry.first_sequence,
                "next_sequence": entry.next_sequence,
                "log_window": entry.window,
            }
            for entry in unique.values()
        ],
        schema=_SPANS,
    )


@contextmanager
def _translating(directory: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreAway(
            f"the series cannot be read ({str(error).splitlines()[0]})",
            where=str(directory),
            remedy="type: certiflex central scd rebuild; the series is made again from evidence",
        ) from error
