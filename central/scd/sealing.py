"""Hours and days that are over, sealed into Parquet: delta-packed, zstd, by node and time."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from central.errors import StoreAway
from central.scd.columns import READINGS, readings_table
from central.scd.manifest import (
    DAY_MS,
    HOUR_MS,
    Manifest,
    SealedHour,
    make_durable,
    read_manifest,
    write_manifest,
)
from central.scd.ports import Evidence
from central.scd.stored import Arrival, ArrivalKind
from ledger.facts.interval import SLOT_MS, Interval

log = logging.getLogger("central")

_FEED_PAGE = 10_000
_NODES_AT_ONCE = 100
_ROW_GROUP = 122_880

PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": False,
    "column_encoding": dict.fromkeys(READINGS.names, "DELTA_BINARY_PACKED"),
}
"""How a sealed file is written."""


class Sealer:
    """Seals what is over, and seals it again when something arrives late.

    One process at a time; readers go on with what the manifest named when they looked.

    Args:
        evidence: where the readings come from.
        directory: where the files go.
        grace_ms: how long after its end an hour or day is sealed.
    """

    def __init__(self, evidence: Evidence, directory: Path, *, grace_ms: int) -> None:
        self._evidence = evidence
        self._directory = directory
        self._grace_ms = grace_ms
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(error, directory) from error
        self.manifest = read_manifest(directory)

    def seal_due(self, now_ms: int) -> int:
        """Seal every hour that is over and changed; return how many.

        Raises:
            StoreAway: the disk or the evidence refuses; what was sealed stands.
        """
        try:
            self._sweep()
            self._read_feed()
            due = sorted(h for h in self.manifest.waiting if h + HOUR_MS + self._grace_ms <= now_ms)
            for start_ms in due:
                self._keep(self.manifest.sealed(self._seal(start_ms)))
            for start_ms in self._days_due(now_ms):
                self._merge(start_ms)
        except OSError as error:
            raise _refused(error, self._directory) from error
        return len(due)

    def rebuild(self, now_ms: int) -> int:
        """Forget every file and seal all again from evidence; return how many hours."""
        self._keep(Manifest())
        return self.seal_due(now_ms)

    def _keep(self, manifest: Manifest) -> None:
        write_manifest(self._directory, manifest)
        self.manifest = manifest

    def _sweep(self) -> None:
        """Remove files that the manifest has not named since the last time we came by."""
        named = self.manifest.files()
        for path in self._directory.glob("*.parquet*"):
            if path.name not in named:
                path.unlink()

    def _read_feed(self) -> None:
        while page := self._evidence.changes(self.manifest.offset, _FEED_PAGE):
            touched = {hour for change in page for hour in self._hours_changed(change)}
            self._keep(self.manifest.read_up_to(page[-1].arrival, touched))

    def _hours_changed(self, change: Arrival) -> Iterator[int]:
        for start_ms in self._hours_of(change):
            sealed = self.manifest.hours.get(start_ms)
            if sealed is None or sealed.through_arrival < change.arrival:
                yield start_ms

    def _hours_of(self, change: Arrival) -> Iterator[int]:
        if change.kind is ArrivalKind.CONFLICT and change.node_index is not None:
            # Whatever this contradicts was taken out of the series: seal those hours again.
            for entry in self._evidence.disputed_entries(change.node_index):
                yield from _hours(entry.first_slot, entry.end_slot)
        elif change.first_slot is not None and change.end_slot is not None:
            yield from _hours(change.first_slot, change.end_slot)

    def _days_due(self, now_ms: int) -> list[int]:
        days = {h.start_ms // DAY_MS * DAY_MS for h in self.manifest.hours.values()
                if h.file.startswith("hour-")}  # fmt: skip
        return sorted(day for day in days if day + DAY_MS + self._grace_ms <= now_ms)

    def _seal(self, start_ms: int) -> SealedHour:
        through = self._evidence.last_arrival()
        name = f"hour-{start_ms}-{through}.parquet"
        tables = self._tables(Interval(start_ms, start_ms + HOUR_MS), through)
        row_count, open_count = self._write(name, tables)
        log.info("central.hour_sealed", extra={"file": name, "rows": row_count})
        return SealedHour(
            start_ms=start_ms, file=name, through_arrival=through, row_count=row_count,
            open_count=open_count,
        )  # fmt: skip

    def _tables(self, hour: Interval, through: int) -> Iterator[pa.Table]:
        nodes = [stored.node_index for stored in self._evidence.registrations()]
        for at in range(0, len(nodes), _NODES_AT_ONCE):
            bodies = [
                stored
                for node_index in nodes[at : at + _NODES_AT_ONCE]
                for stored in self._evidence.segment_bodies(
                    node_index,
                    hour.start_ms // SLOT_MS,
                    hour.end_ms // SLOT_MS,
                    until_arrival=through,
                )
            ]
            yield within(readings_table(bodies), hour)

    def _merge(self, day_ms: int) -> None:
        """Gather a day's hours into one file; what each hour holds does not change."""
        hours = [h for h in self.manifest.hours.values() if day_ms <= h.start_ms < day_ms + DAY_MS]
        through = max(hour.through_arrival for hour in hours)
        name = f"day-{day_ms}-{through}-{len(hours)}.parquet"
        self._write(name, self._merged(sorted(hours, key=lambda hour: hour.start_ms)))
        self._keep(self.manifest.moved([hour.start_ms for hour in hours], name))
        log.info("central.day_sealed", extra={"file": name, "hours": len(hours)})

    def _merged(self, hours: Sequence[SealedHour]) -> Iterator[pa.Table]:
        nodes = [stored.node_index for stored in self._evidence.registrations()]
        for at in range(0, len(nodes), _NODES_AT_ONCE):
            wanted = nodes[at : at + _NODES_AT_ONCE]
            parts = [self._part(hour, wanted[0], wanted[-1]) for hour in hours]
            yield pa.concat_tables(parts).sort_by(
                [("node_index", "ascending"), ("time_ms", "ascending")]
            )

    def _part(self, hour: SealedHour, first_node: int, last_node: int) -> pa.Table:
        filters = [("node_index", ">=", first_node), ("node_index", "<=", last_node)]
        table = pq.read_table(self._directory / hour.file, filters=filters, schema=READINGS)
        return within(table, hour.interval)

    def _write(self, name: str, tables: Iterable[pa.Table]) -> tuple[int, int]:
        """Write a file durably; return its rows, and those that no window of the log held yet."""
        fresh = self._directory / f"{name}.new"
        row_count = open_count = 0
        with pq.ParquetWriter(fresh, READINGS, **PARQUET) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=_ROW_GROUP)
                row_count += table.num_rows
                open_count += table.column("log_window").null_count
        make_durable(fresh)
        fresh.replace(self._directory / name)
        return row_count, open_count


def within(table: pa.Table, interval: Interval) -> pa.Table:
    """Return the rows whose instant lies in an interval."""
    times = table.column("time_ms")
    inside = pc.and_(pc.greater_equal(times, interval.start_ms), pc.less(times, interval.end_ms))
    return table.filter(inside)


def _hours(first_slot: int, end_slot: int) -> range:
    first_ms = first_slot * SLOT_MS // HOUR_MS * HOUR_MS
    return range(first_ms, end_slot * SLOT_MS, HOUR_MS)


def _refused(error: OSError, directory: Path) -> StoreAway:
    return StoreAway(
        f"the series cannot be written ({error.strerror})",
        where=str(error.filename or directory),
        remedy="free some space on that disk; the series is made again from evidence",
    )
