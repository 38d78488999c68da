"""The reading half of the evidence: every look-up is one unchanging state of the database."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from central.scd import schema
from central.scd.database import Database
from central.scd.stored import (
    LATEST,
    Arrival,
    ArrivalKind,
    Equivocation,
    LastValue,
    NamedGap,
    QuarterSums,
    SegmentEntry,
    StoredAnchor,
    StoredRegistration,
    StoredSegmentBody,
    StoredWindow,
    Tally,
    Watermark,
)
from ledger.facts.segment import MAX_RECORDS

_PAGE = 1_000


class EvidenceLookup:
    """The look-ups of `ports.Evidence`; see there for what each of them promises."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def segment_entries(self, node_index: int, from_slot: int, end_slot: int) -> list[SegmentEntry]:
        """Return the segments covering any slot of `[from_slot, end_slot)`, by sequence."""
        column = schema.segment.c
        return [
            _entry(row)
            for row in self._all(
                sa.select(schema.segment)
                .where(
                    column.node_index == node_index,
                    column.end_slot > from_slot,
                    column.first_slot < end_slot,
                )
                .order_by(column.first_sequence)
            )
        ]

    def segment_bodies(
        self,
        node_index: int,
        from_slot: int,
        end_slot: int,
        *,
        after_arrival: int = 0,
        until_arrival: int = LATEST,
    ) -> list[StoredSegmentBody]:
        """Return the undisputed ones that arrived in `(after, until]`, with their bytes."""
        column = schema.segment.c
        return [
            StoredSegmentBody(entry=_entry(row), body=row.body)
            for row in self._all(
                _WITH_BODY.where(
                    column.node_index == node_index,
                    column.end_slot > from_slot,
                    column.first_slot < end_slot,
                    column.arrival > after_arrival,
                    column.arrival <= until_arrival,
                    sa.not_(column.disputed),
                ).order_by(column.first_sequence)
            )
        ]

    def segment_at(self, node_index: int, sequence: int) -> StoredSegmentBody | None:
        """Return the segment that holds a sequence, disputed or not."""
        column = schema.segment.c
        rows = self._all(
            _WITH_BODY.where(
                column.node_index == node_index,
                column.first_sequence <= sequence,
                column.first_sequence > sequence - MAX_RECORDS,
            )
            .order_by(column.first_sequence.desc())
            .limit(1)
        )
        if rows and sequence < rows[0].first_sequence + rows[0].record_count:
            return StoredSegmentBody(entry=_entry(rows[0]), body=rows[0].body)
        return None

    def bodies_since(self, nodes: Sequence[int], after_arrival: int) -> list[StoredSegmentBody]:
        """Return the undisputed segments of these nodes that arrived later, by arrival."""
        column = schema.segment.c
        query = _WITH_BODY.where(column.arrival > after_arrival, sa.not_(column.disputed))
        # The planner knows no statistics and would walk through all that a node ever sent.
        query = query.with_hint(schema.segment, "INDEXED BY segment_by_arrival", "sqlite")
        wanted = frozenset(nodes)
        return [
            StoredSegmentBody(entry=_entry(row), body=row.body)
            for row in self._all(query.order_by(column.arrival))
            if row.node_index in wanted
        ]

    def disputed_entries(self, node_index: int | None = None) -> list[SegmentEntry]:
        """Return the stored segments, of one node or all, that another content contradicts."""
        column = schema.segment.c
        here = sa.select(schema.segment).where(column.disputed)
        if node_index is not None:
            here = here.where(column.node_index == node_index)
        ordered = here.order_by(column.node_index, column.first_sequence)
        return [_entry(row) for row in self._all(ordered)]

    def equivocations(self, node_index: int) -> list[Equivocation]:
        """Return the contents of a node that contradict a segment stored before."""
        column = schema.equivocation.c
        here = sa.select(schema.equivocation).where(column.node_index == node_index)
        return [
            Equivocation(
                arrival=row.arrival, node_index=row.node_index, record_count=row.record_count,
                first_sequence=row.first_sequence, header_hash=row.header_hash,
                window=row.log_window,
            )
            for row in self._all(here.order_by(column.arrival))
        ]  # fmt: skip

    def quarters(self, node_index: int, from_quarter: int, to_quarter: int) -> list[QuarterSums]:
        """Return the sums of the quarters `[from_quarter, to_quarter)`, in order of time."""
        column = schema.quarter.c
        rows = self._all(
            sa.select(schema.quarter)
            .where(
                column.node_index == node_index,
                column.quarter >= from_quarter,
                column.quarter < to_quarter,
            )
            .order_by(column.quarter)
        )
        return [QuarterSums(**row._asdict()) for row in rows]

    def gaps(self, node_index: int, from_slot: int, end_slot: int) -> list[NamedGap]:
        """Return the gaps that touch `[from_slot, end_slot)`, in order of time."""
        column = schema.gap.c
        rows = self._all(
            sa.select(schema.gap)
            .where(
                column.node_index == node_index,
                column.to_slot > from_slot,
                column.from_slot < end_slot,
            )
            .order_by(column.from_slot)
        )
        return [NamedGap(**row._asdict()) for row in rows]

    def last_value(self, node_index: int) -> LastValue | None:
        """Return the latest undisputed reading of a node."""
        table = schema.last_value
        rows = self._all(sa.select(table).where(table.c.node_index == node_index))
        return LastValue(**rows[0]._asdict()) if rows else None

    def watermark(self, node_index: int) -> Watermark | None:
        """Return how far the evidence of a node reaches; None if there is none yet."""
        table = schema.watermark
        rows = self._all(sa.select(table).where(table.c.node_index == node_index))
        return Watermark(**rows[0]._asdict()) if rows else None

    def registrations(self, *, until_arrival: int | None = None) -> list[StoredRegistration]:
        """Return each node's registration, as of an arrival (None: now), by node index."""
        column, arrival = schema.registration.c, schema.arrival.c
        latest = sa.select(sa.func.max(column.arrival)).group_by(column.node_index)
        if until_arrival is not None:
            latest = latest.where(column.arrival <= until_arrival)
        rows = self._all(
            sa.select(schema.registration, arrival.body)
            .where(column.arrival.in_(latest), column.arrival == arrival.arrival)
            .order_by(column.node_index)
        )
        return [StoredRegistration(**row._asdict()) for row in rows]

    def registration_history(self, after_arrival: int) -> list[StoredRegistration]:
        """Return the registrations that arrived later, by arrival."""
        column, arrival = schema.registration.c, schema.arrival.c
        rows = self._all(
            sa.select(schema.registration, arrival.body)
            .where(column.arrival > after_arrival, column.arrival == arrival.arrival)
            .order_by(column.arrival)
        )
        return [StoredRegistration(**row._asdict()) for row in rows]

    def window_count(self) -> int:
        """Return the number of windows stored, which is the number of the next one."""
        latest = self._all(sa.select(sa.func.max(schema.ledger_window.c.log_window)))[0][0]
        return 0 if latest is None else latest + 1

    def windows(self, first: int, limit: int) -> list[StoredWindow]:
        """Return up to `limit` windows from `first` on."""
        column = schema.ledger_window.c
        rows = self._all(
            sa.select(
                column.log_window.label("window"), column.arrival, column.registry_arrival,
                column.closed_ms, column.entry,
            )
            .where(column.log_window >= first)
            .order_by(column.log_window)
            .limit(limit)
        )  # fmt: skip
        return [StoredWindow(**row._asdict()) for row in rows]

    def window_body(self, window: int) -> bytes | None:
        """Return a window as it arrived, with all that was in it."""
        column, arrival = schema.ledger_window.c, schema.arrival.c
        here = (column.log_window == window) & (column.arrival == arrival.arrival)
        rows = self._all(sa.select(arrival.body).where(here))
        return rows[0].body if rows else None

    def latest_anchor(self) -> StoredAnchor | None:
        """Return the anchor over the most windows."""
        return self._anchor(_ANCHOR.order_by(schema.anchor.c.size.desc()))

    def changes(self, since: int, limit: int, nodes: frozenset[int] | None = None) -> list[Arrival]:
        """Return up to `limit` arrivals after `since`; if nodes are given, no other node's."""
        arrival = schema.arrival.c
        feed = _FEED.where(arrival.arrival > since).order_by(arrival.arrival).limit(limit)
        if nodes is not None:
            feed = feed.where(arrival.node_index.is_(None) | arrival.node_index.in_(nodes))
        return [_arrival(row) for row in self._all(feed)]

    def last_arrival(self) -> int:
        """Return the number of the latest arrival, 0 while there is none."""
        return int(self._all(sa.select(sa.func.max(schema.arrival.c.arrival)))[0][0] or 0)

    def arrival_bodies(self, since: int, limit: int) -> Iterator[tuple[Arrival, bytes]]:
        """Yield up to `limit` arrivals after `since` with their bytes."""
        column = schema.arrival.c
        while limit > 0:
            page = self._all(
                _FEED.add_columns(column.body)
                .where(column.arrival > since)
                .order_by(column.arrival)
                .limit(min(limit, _PAGE))
            )
            if not page:
                return
            yield from ((_arrival(row), row.body) for row in page)
            since, limit = page[-1].arrival, limit - len(page)

    def tally(self) -> Tally:
        """Return how much there is."""
        segment, gap = schema.segment.c, schema.gap.c
        slots = sa.func.sum(gap.to_slot - gap.from_slot)
        with self.database.reading() as connection:
            counted = connection.execute(
                sa.select(sa.func.count(), sa.func.sum(segment.reading_count))
            ).one()
            causes = connection.execute(sa.select(gap.cause, slots).group_by(gap.cause)).all()
            anchored = connection.execute(sa.select(sa.func.max(schema.anchor.c.size))).scalar()
        return Tally(
            node_count=len(self.registrations()),
            segment_count=counted[0],
            conflict_count=self._all(sa.select(sa.func.count(schema.equivocation.c.arrival)))[0][0],
            reading_count=counted[1] or 0,
            gap_slots_by_cause=dict(causes),
            window_count=self.window_count(),
            anchored_count=anchored or 0,
        )

    def _anchor(self, query: sa.Select[Any]) -> StoredAnchor | None:
        rows = self._all(query.limit(1))
        return StoredAnchor(**rows[0]._asdict()) if rows else None

    def _all(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        with self.database.reading() as connection:
            return list(connection.execute(query).all())


_WITH_BODY = sa.select(schema.segment, schema.arrival.c.body).where(
    schema.segment.c.arrival == schema.arrival.c.arrival
)
_ANCHOR = sa.select(schema.anchor, schema.arrival.c.body).where(
    schema.anchor.c.arrival == schema.arrival.c.arrival
)
_FEED = sa.select(
    schema.arrival.c.arrival,
    schema.arrival.c.kind,
    schema.arrival.c.node_index,
    schema.arrival.c.reference,
    schema.arrival.c.arrived_ms,
    sa.func.coalesce(schema.segment.c.header_hash, schema.equivocation.c.header_hash).label(
        "header_hash"
    ),
    schema.segment.c.first_slot,
    schema.segment.c.end_slot,
).select_from(
    schema.arrival.outerjoin(
        schema.segment, schema.segment.c.arrival == schema.arrival.c.arrival
    ).outerjoin(schema.equivocation, schema.equivocation.c.arrival == schema.arrival.c.arrival)
)


def _entry(row: sa.Row[Any]) -> SegmentEntry:
    return SegmentEntry(
        node_index=row.node_index, first_sequence=row.first_sequence, record_count=row.record_count,
        first_slot=row.first_slot, end_slot=row.end_slot, reading_count=row.reading_count,
        header_hash=row.header_hash, previous_hash=row.previous_hash, arrival=row.arrival,
        window=row.log_window, disputed=row.disputed,
    )  # fmt: skip


def _arrival(row: sa.Row[Any]) -> Arrival:
    return Arrival(
        arrival=row.arrival, kind=ArrivalKind(row.kind), node_index=row.node_index,
        reference=row.reference, arrived_ms=row.arrived_ms, header_hash=row.header_hash,
        first_slot=row.first_slot, end_slot=row.end_slot,
    )  # fmt: skip
