"""Segments, node by node, and everything that is derived from them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from central.scd import schema
from central.scd.audit.findings import Findings
from central.scd.checking import check
from central.scd.database import Database
from central.scd.quarters import total
from central.scd.stored import QUARTER_SLOTS, ArrivalKind, CheckedSegment
from ledger.codec import decode_header, decode_registration, decode_segment
from ledger.errors import Rejected
from ledger.facts.interval import SLOT_MS
from ledger.facts.registry import NodeKey
from ledger.facts.segment import NO_HASH
from ledger.merkle import Tree
from ledger.signing import SEGMENT_CONTEXT, VerifyingKey, payload_of

_PAGE = 512

Windows = Mapping[tuple[int, bytes], int]


@dataclass(slots=True)
class AuditedNodes:
    """How much was looked at; `unusable` are (node index, sequence) that no segment says now."""

    row_count: int = 0
    reading_count: int = 0
    unusable: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The stored log, and its roots as far as they were asked for: many nodes see the same."""

    tree: Tree
    roots: dict[int, bytes] = field(default_factory=dict)

    def root(self, size: int) -> bytes:
        if size not in self.roots:
            self.roots[size] = self.tree.root(size)
        return self.roots[size]


@dataclass(frozen=True, slots=True)
class _Held:
    """A segment as it is stored, and as its bytes say it is; None if they say nothing."""

    row: Any
    segment: CheckedSegment | None

    @property
    def name(self) -> str:
        return f"node {self.row.node_index} sequence {self.row.first_sequence}"


@dataclass(slots=True)
class _Node:
    """A node's keys, and what its undisputed segments add up to."""

    index: int
    keys: Mapping[bytes, tuple[VerifyingKey, NodeKey]]
    contradictions: Sequence[Any]
    counting: list[CheckedSegment] = field(default_factory=list)
    unusable: list[Any] = field(default_factory=list)
    previous: CheckedSegment | None = None
    next_sequence: int = 0
    arrival: int = 0
    arrived_ms: int = 0
    end_sequence: int = 0
    end_slot: int = 0

    def reach(self, row: Any) -> None:  # noqa: ANN401 -- a row
        """Take note of how far the stored segments reach, whatever is in them."""
        end_sequence = row.first_sequence + row.record_count
        if row.first_sequence == self.next_sequence:
            self.next_sequence = end_sequence
        if row.arrival > self.arrival:
            self.arrival, self.arrived_ms = row.arrival, row.arrived_ms
        self.end_sequence = max(self.end_sequence, end_sequence)
        self.end_slot = max(self.end_slot, row.end_slot)

    def judges(self, table: str, place: int) -> bool:
        """Tell whether a derived row rests on usable segments only.

        Where the bytes of a segment say nothing any more, they are the finding, and not
        everything that was once derived from them.
        """
        return not any(_touches(table, place, row) for row in self.unusable)


def _touches(table: str, place: int, row: Any) -> bool:  # noqa: ANN401 -- a row
    if table == "quarter":
        first = row.first_slot // QUARTER_SLOTS
        return bool(first <= place <= max(row.end_slot - 1, row.first_slot) // QUARTER_SLOTS)
    if table == "gap":
        return bool(row.first_sequence <= place < row.first_sequence + row.record_count)
    return table == "last_value"


def audit_nodes(
    database: Database, findings: Findings, *, origin: str, windows: Windows, tree: Tree
) -> AuditedNodes:
    """Check every segment and all that is derived from it; return how much there was."""
    audited, seen = AuditedNodes(), _Seen(tree)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        database.reading() as connection,
    ):
        for index, keys in _keys(connection, findings).items():
            node = _Node(index, keys, _contradictions(connection, index))
            for held in _segments(connection, pool, node, findings, origin):
                audited.row_count += 1
                _segment(held, node, findings, windows)
                _checkpoint(held, seen, findings)
                if held.segment is not None:
                    audited.reading_count += held.segment.reading_count
            for held in _equivocations(connection, index, findings, origin):
                audited.row_count += 1
                _equivocation(held, findings, windows)
            audited.row_count += _derived(connection, node, findings)
            audited.unusable.update(
                (index, row.first_sequence + place)
                for row in node.unusable
                for place in range(row.record_count)
            )
    return audited


