"""Registrations, windows and anchors, recomputed from the bytes that arrived."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from central.scd import schema
from central.scd.audit.findings import Findings
from central.scd.database import Database
from central.scd.evidence import SqliteEvidence
from central.scd.ingest import read_anchor
from central.scd.logbook import read_window, window_leaves
from central.scd.stored import ArrivalKind
from ledger.checkpoint import verify_checkpoint
from ledger.codec import decode_registration, decode_window_entry
from ledger.errors import Rejected
from ledger.facts.window import WindowEntry
from ledger.merkle import Tree, leaf_hash, root
from ledger.signing import VerifyingKey

_PAGE = 200


@dataclass(slots=True)
class AuditedLog:
    """What the windows say: in which one each segment header is."""

    by_header: dict[tuple[int, bytes], int] = field(default_factory=dict)
    row_count: int = 0
    window_count: int = 0
    tree: Tree = field(default_factory=Tree)


def audit_log(
    database: Database,
    evidence: SqliteEvidence,
    findings: Findings,
    *,
    origin: str,
    log_key: VerifyingKey,
) -> AuditedLog:
    """Check registrations, windows and anchors; return what the windows hold."""
    audited = AuditedLog()
    with database.reading() as connection:
        audited.row_count += _registrations(connection, findings)
        for row in _arrivals(connection, schema.ledger_window, "log_window"):
            _window(row, evidence, findings, audited, origin)
        for row in _arrivals(connection, schema.anchor, "size"):
            _anchor(row, findings, audited, origin, log_key)
    return audited


def _registrations(connection: sa.Connection, findings: Findings) -> int:
    count = 0
    for row in _arrivals(connection, schema.registration, "arrival"):
        count += 1
        name = f"node {row.node_index} arrival {row.arrival}"
        try:
            registration = decode_registration(row.body)
        except Rejected as error:
            findings.note("arrival", name, "body", "a registration", error)
            continue
        expected = {"node_index": registration.node_index, "pod": registration.pod.code}
        findings.compare("registration", name, expected, row._asdict())
        _stamp(row, findings, name, ArrivalKind.REGISTRATION, registration.node_index)
    return count


def _window(
    row: "sa.Row[tuple[object, ...]]",
    evidence: SqliteEvidence,
    findings: Findings,
    audited: AuditedLog,
    origin: str,
) -> None:
    name = f"window {row.log_window}"
    audited.row_count += 1
    audited.window_count += 1
    try:
        encoded, members = read_window(row.body)
        entry = decode_window_entry(encoded)
    except Rejected as error:
        findings.note("arrival", f"{name} arrival {row.arrival}", "body", "a window", error)
        audited.tree.append(leaf_hash(row.entry))
        return
    if row.log_window != len(audited.tree):
        findings.note("ledger_window", name, "log_window", len(audited.tree), row.log_window)
    audited.tree.append(leaf_hash(encoded))
    _stamp(row, findings, name, ArrivalKind.WINDOW, entry.window)
    expected = {"log_window": entry.window, "closed_ms": entry.closed_ms, "entry": encoded}
    findings.compare("ledger_window", name, expected, row._asdict())
    if entry.origin != origin:
        findings.note("arrival", name, "body", f"a window of {origin}", entry.origin)
    found = root(window_leaves(entry.window, entry.node_count, members))
    if found != entry.root:
        findings.note("arrival", name, "body", f"members under the root {entry.root.hex()}", found)
    _registry(entry, row.registry_arrival, evidence, findings)
    for node_index, hashes in members:
        for digest in hashes:
            audited.by_header.setdefault((node_index, digest), entry.window)


def _registry(
    entry: WindowEntry, arrival: int, evidence: SqliteEvidence, findings: Findings
) -> None:
    leaves = [leaf_hash(each.body) for each in evidence.registrations(until_arrival=arrival)]
    if root(leaves) != entry.registry_root:
        findings.note(
            "ledger_window", f"window {entry.window}", "registry_arrival",
            f"registrations under the root {entry.registry_root.hex()}",
            f"those up to arrival {arrival}, under {root(leaves).hex()}",
        )  # fmt: skip


def _anchor(
    row: "sa.Row[tuple[object, ...]]",
    findings: Findings,
    audited: AuditedLog,
    origin: str,
    log_key: VerifyingKey,
) -> None:
    audited.row_count += 1
    name = f"size {row.size} arrival {row.arrival}"
    try:
        head = verify_checkpoint(read_anchor(row.body)[0], log_key)
    except Rejected as error:
        findings.note("arrival", name, "body", "a checkpoint signed by the log's key", error)
        return
    _stamp(row, findings, name, ArrivalKind.ANCHOR, head.size)
    findings.compare("anchor", name, {"size": head.size}, row._asdict())
    if head.origin != origin:
        findings.note("arrival", name, "body", f"a checkpoint of {origin}", head.origin)
    if head.size > len(audited.tree):
        findings.note("ledger_window", f"window {len(audited.tree)}", "log_window", "a row", "none")
    elif audited.tree.root(head.size) != head.root:
        findings.note(
            "ledger_window", f"windows 0 … {head.size - 1}", "entry",
            f"entries under the root {head.root.hex()}", audited.tree.root(head.size),
        )  # fmt: skip


def _stamp(
    row: "sa.Row[tuple[object, ...]]",
    findings: Findings,
    name: str,
    kind: ArrivalKind,
    reference: int,
) -> None:
    node_index = reference if kind is ArrivalKind.REGISTRATION else None
    found = {"kind": row.kind, "node_index": row.stamp_node_index, "reference": row.reference}
    expected = {"kind": kind.value, "node_index": node_index, "reference": reference}
    findings.compare("arrival", name, expected, found)


def _arrivals(
    connection: sa.Connection, table: sa.Table, order: str
) -> "sa.CursorResult[tuple[object, ...]]":
    arrival = schema.arrival.c
    return connection.execution_options(yield_per=_PAGE).execute(
        sa.select(
            table, arrival.kind, arrival.reference, arrival.body,
            arrival.node_index.label("stamp_node_index"),
        )
        .where(table.c.arrival == arrival.arrival)
        .order_by(table.c[order])
    )  # fmt: skip
