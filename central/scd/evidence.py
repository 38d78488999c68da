"""The evidence in SQLite: raw signed segments first, and all that is derived, in one commit."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from central.errors import Contradicted, NotTheNext
from central.scd import checking, schema
from central.scd.database import Database
from central.scd.folding import Extent, NodeFold
from central.scd.lookup import EvidenceLookup
from central.scd.ports import Members
from central.scd.quarters import sums_of, total
from central.scd.stored import (
    QUARTER_SLOTS,
    ArrivalKind,
    CheckedSegment,
    LastValue,
    Outcome,
    QuarterSums,
    Watermark,
)
from ledger.codec import Row, decode_segment, read_rows
from ledger.facts.segment import MAX_RECORDS


def _insert(table: sa.Table) -> str:
    return str(sa.insert(table).compile(dialect=sqlite.dialect()))


def _columns(table: sa.Table) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*table.columns.keys())


_INSERT_ARRIVAL = _insert(schema.arrival)
_INSERT_SEGMENT = _insert(schema.segment)
_INSERT_GAP = _insert(schema.gap)
_INSERT_QUARTER = _insert(schema.quarter)
_INSERT_LAST_VALUE = _insert(schema.last_value)

_ADD_QUARTER = f"""{_INSERT_QUARTER}
ON CONFLICT (node_index, quarter) DO UPDATE SET
  reading_count = quarter.reading_count + excluded.reading_count,
  flagged_count = quarter.flagged_count + excluded.flagged_count,
  import_ws = quarter.import_ws + excluded.import_ws,
  export_ws = quarter.export_ws + excluded.export_ws,
  first_import_wh = CASE WHEN excluded.first_slot < quarter.first_slot
                    THEN excluded.first_import_wh ELSE quarter.first_import_wh END,
  first_export_wh = CASE WHEN excluded.first_slot < quarter.first_slot
                    THEN excluded.first_export_wh ELSE quarter.first_export_wh END,
  first_slot = CASE WHEN excluded.first_slot < quarter.first_slot
               THEN excluded.first_slot ELSE quarter.first_slot END,
  last_power_w = CASE WHEN excluded.last_slot > quarter.last_slot
                 THEN excluded.last_power_w ELSE quarter.last_power_w END,
  last_import_wh = CASE WHEN excluded.last_slot > quarter.last_slot
                   THEN excluded.last_import_wh ELSE quarter.last_import_wh END,
  last_export_wh = CASE WHEN excluded.last_slot > quarter.last_slot
                   THEN excluded.last_export_wh ELSE quarter.last_export_wh END,
  last_slot = CASE WHEN excluded.last_slot > quarter.last_slot
              THEN excluded.last_slot ELSE quarter.last_slot END
"""
_LATER_VALUE = f"""{_INSERT_LAST_VALUE}
ON CONFLICT (node_index) DO UPDATE SET {
    ", ".join(f"{name} = excluded.{name}" for name in schema.last_value.columns.keys()[1:])
} WHERE excluded.sequence > last_value.sequence
"""
_SET_WATERMARK = f"""{_insert(schema.watermark)}
ON CONFLICT (node_index) DO UPDATE SET next_sequence = excluded.next_sequence,
  end_sequence = excluded.end_sequence, end_slot = excluded.end_slot,
  arrived_ms = excluded.arrived_ms