def _keys(
    connection: sa.Connection, findings: Findings
) -> dict[int, dict[bytes, tuple[VerifyingKey, NodeKey]]]:
    arrival, registration = schema.arrival.c, schema.registration.c
    rows = connection.execute(
        sa.select(registration.node_index, arrival.body)
        .where(registration.arrival == arrival.arrival)
        .order_by(registration.arrival)
    ).all()
    keys: dict[int, dict[bytes, tuple[VerifyingKey, NodeKey]]] = {}
    for node_index, body in rows:
        try:
            listed = [
                (VerifyingKey.decode(k.public_key), k) for k in decode_registration(body).keys
            ]
        except Rejected as error:
            findings.note("arrival", f"node {node_index}", "body", "a registration", error)
            listed = []
        keys.setdefault(node_index, {}).update({key.key_id: (key, k) for key, k in listed})
    return keys


def _segments(
    connection: sa.Connection,
    pool: ThreadPoolExecutor,
    node: _Node,
    findings: Findings,
    origin: str,
) -> Iterable[_Held]:
    table = schema.segment
    rows = connection.execution_options(yield_per=_PAGE).execute(
        _stamped(table).where(table.c.node_index == node.index).order_by(table.c.first_sequence)
    )
    for page in rows.partitions(_PAGE):
        # Signatures are checked while the interpreter goes on: the library lets it.
        signatures = pool.map(lambda row: _unsigned(row, node), page)
        held = [_Held(row, _checked(row, findings, origin)) for row in page]
        for each, why in zip(held, signatures, strict=True):
            if each.segment is not None and why:
                findings.note("arrival", each.name, "body", "a valid signature", why)
            yield each


def _equivocations(
    connection: sa.Connection, node_index: int, findings: Findings, origin: str
) -> Iterable[_Held]:
    table = schema.equivocation
    query = _stamped(table).where(table.c.node_index == node_index).order_by(table.c.arrival)
    for row in connection.execute(query).all():
        yield _Held(row, _checked(row, findings, origin))


def _checked(row: Any, findings: Findings, origin: str) -> CheckedSegment | None:  # noqa: ANN401 -- a row
    try:
        return check(row.body, origin)
    except Rejected as error:
        name = f"node {row.node_index} sequence {row.first_sequence}"
        findings.note("arrival", name, "body", "the segment that was checked", error)
        return None


def _unsigned(row: Any, node: _Node) -> str:  # noqa: ANN401 -- a row
    """Return why a segment's signature is not valid; nothing if it is."""
    try:
        message = decode_segment(row.body).signed_header
        key_id, payload = payload_of(message)
        if key_id not in node.keys:
            return "that of a key that is not registered"
        key, listed = node.keys[key_id]
        key.verify(message, SEGMENT_CONTEXT)
        header = decode_header(payload)
    except Rejected as error:
        return str(error)
    last_ms = max(header.end_slot - 1, header.first_slot) * SLOT_MS
    return "" if listed.is_valid_at(last_ms) else "that of a key not valid at that time"


def _segment(held: _Held, node: _Node, findings: Findings, windows: Windows) -> None:
    segment = held.segment
    node.reach(held.row)
    if segment is None:
        node.previous = None
        node.unusable.append(held.row)
        return
    expected: dict[str, object] = {
        "node_index": segment.node_index,
        "first_sequence": segment.first_sequence,
        "record_count": segment.record_count,
        "first_slot": segment.first_slot,
        "end_slot": segment.end_slot,
        "reading_count": segment.reading_count,
        "header_hash": segment.header_hash,
        "previous_hash": segment.previous_hash,
        "log_window": windows.get((segment.node_index, segment.header_hash)),
        "disputed": any(_overlaps(segment, other) for other in node.contradictions),
    }
    findings.compare("segment", held.name, expected, held.row._asdict())
    _stamp(held, findings, ArrivalKind.SEGMENT)
    _link(held, node, findings)
    if not expected["disputed"]:
        node.counting.append(_without_body(segment))


def _link(held: _Held, node: _Node, findings: Findings) -> None:
    segment, previous = held.segment, node.previous
    node.previous = segment
    if segment is None:
        return
    expected = None
    if segment.first_sequence == 0:
        expected = NO_HASH
    elif previous is not None and previous.next_sequence == segment.first_sequence:
        expected = previous.header_hash
    if expected is not None and expected != segment.previous_hash:
        findings.note("arrival", held.name, "body", f"a link to {expected.hex()}",
                      segment.previous_hash)  # fmt: skip


