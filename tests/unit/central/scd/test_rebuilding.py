"""Everything derived is derived again from what arrived, also out of a damaged file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from central.documents.encoding import sign
from central.scd import schema
from central.scd.database import Database
from central.scd.documents import DocumentQuery, checked
from central.scd.documents_store import SqliteDocuments
from central.scd.rebuilding import rebuild, salvage
from central.service import opened
from ledger.errors import Rejected
from ledger.facts.record import GapCause
from ledger.signing import SigningKey
from tests.documents import EXAMPLES
from tests.scd import World, world
from tests.segments import ORIGIN, TestNode, lively


def fill(made: World) -> None:
    made.enrol()
    made.minutes(3, gaps={1: GapCause.METER_CRC})
    made.services.ingest.registry([made.nodes[0].registration(valid_from_ms=1)])
    twin = TestNode(
        2, power=lively(50), key=made.nodes[2].key, slot=made.nodes[2].slot,
        sequence=made.nodes[2].sequence, previous_hash=made.nodes[2].previous_hash,
    )  # fmt: skip
    late = made.nodes[1].segment()
    made.services.ingest.segments([node.segment() for node in made.nodes])
    made.services.ingest.segments([twin.segment(), late])
    made.anchor(3)


def tables(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in schema.metadata.sorted_tables
        }


def test_what_is_derived_again_is_what_was_there(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        fill(made)
        before = tables(made.central.database)
        assert rebuild(made.central.database, ORIGIN) == made.central.evidence.last_arrival()
        assert tables(made.central.database) == before
        assert {name for name, rows in before.items() if rows} >= {
            "arrival", "registration", "segment", "equivocation", "gap", "quarter", "watermark",
            "last_value", "ledger_window", "anchor",
        }  # fmt: skip


def test_what_was_tampered_with_is_right_again(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        fill(made)
        before = tables(made.central.database)
        with made.central.database.writing() as connection:
            connection.exec_driver_sql("UPDATE quarter SET import_ws = 0")
            connection.exec_driver_sql("DELETE FROM last_value")
            connection.exec_driver_sql("UPDATE ledger_window SET registry_arrival = 1")
        rebuild(made.central.database, ORIGIN)
        assert tables(made.central.database) == before


def test_an_arrival_that_cannot_be_used_stays_and_the_audit_names_it(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        fill(made)
        with made.central.database.writing() as connection:
            connection.exec_driver_sql("UPDATE arrival SET body = x'00' WHERE arrival IN (5, 9)")
        rebuild(made.central.database, ORIGIN)
        named = {finding.row for finding in made.audit().findings}
        assert any(row.startswith("arrival 5 node 0") for row in named)
        assert any(row.startswith("arrival 9 node None") for row in named)


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * 4_096)
        file.write(b"\xa5" * 4_096)


@pytest.mark.parametrize("damaged_page", [30, 40, 50])
def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path, damaged_page: int) -> None:
    with world(tmp_path) as made:
        fill(made)
        made.minutes(10)
        config, arrivals = made.central.config, made.central.evidence.last_arrival()
    path = config.store.evidence
    assert path.stat().st_size > (damaged_page + 1) * 4_096
    damage(path, damaged_page)
    broken = path.read_bytes()
    saved = salvage(path)
    assert path.read_bytes() == broken, "the damaged file is not touched"
    assert saved.kept_count + saved.lost_count == arrivals
    assert saved.kept_count >= arrivals * 0.7
    path.unlink()
    for leftover in path.parent.glob(f"{path.name}-*"):
        leftover.unlink()
    saved.file.rename(path)
    with opened(config) as central:
        rebuild(central.database, ORIGIN)
        assert central.evidence.tally().segment_count > 0
    path.with_name(f"{path.name}.salvaged").touch()
    with pytest.raises(Rejected):
        salvage(path)


def test_tokens_are_saved_too(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.dso()
        path = made.central.config.store.evidence
    saved = salvage(path)
    with closing(sqlite3.connect(saved.file)) as connection:
        assert connection.execute("SELECT count(*) FROM token").fetchone() == (1,)
        assert connection.execute("SELECT pod FROM token_pod").fetchone() == ("*",)


def test_documents_are_saved_too(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        kept = [checked(sign(each, SigningKey.generate("EdDSA")))[0] for each in EXAMPLES]
        made.central.documents.commit_documents(kept, 1)
        made.central.documents.note_delivered("one", 3)
        before = made.central.documents.documents(DocumentQuery())
        path = made.central.config.store.evidence
    database = Database(salvage(path).file)
    saved = SqliteDocuments(database)
    assert saved.documents(DocumentQuery()) == before
    assert saved.delivered("one") == 3
    database.close()


def test_a_file_of_an_earlier_version_can_be_saved(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.dso()
        path = made.central.config.store.evidence
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE token DROP COLUMN party")
        connection.execute("DROP TABLE document")
    saved = salvage(path)
    with closing(sqlite3.connect(saved.file)) as connection:
        assert connection.execute("SELECT count(*), max(party) FROM token").fetchone() == (1, None)