"""
_NEIGHBOURS = """
SELECT first_sequence, first_sequence + record_count, header_hash FROM segment
WHERE node_index = ? AND first_sequence > ? AND first_sequence < ?
"""
_COUNT_AT = "SELECT record_count FROM segment WHERE node_index = ? AND first_sequence = ?"

_KINDS = {
    Outcome.STORED: int(ArrivalKind.SEGMENT),
    Outcome.CONFLICT: int(ArrivalKind.CONFLICT),
}

_quarter_row = _columns(schema.quarter)
_gap_row = _columns(schema.gap)
_last_value_row = _columns(schema.last_value)


class SqliteEvidence(EvidenceLookup):
    """The evidence of `ports.Evidence`, in one SQLite file.

    Args:
        database: the file; this object closes it.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    # ── segments ────────────────────────────────────────────────────────────────────────────

    def commit_segments(self, segments: Sequence[CheckedSegment], arrived_ms: int) -> list[Outcome]:
        """Store segments and all that is derived from them; see `ports.SegmentStore`."""
        with self.database.writing() as connection:
            return Batch(connection, arrived_ms).commit(segments)

    # ── certificates ────────────────────────────────────────────────────────────────────────

    def commit_registrations(
        self, registrations: Sequence[tuple[int, str, bytes]], arrived_ms: int
    ) -> None:
        """Store registrations that differ from those stored; see `ports.CertificateStore`."""
        known = {stored.node_index: stored.body for stored in self.registrations()}
        with self.database.writing() as connection:
            number = next_arrival(connection)
            for node_index, pod, body in registrations:
                if known.get(node_index) == body:
                    continue
                known[node_index] = body
                row = (number, ArrivalKind.REGISTRATION, node_index, node_index, arrived_ms, body)
                connection.exec_driver_sql(_INSERT_ARRIVAL, row)
                store_registration(connection, number, node_index, pod)
                number += 1

    def commit_window(
        self,
        window: int,
        *,
        registry_arrival: int,
        closed_ms: int,
        entry: bytes,
        members: Members,
        body: bytes,
        arrived_ms: int,
    ) -> None:
        """Store the next window and note it on its segments; see `ports.CertificateStore`."""
        with self.database.writing() as connection:
            expected = count_windows(connection)
            if window != expected:
                raise NotTheNext(expected=expected, found=window)
            number = next_arrival(connection)
            row = (number, ArrivalKind.WINDOW, None, window, arrived_ms, body)
            connection.exec_driver_sql(_INSERT_ARRIVAL, row)
            missing = store_window(
                connection, window, (number, registry_arrival, closed_ms, entry), members
            )
            if missing:
                raise _not_stored(window, missing)

    def commit_anchor(self, size: int, body: bytes, arrived_ms: int) -> None:
        """Store a checkpoint over the first `size` windows; see `ports.CertificateStore`."""
        with self.database.writing() as connection:
            number = next_arrival(connection)
            row = (number, ArrivalKind.ANCHOR, None, size, arrived_ms, body)
            connection.exec_driver_sql(_INSERT_ARRIVAL, row)
            store_anchor(connection, size, number)


