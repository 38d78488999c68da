"""One stored value is changed behind the database's back; the audit names the row and column."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from central.documents.encoding import sign
from central.scd.audit import Finding
from central.scd.audit.findings import Findings
from central.scd.documents import checked
from ledger.codec import decode_segment, decode_window_entry, encode_window_entry
from ledger.codec.cbor import decode, encode
from ledger.facts.record import GapCause
from ledger.signing import SigningKey
from tests.documents import ALERT, OFFER, REQUEST
from tests.exchange import Exchange, exchange
from tests.scd import HOUR_MS, World, world
from tests.segments import FIRST_MS, TestNode, lively


def fill(made: World) -> None:
    made.enrol()
    made.minutes(2)
    made.minutes(1, gaps={2: GapCause.METER_CRC})
    twin = TestNode(
        3, power=lively(99), key=made.nodes[3].key, slot=made.nodes[3].slot,
        sequence=made.nodes[3].sequence, previous_hash=made.nodes[3].previous_hash,
    )  # fmt: skip
    bodies = [*(node.segment() for node in made.nodes), twin.segment()]
    made.services.ingest.segments(bodies)
    made.services.ingest.window(made.log.close(bodies))
    made.minutes(2)
    made.anchor(4)
    made.central.sealer.seal_due(FIRST_MS + HOUR_MS)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as filled:
        fill(filled)
        yield filled


def tamper(made: World, statement: str, *values: object) -> None:
    """Change one row, past every check of ours."""
    with closing(sqlite3.connect(made.central.config.store.evidence)) as connection:
        changed = connection.execute(statement, values).rowcount
        connection.commit()
    assert changed == 1, "the test must change one row"


def body_of(made: World, kind: int, node_index: int | None = None) -> tuple[int, bytes]:
    query = "SELECT arrival, body FROM arrival WHERE kind = ? AND node_index IS ? ORDER BY arrival"
    with closing(sqlite3.connect(made.central.config.store.evidence)) as connection:
        arrival, body = connection.execute(query, (kind, node_index)).fetchone()
    return arrival, body


def test_a_node_that_was_shown_another_log_is_named(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.enrol()
        made.minutes(3)
        honest, forked = made.log.tree.root(2), b"\x09" * 32
        for node in made.nodes:
            node.checkpoint = (2, honest)
        made.nodes[1].checkpoint = (3, forked)
        made.nodes[2].checkpoint = (900, forked)
        made.minutes(1)
        (finding,) = made.audit().findings
    assert (finding.table, finding.row) == ("ledger_window", "windows 0 … 2")
    assert finding.expected.startswith(f"what node 1 sequence 45 was shown: {forked.hex()[:40]}")
    assert finding.found == made.log.tree.root(3).hex()


def test_an_honest_database_has_no_finding(made: World) -> None:
    report = made.audit()
    assert report.findings == ()
    assert report.reading_count == 6 * 4 * 15 - 4
    assert report.window_count == 6
    assert report.row_count > report.reading_count


CELLS = {
    "segment": (
        "record_count first_slot end_slot reading_count header_hash previous_hash log_window "
        "disputed"
    ),
    "quarter": (
        "reading_count flagged_count import_ws export_ws first_slot first_import_wh "
        "first_export_wh last_slot last_power_w last_import_wh last_export_wh"
    ),
    "last_value": (
        "sequence slot offset_ms latency_ms power_w reactive_power_var voltage_l1_mv "
        "current_l1_ma frequency_mhz import_wh export_wh quality clock_error_ms voltage_l2_mv"
    ),
    "watermark": "next_sequence end_sequence end_slot arrived_ms",
    "gap": "from_slot to_slot cause",
}


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, columns in CELLS.items() for column in columns.split()],
)
def test_a_changed_cell_is_named(made: World, table: str, column: str) -> None:
    keys = {"segment": "first_sequence", "quarter": "quarter", "gap": "sequence"}
    place = f"{keys[table]} = (SELECT min({keys[table]}) FROM {table})" if table in keys else "1"  # noqa: S608
    new = "zeroblob(32)" if column.endswith("_hash") else f"coalesce({column}, 0) + 1"
    if column == "previous_hash":
        place = "first_sequence = 15"
    if column == "disputed":
        new = "NOT disputed"
    tamper(made, f"UPDATE {table} SET {column} = {new} WHERE node_index = 1 AND {place}")  # noqa: S608
    found = made.audit().findings
    assert any(
        finding.table == table and finding.column == column and finding.row.startswith("node 1")
        for finding in found
    ), found


@pytest.mark.parametrize("table", ["segment", "quarter", "gap", "last_value", "watermark"])
def test_a_deleted_row_is_missed(made: World, table: str) -> None:
    rows = {"segment": " AND first_sequence = 15", "gap": "", "quarter": ""}
    tamper(made, f"DELETE FROM {table} WHERE node_index = 2{rows.get(table, '')}")  # noqa: S608
    assert any(finding.table == table for finding in made.audit().findings)


@pytest.mark.parametrize("table", ["quarter", "gap", "last_value", "watermark"])
def test_a_row_without_evidence_is_named(made: World, table: str) -> None:
    with closing(sqlite3.connect(made.central.config.store.evidence)) as connection:
        row = list(connection.execute(f"SELECT * FROM {table} WHERE node_index = 1").fetchone())  # noqa: S608
    row[0] = 77
    marks = ",".join("?" * len(row))
    tamper(made, f"INSERT INTO {table} VALUES ({marks})", *row)  # noqa: S608
    (finding,) = made.audit().findings
    assert (finding.table, finding.row) == (table, "node 77")


def test_a_byte_of_a_record_changed_at_rest_is_named_once(made: World) -> None:
    arrival, body = body_of(made, 1, 1)
    spoiled = bytearray(body)
    spoiled[len(body) // 2] ^= 0x40
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?", bytes(spoiled), arrival)
    (finding,) = made.audit().findings
    assert (finding.table, finding.row, finding.column) == ("arrival", "node 1 sequence 0", "body")


def test_a_changed_signature_is_named(made: World) -> None:
    arrival, body = body_of(made, 1, 1)
    header, records, salts = decode_segment_parts(body)
    forged = encode([header[:-1] + bytes([header[-1] ^ 1]), records, salts])
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?", forged, arrival)
    (finding,) = made.audit().findings
    assert finding.expected == "a valid signature"


def decode_segment_parts(body: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
    segment = decode_segment(body)
    return segment.signed_header, list(segment.records), list(segment.salts)


def test_a_segment_replaced_by_another_of_the_same_node_is_named(made: World) -> None:
    """The node itself signs another story later: links, windows and derived rows give it away."""
    arrival, _ = body_of(made, 1, 1)
    other = TestNode(1, power=lively(5), key=made.nodes[1].key, three_phase=True).segment()
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?", other, arrival)
    found = {(finding.table, finding.column) for finding in made.audit().findings}
    assert ("segment", "header_hash") in found
    assert ("arrival", "body") in found, "the next segment links to what was there"
    assert ("quarter", "import_ws") in found


def test_a_key_that_was_not_valid_is_named(made: World) -> None:
    made.services.ingest.registry([made.nodes[0].registration(valid_to_ms=FIRST_MS)])
    found = made.audit().findings
    assert {finding.row.split(" sequence")[0] for finding in found} == {"node 0"}
    assert {finding.found for finding in found} == {"that of a key not valid at that time"}


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE ledger_window SET closed_ms = 1 WHERE log_window = 1", "ledger_window"),
        ("UPDATE ledger_window SET entry = x'00' WHERE log_window = 1", "ledger_window"),
        ("UPDATE ledger_window SET registry_arrival = 1 WHERE log_window = 1", "ledger_window"),
        ("DELETE FROM ledger_window WHERE log_window = 5", "ledger_window"),
        ("UPDATE registration SET pod = 'IT002E99999999' WHERE node_index = 1", "registration"),
        ("DELETE FROM anchor", "anchor"),
        ("UPDATE anchor SET size = 3", "anchor"),
        ("DELETE FROM arrival WHERE arrival = 9", "arrival"),
        ("UPDATE arrival SET node_index = 0 WHERE arrival = 11", "arrival"),
        ("UPDATE arrival SET reference = 7 WHERE arrival = 10", "arrival"),
        ("UPDATE arrival SET kind = 2 WHERE arrival = 10", "segment"),
        ("UPDATE equivocation SET header_hash = zeroblob(32)", "equivocation"),
        ("DELETE FROM equivocation", "equivocation"),
    ],
    ids=str,
)
def test_the_log_and_the_arrivals_are_audited_too(made: World, statement: str, table: str) -> None:
    tamper(made, statement)
    assert any(finding.table == table for finding in made.audit().findings)


def test_a_window_with_other_members_is_named(made: World) -> None:
    arrival, body = body_of(made, 4)
    entry, members = decode(body)
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?", encode([entry, members[:-1]]),
           arrival)  # fmt: skip
    found = made.audit().findings
    assert any("members under the root" in finding.expected for finding in found)


def test_a_log_rewritten_as_a_whole_is_betrayed_by_its_checkpoint(made: World) -> None:
    arrival, body = body_of(made, 4)
    encoded, members = decode(body)
    entry = decode_window_entry(encoded)
    other = encode_window_entry(replace(entry, closed_ms=entry.closed_ms + 1))
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?", encode([other, members]), arrival)
    tamper(made, "UPDATE ledger_window SET entry = ?, closed_ms = closed_ms + 1 "
           "WHERE log_window = 0", other)  # fmt: skip
    (finding,) = made.audit().findings
    assert (finding.table, finding.row) == ("ledger_window", "windows 0 … 3")


def test_a_forged_checkpoint_is_named(made: World) -> None:
    arrival, body = body_of(made, 5)
    note, chain_part = decode(body)
    tamper(made, "UPDATE arrival SET body = ? WHERE arrival = ?",
           encode([note.replace("\n4\n", "\n5\n"), chain_part]), arrival)  # fmt: skip
    (finding,) = made.audit().findings
    assert finding.expected == "a checkpoint signed by the log's key"


Change = Callable[[pa.Table], pa.Table]


def with_power(table: pa.Table) -> pa.Table:
    powers_w = table.column("power_w").to_pylist()
    powers_w[20] += 1
    place = table.schema.get_field_index("power_w")
    return table.set_column(place, table.schema.field(place), pa.array(powers_w, pa.int32()))


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (with_power, "power_w"),
        (lambda table: table.slice(1), "sequence"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "sequence"),
    ],
    ids=["a value", "a row less", "a row twice"],
)
def test_a_changed_parquet_file_is_named(made: World, change: Change, column: str) -> None:
    (path,) = made.central.config.store.series.glob("*.parquet")
    pq.write_table(change(pq.read_table(path)), path)
    found = made.audit().findings
    assert {finding.table for finding in found} == {"series"}
    assert {finding.column for finding in found} == {column}
    assert path.name in found[0].row


def test_a_parquet_file_that_is_none_is_named(made: World) -> None:
    (path,) = made.central.config.store.series.glob("*.parquet")
    path.write_bytes(b"PAR1")
    (finding,) = made.audit().findings
    assert (finding.table, finding.row) == ("series", path.name)
    path.unlink()
    assert len(made.audit().findings) == 1


def test_findings_beyond_the_limit_are_counted() -> None:
    findings = Findings(most=1)
    findings.compare("quarter", "node 1", {"a": 1, "b": 2}, {"a": 1, "b": 3})
    findings.note("gap", "node 2", "cause", "x" * 200, b"\x01")
    assert findings.count == 2
    assert findings.found == [Finding("quarter", "node 1", "b", "2", "3")]
    assert str(findings.found[0]) == "quarter  node 1  b: expected 2, found 3"


# ── documents ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Exchange]:
    with exchange(tmp_path) as filled:
        for document in (REQUEST, OFFER, ALERT):
            assert filled.post(document).status_code == 201
        assert filled.post(replace(REQUEST, reliability_permille=1)).status_code == 409
        assert filled.world.audit().findings == ()
        yield filled


@pytest.mark.parametrize(
    ("statement", "row", "column"),
    [
        ("UPDATE document SET sender = 'x' WHERE arrival = 1", "arrival 1", "sender"),
        ("UPDATE document SET to_ms = to_ms + 900000 WHERE arrival = 2", "arrival 2", "validity"),
        ("UPDATE document SET document_hash = zeroblob(32) WHERE arrival = 3", "arrival 3",
         "document_hash"),
        ("UPDATE document SET signed = x'00' WHERE arrival = 3", "arrival 3", "signed"),
        ("UPDATE document SET is_conflict = 0 WHERE arrival = 4", "arrival 4", "is_conflict"),
        ("UPDATE document_pod SET pod = 'IT002E00000009'", "arrival 2", "pods"),
        ("DELETE FROM document WHERE arrival = 2", "arrival 2", "arrival"),
    ],
)  # fmt: skip
def test_a_changed_document_is_named(
    market: Exchange, statement: str, row: str, column: str
) -> None:
    tamper(market.world, statement)
    found = market.world.audit().findings
    assert [(one.table, one.column) for one in found] == [("document", column)]
    assert found[0].row.startswith(row)


def test_a_document_signed_anew_by_somebody_else_is_named(market: Exchange) -> None:
    cheaper = replace(REQUEST, maximum_price_ueur_per_mwh=1)
    forged, _ = checked(sign(cheaper, SigningKey.generate("EdDSA")))
    statement = "UPDATE document SET signed = ?, document_hash = ? WHERE arrival = 1"
    tamper(market.world, statement, forged.signed, forged.document_hash)
    (found,) = market.world.audit().findings
    assert (found.column, found.found) == ("signed", "wrong_key")
