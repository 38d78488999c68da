"""The sealed files of the series, reading by reading, against evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from central.scd.audit.findings import Findings
from central.scd.columns import READINGS, readings_table
from central.scd.evidence import SqliteEvidence
from central.scd.manifest import SealedHour, read_manifest
from central.scd.sealing import within
from ledger.facts.interval import SLOT_MS

_NODES_AT_ONCE = 50
_LAST_NODE = (1 << 31) - 1

Places = set[tuple[int, int]]
"""Readings by node index and sequence."""

_ORDER = [("node_index", "ascending"), ("sequence", "ascending")]


def audit_series(
    evidence: SqliteEvidence, directory: Path, findings: Findings, *, unusable: Places
) -> int:
    """Check every sealed reading, but for `unusable` ones; return how many there were."""
    manifest = read_manifest(directory)
    left_out = unusable | {
        (entry.node_index, sequence)
        for entry in evidence.disputed_entries()
        for sequence in range(entry.first_sequence, entry.next_sequence)
    }
    count = 0
    for name in sorted(manifest.files()):
        hours = [hour for hour in manifest.hours.values() if hour.file == name]
        file = _File(directory / name, sorted(hours, key=lambda hour: hour.start_ms))
        try:
            count += _audit_file(evidence, file, left_out, findings)
        except (OSError, pa.ArrowException) as error:
            findings.note("series", name, "file", "a readable Parquet file", error)
    return count


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    hours: Sequence[SealedHour]


def _audit_file(evidence: SqliteEvidence, file: _File, left_out: Places, findings: Findings) -> int:
    found_schema = pq.read_schema(file.path)
    if found_schema != READINGS:
        findings.note("series", file.path.name, "schema", READINGS.names, found_schema.names)
        return 0
    nodes = [stored.node_index for stored in evidence.registrations()]
    count = 0
    for at in range(0, max(len(nodes), 1), _NODES_AT_ONCE):
        group = nodes[at : at + _NODES_AT_ONCE] or [0]
        # The last group takes every node above it too: one that is not enrolled is a finding.
        last = group[-1] if at + _NODES_AT_ONCE < len(nodes) else _LAST_NODE
        found = _sealed(file, group[0], last)
        count += found.num_rows
        expected = _evident(evidence, file, group, left_out)
        _compare(expected, _settled(found, left_out), file.path.name, findings)
    return count


def _sealed(file: _File, first_node: int, last_node: int) -> pa.Table:
    filters = [("node_index", ">=", first_node), ("node_index", "<=", last_node)]
    table = pq.read_table(file.path, filters=filters, schema=READINGS)
    parts = [within(table, hour.interval) for hour in file.hours]
    return pa.concat_tables(parts).sort_by(_ORDER)


def _evident(
    evidence: SqliteEvidence, file: _File, nodes: Sequence[int], left_out: Places
) -> pa.Table:
    parts = [READINGS.empty_table()]
    for hour in file.hours:
        bodies = [
            stored
            for node_index in nodes
            for stored in evidence.segment_bodies(
                node_index,
                hour.start_ms // SLOT_MS,
                hour.interval.end_ms // SLOT_MS,
                until_arrival=hour.through_arrival,
            )
            if (node_index, stored.entry.first_sequence) not in left_out
        ]
        parts.append(within(readings_table(bodies), hour.interval))
    return pa.concat_tables(parts).sort_by(_ORDER)


def _settled(found: pa.Table, left_out: Places) -> pa.Table:
    """Return the rows that can be judged: a contradiction may have come after the sealing."""
    if not left_out:
        return found
    pairs = zip(
        found.column("node_index").to_pylist(), found.column("sequence").to_pylist(), strict=True
    )
    return found.filter(pa.array([pair not in left_out for pair in pairs], pa.bool_()))


def _compare(expected: pa.Table, found: pa.Table, file: str, findings: Findings) -> None:
    # What was in no window when it was sealed may be in one by now.
    if expected.num_rows == found.num_rows:
        unknown = pc.is_null(found.column("log_window"))
        known = pc.if_else(unknown, None, expected.column("log_window"))
        place = expected.schema.get_field_index("log_window")
        expected = expected.set_column(place, READINGS.field("log_window"), known)
    if expected.equals(found):
        return
    by_place: dict[tuple[int, int], dict[str, int]] = {}
    for row in found.to_pylist():
        if by_place.setdefault(_place(row), row) is not row:
            name = f"{file} node {row['node_index']} sequence {row['sequence']}"
            findings.note("series", name, "sequence", "one row", "another one")
    for row in expected.to_pylist():
        name = f"{file} node {row['node_index']} sequence {row['sequence']}"
        stored = by_place.pop(_place(row), None)
        if stored is None:
            findings.note("series", name, "sequence", "a row", "none")
        else:
            findings.compare("series", name, row, stored)
    for node_index, sequence in by_place:
        name = f"{file} node {node_index} sequence {sequence}"
        findings.note("series", name, "sequence", "no row: no evidence for it", "one")


def _place(row: dict[str, int]) -> tuple[int, int]:
    return row["node_index"], row["sequence"]
