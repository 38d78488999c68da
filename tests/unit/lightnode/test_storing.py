"""The files of the outbox: reserve, tail, format."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from ledger.errors import Rejected
from lightnode.ports import Tail
from lightnode.storing import (
    Damaged,
    compare,
    give_up_reserve,
    head_of,
    keep_reserve,
    prepared,
    put,
    read_tail,
    stored_tail,
    tail_of,
    tail_text,
    transaction,
    write_tail,
)

TAIL = Tail(next_sequence=9, next_slot=445_500_009, last_slot=445_500_008, previous_hash=b"h" * 32)


@pytest.mark.parametrize("tail", [Tail(), TAIL])
def test_a_tail_comes_back_from_its_text(tail: Tail) -> None:
    assert tail_of(tail_text(tail)) == tail
    assert tail_of(None) == Tail()


def test_a_head_comes_back_from_its_text() -> None:
    assert head_of(None) is None
    assert head_of("7 " + "ab" * 32) == (7, b"\xab" * 32)


def test_the_copy_of_the_tail_is_believed_only_when_whole(tmp_path: Path) -> None:
    assert read_tail(tmp_path) is None
    write_tail(tmp_path, TAIL)
    assert read_tail(tmp_path) == TAIL
    file = tmp_path / "outbox.tail"
    whole = file.read_bytes()
    for place in range(len(whole) - 1):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        assert read_tail(tmp_path) in {None, TAIL}
        file.write_bytes(whole[:place])
        assert read_tail(tmp_path) is None


def test_the_reserve_is_kept_and_given_up(tmp_path: Path) -> None:
    keep_reserve(tmp_path)
    keep_reserve(tmp_path)
    assert (tmp_path / "outbox.reserve").stat().st_size == 1 << 20
    give_up_reserve(tmp_path)
    give_up_reserve(tmp_path)
    assert not (tmp_path / "outbox.reserve").exists()


def test_no_reserve_is_left_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        keep_reserve(tmp_path)
    assert not (tmp_path / "outbox.reserve").exists()


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Rejected, match=r"format 99; this version reads up to 1.*install the newer"):
        prepared(file)


def test_a_transaction_is_done_whole_or_not(tmp_path: Path) -> None:
    database = prepared(tmp_path / "outbox.db")
    with pytest.raises(sqlite3.IntegrityError), transaction(database):
        _insert_twice(database)
    assert database.execute("SELECT count(*) FROM state").fetchone() == (0,)
    database.close()


def test_a_database_older_than_its_tail_is_damaged(tmp_path: Path) -> None:
    database = prepared(tmp_path / "outbox.db")
    compare(database, tmp_path)
    write_tail(tmp_path, TAIL)
    with pytest.raises(Damaged, match="older than the copy of its tail"):
        compare(database, tmp_path)
    put(database, "tail", tail_text(TAIL))
    compare(database, tmp_path)
    assert stored_tail(database) == TAIL
    database.execute("UPDATE state SET value = '00000000 nonsense'")
    with pytest.raises(Damaged, match="not as it was written"):
        stored_tail(database)
    database.close()


def _insert_twice(database: sqlite3.Connection) -> None:
    for _ in range(2):
        database.execute("INSERT INTO state VALUES ('boot_id', '00')")