class Batch:
    """Segments on their way into one transaction, or on their way through it again."""

    def __init__(self, connection: sa.Connection, arrived_ms: int) -> None:
        self._connection = connection
        self._arrived_ms = arrived_ms
        self._folds: dict[int, NodeFold] = {}
        self._marks: dict[int, Watermark] = {}

    def commit(self, segments: Sequence[CheckedSegment]) -> list[Outcome]:
        """Keep new segments as the next arrivals; return the outcome of each."""
        self._look_around(segments)
        folded = [self._folds[segment.node_index].fold(segment) for segment in segments]
        fresh = [
            (segment, outcome)
            for segment, (outcome, is_new) in zip(segments, folded, strict=True)
            if is_new
        ]
        numbers = range(first := next_arrival(self._connection), first + len(fresh))
        self._keep(fresh, numbers)
        self._settle(fresh, numbers)
        return [outcome for outcome, _ in folded]

    def replay(self, segments: Sequence[CheckedSegment], numbers: Sequence[int]) -> None:
        """Derive again from segments that are kept under these arrivals already."""
        self._look_around(segments)
        folded = [self._folds[segment.node_index].fold(segment) for segment in segments]
        fresh = [(segment, outcome) for segment, (outcome, _) in zip(segments, folded, strict=True)]
        self._settle(fresh, numbers)

    def _settle(
        self, fresh: Sequence[tuple[CheckedSegment, Outcome]], numbers: Sequence[int]
    ) -> None:
        stored = []
        for number, (segment, outcome) in zip(numbers, fresh, strict=True):
            if outcome is Outcome.STORED:
                stored.append((number, segment))
            else:
                store_equivocation(self._connection, number, segment)
        rows = [_segment_row(segment, number) for number, segment in stored]
        _many(self._connection, _INSERT_SEGMENT, rows)
        counting = [segment for _, segment in stored]
        derive(self._connection, counting)
        self._advance(counting)
        for node_index, fold in self._folds.items():
            resettle(self._connection, node_index, fold.disputed)

    def _look_around(self, segments: Sequence[CheckedSegment]) -> None:
        nodes = {segment.node_index for segment in segments}
        self._folds = {node_index: NodeFold() for node_index in nodes}
        self._marks = watermarks(self._connection, nodes)
        for row in _of_nodes(self._connection, schema.equivocation, nodes):
            extent = Extent(
                row.first_sequence, row.first_sequence + row.record_count, row.header_hash
            )
            self._folds[row.node_index].contradictions.append(extent)
        for segment in segments:
            mark = self._marks.get(segment.node_index)
            if mark is not None and segment.first_sequence < mark.end_sequence:
                bounds = (segment.first_sequence - MAX_RECORDS, segment.next_sequence)
                found = self._connection.exec_driver_sql(_NEIGHBOURS, (segment.node_index, *bounds))
                self._folds[segment.node_index].know(Extent(*row) for row in found)

    def _keep(
        self, fresh: Sequence[tuple[CheckedSegment, Outcome]], numbers: Sequence[int]
    ) -> None:
        rows = [
            (
                number, _KINDS[outcome], segment.node_index, segment.first_sequence,
                self._arrived_ms, segment.body,
            )
            for number, (segment, outcome) in zip(numbers, fresh, strict=True)
        ]  # fmt: skip
        _many(self._connection, _INSERT_ARRIVAL, rows)

    def _advance(self, stored: Sequence[CheckedSegment]) -> None:
        counts = {(s.node_index, s.first_sequence): s.record_count for s in stored}
        reach = {n: (mark.end_sequence, mark.end_slot) for n, mark in self._marks.items()}
        for segment in stored:
            end_sequence, end_slot = reach.get(segment.node_index, (0, 0))
            reach[segment.node_index] = (
                max(segment.next_sequence, end_sequence),
                max(segment.end_slot, end_slot),
            )
        rows = [
            (node, self._contiguous(node, reach[node][0], counts), *reach[node], self._arrived_ms)
            for node in {segment.node_index for segment in stored}
        ]
        _many(self._connection, _SET_WATERMARK, rows)

    def _contiguous(
        self, node_index: int, end_sequence: int, counts: dict[tuple[int, int], int]
    ) -> int:
        mark = self._marks.get(node_index)
        sequence = mark.next_sequence if mark else 0
        while sequence < end_sequence:
            place = (node_index, sequence)
            count = counts.get(place)
            if count is None:
                count = self._connection.exec_driver_sql(_COUNT_AT, place).scalar()
            if count is None:
                break
            sequence += count
        return sequence


# ── what is derived; also used to derive it again ───────────────────────────────────────────


def derive(connection: sa.Connection, stored: Sequence[CheckedSegment]) -> None:
    """Add gaps, quarter sums and last values of segments that count."""
    gaps = [_gap_row(gap) for segment in stored for gap in segment.gaps]
    quarters = total(sums for segment in stored for sums in segment.quarters)
    latest: dict[int, LastValue] = {}
    for segment in stored:
        value, known = segment.last, latest.get(segment.node_index)
        if value and (known is None or value.sequence > known.sequence):
            latest[segment.node_index] = value
    _many(connection, _INSERT_GAP, gaps)
    _many(connection, _ADD_QUARTER, [_quarter_row(sums) for sums in quarters.values()])
    _many(connection, _LATER_VALUE, [_last_value_row(value) for value in latest.values()])


