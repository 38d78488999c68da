"""Each arrival has its derived row, each derived row its arrival; no number is left out."""

import sqlalchemy as sa

from central.scd import schema
from central.scd.audit.findings import Findings
from central.scd.database import Database
from central.scd.stored import ArrivalKind

_HOLDERS = {
    ArrivalKind.SEGMENT: schema.segment,
    ArrivalKind.CONFLICT: schema.equivocation,
    ArrivalKind.REGISTRATION: schema.registration,
    ArrivalKind.WINDOW: schema.ledger_window,
}
_OF_NODES = (schema.segment, schema.gap, schema.quarter, schema.watermark, schema.last_value)


def audit_places(database: Database, findings: Findings) -> int:
    """Check that arrivals and derived rows answer to one another; return the rows looked at."""
    with database.reading() as connection:
        count = _dense(connection, findings)
        for kind, table in _HOLDERS.items():
            count += _held(connection, findings, kind, table)
        _anchors_held(connection, findings)
        for table in _OF_NODES:
            _enrolled(connection, findings, table)
    return count


def _dense(connection: sa.Connection, findings: Findings) -> int:
    column = schema.arrival.c.arrival
    count, latest = connection.execute(sa.select(sa.func.count(column), sa.func.max(column))).one()
    if count != (latest or 0):
        before = sa.func.lag(column, 1, 0).over(order_by=column).label("before")
        numbered = sa.select(column, before).subquery()
        holes = sa.select(numbered).where(numbered.c.arrival != numbered.c.before + 1)
        for arrival, last in connection.execute(holes):
            findings.note(
                "arrival", f"arrival {last + 1}", "arrival", "a row",
                f"nothing up to arrival {arrival}",
            )  # fmt: skip
    return int(count)


def _held(connection: sa.Connection, findings: Findings, kind: ArrivalKind, table: sa.Table) -> int:
    arrival = schema.arrival.c
    joined = schema.arrival.outerjoin(table, table.c.arrival == arrival.arrival)
    alone = sa.select(arrival.arrival, arrival.node_index, arrival.reference).select_from(joined)
    for row in connection.execute(
        alone.where(arrival.kind == kind.value, table.c.arrival.is_(None))
    ):
        name = f"arrival {row.arrival} node {row.node_index} at {row.reference}"
        findings.note(table.name, name, "arrival", "a row", "none")
    joined = table.outerjoin(schema.arrival, table.c.arrival == arrival.arrival)
    strays = sa.select(table.c.arrival).select_from(joined)
    wrong = arrival.arrival.is_(None) | (arrival.kind != kind.value)
    for (number,) in connection.execute(strays.where(wrong)):
        findings.note(
            table.name, f"arrival {number}", "arrival", f"an arrival of a {kind.name}", "none"
        )
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _anchors_held(connection: sa.Connection, findings: Findings) -> None:
    """Check that each anchored size has a row, under the latest of its arrivals."""
    arrival, anchor = schema.arrival.c, schema.anchor
    latest = (
        sa.select(arrival.reference, sa.func.max(arrival.arrival).label("arrival"))
        .where(arrival.kind == ArrivalKind.ANCHOR.value)
        .group_by(arrival.reference)
    )
    expected = {row.reference: row.arrival for row in connection.execute(latest)}
    found = {row.size: row.arrival for row in connection.execute(sa.select(anchor))}
    for size in sorted(expected.keys() | found.keys()):
        if expected.get(size) != found.get(size):
            findings.note("anchor", f"size {size}", "arrival", expected.get(size), found.get(size))


def _enrolled(connection: sa.Connection, findings: Findings, table: sa.Table) -> None:
    known = sa.select(schema.registration.c.node_index)
    strays = sa.select(table.c.node_index).where(table.c.node_index.not_in(known)).distinct()
    for (node_index,) in connection.execute(strays):
        findings.note(
            table.name, f"node {node_index}", "node_index", "an enrolled node", "another one"
        )
