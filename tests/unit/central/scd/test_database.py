"""The database file: made durable, migrated, never written when it is damaged or not ours."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.autogenerate
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from central.errors import DamagedStore, StoreAway
from central.scd import schema
from central.scd.database import Database
from ledger.errors import InvariantBroken, Rejected


def made(path: Path) -> Database:
    return Database(path, create=True)


def test_the_migrated_tables_are_those_of_the_schema(tmp_path: Path) -> None:
    database = made(tmp_path / "e.db")
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert alembic.autogenerate.compare_metadata(context, schema.metadata) == []
    database.close()


def test_what_is_closed_stays_closed(tmp_path: Path) -> None:
    database = made(tmp_path / "e.db")
    database.close()
    with pytest.raises(InvariantBroken, match="after it was closed"), database.reading():
        pass
    database.close()


def test_commits_are_synced_and_logged_ahead(tmp_path: Path) -> None:
    database = made(tmp_path / "e.db")
    with database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    database.close()


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    made(tmp_path / "deep" / "e.db").close()
    assert (tmp_path / "deep" / "e.db").stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="scd init") as caught:
        Database(tmp_path / "e.db")
    assert caught.value.reason == "no_store"
    assert not (tmp_path / "e.db").exists()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")
        connection.commit()
    with pytest.raises(Rejected) as caught:
        made(path)
    assert caught.value.reason == "foreign_store"
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert names == ["precious"]


def test_a_later_version_is_not_touched(tmp_path: Path) -> None:
    database = made(tmp_path / "e.db")
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(Rejected) as caught:
        made(tmp_path / "e.db")
    assert caught.value.reason == "unknown_version"


@pytest.mark.parametrize("junk", [b"not a database at all" * 300, bytes(8_192)])
def test_what_is_no_database_is_told_and_left_as_it_is(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "e.db"
    path.write_bytes(junk)
    with pytest.raises(DamagedStore, match="rebuild --salvage"):
        made(path)
    assert path.read_bytes() == junk


def test_a_damaged_page_is_found_before_anything_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    database = made(path)
    with database.writing() as connection:
        rows = [(n, 1, 0, n, 0, os.urandom(900)) for n in range(200)]
        connection.exec_driver_sql("INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.check(thorough=True)
    database.close()
    with path.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xff" * 8_192)
    damaged = Database(path)
    with pytest.raises(DamagedStore):
        damaged.check()
    damaged.close()


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    database = made(tmp_path / "e.db")

    def fail() -> None:
        with database.writing() as connection:
            connection.execute(sa.insert(schema.anchor), {"size": 1, "arrival": 1})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.anchor)).all() == []
    database.close()


def test_a_database_held_by_another_process_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.scd.database._BUSY_S", 0.05)
    path = tmp_path / "e.db"
    database = made(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAway, match="another process"), database.writing():
            pass
        other.execute("ROLLBACK")
    with database.writing():
        pass
    database.close()


def test_a_full_disk_is_away_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    database = made(path)
    with database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO arrival VALUES (1, 1, 0, 0, 0, x'01')")

    def fill() -> None:
        # SQLite itself says that the disk is full when the file may not grow.
        with database.writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            rows = [(n, 1, 0, n, 0, bytes(4_000)) for n in range(2, 100)]
            connection.exec_driver_sql("INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?)", rows)

    with pytest.raises(StoreAway, match="free some space"):
        fill()
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.arrival.c.arrival)).all() == [(1,)]
    database.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreAway, match=r"check the path in \[store\]"):
        made(tmp_path / "file" / "e.db")