def resettle(connection: sa.Connection, node_index: int, disputed: Iterable[int]) -> None:
    """Take segments out of everything derived: another content contradicts them."""
    table = schema.segment
    for first_sequence in sorted(disputed):
        place = (table.c.node_index == node_index) & (table.c.first_sequence == first_sequence)
        was = connection.execute(sa.select(table).where(place)).one()
        if was.disputed:
            continue
        connection.execute(sa.update(table).where(place).values(disputed=True))
        gap = schema.gap.c
        connection.execute(
            sa.delete(schema.gap).where(
                gap.node_index == node_index,
                gap.sequence.between(first_sequence, first_sequence + was.record_count - 1),
            )
        )
        quarters = range(was.first_slot // QUARTER_SLOTS, -(-was.end_slot // QUARTER_SLOTS))
        _sum_again(connection, node_index, quarters)
        _find_last_again(connection, node_index, first_sequence, first_sequence + was.record_count)


def _sum_again(connection: sa.Connection, node_index: int, quarters: range) -> None:
    column = schema.quarter.c
    connection.execute(
        sa.delete(schema.quarter).where(
            column.node_index == node_index,
            column.quarter >= quarters.start,
            column.quarter < quarters.stop,
        )
    )
    table, arrival = schema.segment.c, schema.arrival.c
    bodies = connection.execute(
        sa.select(arrival.body).where(
            table.arrival == arrival.arrival,
            table.node_index == node_index,
            table.end_slot > quarters.start * QUARTER_SLOTS,
            table.first_slot < quarters.stop * QUARTER_SLOTS,
            sa.not_(table.disputed),
        )
    )
    parts: list[QuarterSums] = []
    for (body,) in bodies:
        parts += sums_of(node_index, _readings(body))
    sums = [s for s in total(parts).values() if s.quarter in quarters]
    _many(connection, _INSERT_QUARTER, [_quarter_row(s) for s in sums])


def _find_last_again(connection: sa.Connection, node_index: int, first: int, end: int) -> None:
    table, arrival, value = schema.segment.c, schema.arrival.c, schema.last_value.c
    here = (value.node_index == node_index) & value.sequence.between(first, end - 1)
    if not connection.execute(sa.delete(schema.last_value).where(here)).rowcount:
        return
    body = connection.execute(
        sa.select(arrival.body)
        .where(
            table.arrival == arrival.arrival,
            table.node_index == node_index,
            table.reading_count > 0,
            sa.not_(table.disputed),
        )
        .order_by(table.first_sequence.desc())
        .limit(1)
    ).scalar()
    if body is not None:
        row = _last_value_row(checking.last_value(node_index, _readings(body)[-1]))
        connection.exec_driver_sql(_INSERT_LAST_VALUE, row)


def watermarks(connection: sa.Connection, nodes: Iterable[int]) -> dict[int, Watermark]:
    """Return how far the evidence of each of these nodes reaches."""
    rows = _of_nodes(connection, schema.watermark, nodes)
    return {row.node_index: Watermark(**row._asdict()) for row in rows}


def next_arrival(connection: sa.Connection) -> int:
    """Return the number of the next arrival; only a writer may ask, writers take turns."""
    latest = connection.execute(sa.select(sa.func.max(schema.arrival.c.arrival))).scalar()
    return (latest or 0) + 1


def count_windows(connection: sa.Connection) -> int:
    """Return the number of windows stored."""
    latest = connection.execute(sa.select(sa.func.max(schema.ledger_window.c.log_window))).scalar()
    return 0 if latest is None else latest + 1


def store_registration(connection: sa.Connection, number: int, node_index: int, pod: str) -> None:
    """Note a registration's place among the arrivals."""
    row = {"arrival": number, "node_index": node_index, "pod": pod}
    connection.execute(sa.insert(schema.registration), row)


def store_equivocation(connection: sa.Connection, number: int, segment: CheckedSegment) -> None:
    """Note a contradiction's place among the arrivals."""
    row = {
        "arrival": number, "node_index": segment.node_index, "record_count": segment.record_count,
        "first_sequence": segment.first_sequence, "header_hash": segment.header_hash,
    }  # fmt: skip
    connection.execute(sa.insert(schema.equivocation), row)


def store_anchor(connection: sa.Connection, size: int, number: int) -> None:
    """Note the place among the arrivals of the anchor over `size` windows."""
    connection.execute(sa.delete(schema.anchor).where(schema.anchor.c.size == size))
    connection.execute(sa.insert(schema.anchor), {"size": size, "arrival": number})


def store_window(
    connection: sa.Connection,
    window: int,
    stamp: tuple[int, int, int, bytes],
    members: Members,
) -> list[tuple[int, bytes]]:
    """Note a window on its segments; return (node index, header hash) of those not stored.

    `stamp` is (arrival, registry arrival, closed_ms, entry).
    """
    row = dict(zip(schema.ledger_window.columns.keys(), (window, *stamp), strict=True))
    connection.execute(sa.insert(schema.ledger_window), row)
    missing = set(_pairs(members))
    for table in (schema.segment, schema.equivocation):
        missing -= _mark(connection, table, window, missing)
    return sorted(pair for pair in missing if not _is_stored(connection, *pair))


def _pairs(members: Members) -> list[tuple[int, bytes]]:
    return [(node_index, digest) for node_index, hashes in members for digest in hashes]


def _mark(
    connection: sa.Connection, table: sa.Table, window: int, wanted: set[tuple[int, bytes]]
) -> set[tuple[int, bytes]]:
    column = table.c
    outside = connection.execute(
        sa.select(column.node_index, column.first_sequence, column.header_hash).where(
            column.log_window.is_(None)
        )
    )
    found = [row for row in outside if (row.node_index, row.header_hash) in wanted]
    if found:
        update = (
            sa.update(table)
            .where(
                column.node_index == sa.bindparam("node"),
                column.first_sequence == sa.bindparam("first"),
                column.header_hash == sa.bindparam("digest"),
            )
            .values(log_window=window)
        )
        rows = [{"node": n, "first": first, "digest": digest} for n, first, digest in found]
        connection.execute(update, rows)
    return {(row.node_index, row.header_hash) for row in found}


def _is_stored(connection: sa.Connection, node_index: int, digest: bytes) -> bool:
    for table in (schema.segment, schema.equivocation):
        here = (table.c.node_index == node_index) & (table.c.header_hash == digest)
        if connection.execute(sa.select(sa.exists().where(here))).scalar():
            return True
    return False


def _not_stored(window: int, missing: Sequence[tuple[int, bytes]]) -> Contradicted:
    node_index, digest = missing[0]
    return Contradicted(
        f"{len(missing)} segments of the window are not stored, the first is "
        f"{digest.hex()} of node {node_index}",
        where=f"window {window}",
        remedy="send those segments first",
        reason="segment_not_stored",
    )


def _segment_row(segment: CheckedSegment, number: int) -> tuple[Any, ...]:
    return (
        segment.node_index, segment.first_sequence, segment.record_count, segment.first_slot,
        segment.end_slot, segment.reading_count, segment.header_hash, segment.previous_hash,
        number, None, False,
    )  # fmt: skip


def _of_nodes(
    connection: sa.Connection, table: sa.Table, nodes: Iterable[int]
) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.select(table).where(table.c.node_index.in_(nodes))).all()


def _readings(body: bytes) -> list[Row]:
    return checking.readings_of(read_rows(decode_segment(body).records))


def _many(connection: sa.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)