def _checkpoint(held: _Held, seen: _Seen, findings: Findings) -> None:
    """Compare the log that the node was shown with the one that is stored, as far as it goes."""
    claim = held.segment.checkpoint if held.segment else None
    if claim is None or claim[0] > len(seen.tree):
        return
    size, root = claim
    if seen.root(size) != root:
        findings.note(
            "ledger_window", f"windows 0 … {size - 1}", "entry",
            f"what {held.name} was shown: {root.hex()}", seen.root(size),
        )  # fmt: skip


def _equivocation(held: _Held, findings: Findings, windows: Windows) -> None:
    segment = held.segment
    if segment is None:
        return
    expected: dict[str, object] = {
        "node_index": segment.node_index,
        "first_sequence": segment.first_sequence,
        "record_count": segment.record_count,
        "header_hash": segment.header_hash,
        "log_window": windows.get((segment.node_index, segment.header_hash)),
    }
    findings.compare("equivocation", held.name, expected, held.row._asdict())
    _stamp(held, findings, ArrivalKind.CONFLICT)


def _stamp(held: _Held, findings: Findings, kind: ArrivalKind) -> None:
    segment, row = held.segment, held.row
    if segment is not None:
        expected = {"kind": kind.value, "node_index": segment.node_index,
                    "reference": segment.first_sequence}  # fmt: skip
        found = {"kind": row.kind, "node_index": row.stamp_node_index, "reference": row.reference}
        findings.compare("arrival", held.name, expected, found)


def _derived(connection: sa.Connection, node: _Node, findings: Findings) -> int:
    quarters = total(sums for segment in node.counting for sums in segment.quarters)
    lasts = [segment.last for segment in node.counting if segment.last is not None]
    expected: list[tuple[sa.Table, str, Mapping[int, Mapping[str, object]]]] = [
        (schema.quarter, "quarter", {key[1]: asdict(sums) for key, sums in quarters.items()}),
        (
            schema.gap,
            "sequence",
            {gap.sequence: asdict(gap) for segment in node.counting for gap in segment.gaps},
        ),
        (schema.last_value, "node_index", {last.node_index: asdict(last) for last in lasts[-1:]}),
        (schema.watermark, "node_index", _watermark(node)),
    ]
    return sum(
        _rows(connection, table, node, (key, rows), findings) for table, key, rows in expected
    )


def _watermark(node: _Node) -> dict[int, dict[str, object]]:
    if not node.end_sequence:
        return {}
    return {
        node.index: {
            "next_sequence": node.next_sequence, "end_sequence": node.end_sequence,
            "end_slot": node.end_slot, "arrived_ms": node.arrived_ms,
        }
    }  # fmt: skip


def _rows(
    connection: sa.Connection,
    table: sa.Table,
    node: _Node,
    expected_by: tuple[str, Mapping[int, Mapping[str, object]]],
    findings: Findings,
) -> int:
    key, expected = expected_by
    query = sa.select(table).where(table.c.node_index == node.index)
    found = {row[key]: row for row in connection.execute(query).mappings()}
    for place in sorted(expected.keys() | found.keys()):
        name = f"node {node.index}" + ("" if key == "node_index" else f" {key} {place}")
        if not node.judges(table.name, place):
            continue
        if place not in found:
            findings.note(table.name, name, key, "a row", "none")
        elif place not in expected:
            findings.note(table.name, name, key, "no row: no evidence for it", "one")
        else:
            findings.compare(table.name, name, expected[place], dict(found[place]))
    return len(found)


def _contradictions(connection: sa.Connection, node_index: int) -> Sequence[Any]:
    table = schema.equivocation
    return connection.execute(sa.select(table).where(table.c.node_index == node_index)).all()


def _overlaps(segment: CheckedSegment, other: Any) -> bool:  # noqa: ANN401 -- a row
    return bool(
        segment.first_sequence < other.first_sequence + other.record_count
        and other.first_sequence < segment.next_sequence
    )


def _without_body(segment: CheckedSegment) -> CheckedSegment:
    """Return the segment without its bytes: a node's whole history is held at once."""
    return replace(segment, body=b"")


def _stamped(table: sa.Table) -> sa.Select[Any]:
    arrival = schema.arrival.c
    return sa.select(
        table, arrival.kind, arrival.reference, arrival.arrived_ms, arrival.body,
        arrival.node_index.label("stamp_node_index"),
    ).where(table.c.arrival == arrival.arrival)  # fmt: skip
