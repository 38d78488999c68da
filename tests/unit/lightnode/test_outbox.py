"""The outbox on disk: what it refuses, what it survives, and what it does not hand out."""

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InvariantBroken
from lightnode import outbox as outbox_module
from lightnode.errors import DiskFull, StoreFailed
from lightnode.outbox import SqliteOutbox, Store
from lightnode.ports import SealedSegment, Tail
from lightnode.salvaging import open_database
from tests.ports.test_lightnode_outbox import fill, receipt, record, sealed


def filled(folder: Path, segments: int = 0, records: int = 0) -> tuple[Store, Tail]:
    store, tail = Store(folder, capacity=10_000), Tail()
    store.load()
    for _ in range(segments):
        for number in range(tail.next_sequence, tail.next_sequence + 3):
            store.append(number, record(number))
        segment, tail = sealed(tail, 3)
        store.seal(segment, tail)
    for number in range(tail.next_sequence, tail.next_sequence + records):
        store.append(number, record(number))
    return store, tail


def test_it_is_written_the_durable_way(tmp_path: Path) -> None:
    database = open_database(tmp_path, check=True)
    asked = {
        name: database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "locking_mode")
    }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive"}
    database.close()


def test_everything_is_there_after_a_start(tmp_path: Path) -> None:
    store, tail = filled(tmp_path, segments=4, records=2)
    store.note_boot(b"12345678")
    before = store.load()
    store.close()
    again = Store(tmp_path, capacity=10_000)
    assert again.load() == before
    assert before.tail == tail
    assert len(again.after(-1, 99)) == 4
    again.close()


def test_a_second_node_on_the_same_folder_is_told(tmp_path: Path) -> None:
    store, _ = filled(tmp_path, records=1)
    second = Store(tmp_path, capacity=10)
    with pytest.raises(StoreFailed, match="another light node runs on this folder"):
        second.load()
    second.close()
    store.append(1, record(1))
    store.close()


def test_beyond_its_capacity_it_is_full_until_something_is_released(tmp_path: Path) -> None:
    store = Store(tmp_path, capacity=4)
    store.load()
    for number in range(3):
        store.append(number, record(number))
    segment, tail = sealed(Tail(), 3)
    store.seal(segment, tail)
    store.append(3, record(3))
    with pytest.raises(DiskFull, match="holds 4 records that nobody has receipted"):
        store.append(4, record(4))
    assert store.release([receipt(segment)], None) == 1
    store.append(4, record(4))
    store.close()


def test_a_segment_of_records_that_are_not_here_is_our_fault(tmp_path: Path) -> None:
    store, _ = filled(tmp_path, records=2)
    segment, tail = sealed(Tail(), 3)
    with pytest.raises(InvariantBroken, match="sealed 3 records, of which 2 are kept"):
        store.seal(segment, tail)
    assert len(store.load().open_records) == 2
    store.close()


def test_a_segment_that_the_disk_has_spoilt_is_never_handed_out(tmp_path: Path) -> None:
    store, _ = filled(tmp_path, segments=3)
    store.close()
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        body = database.execute("SELECT body FROM segment WHERE first_sequence = 3").fetchone()[0]
        flipped = body[:40] + bytes([body[40] ^ 1]) + body[41:]
        database.execute("UPDATE segment SET body = ? WHERE first_sequence = 3", (flipped,))
    database.close()
    assert zlib.crc32(flipped) != zlib.crc32(body)
    again = Store(tmp_path, capacity=10_000)
    assert [segment.first_sequence for segment in again.after(-1, 9)] == [0, 6]
    assert again.waiting() == 2
    again.close()
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        assert database.execute("SELECT first_sequence FROM damaged").fetchall() == [(3,)]
    database.close()


class Failing:
    """A connection whose n-th statement fails, before it is done or after."""

    def __init__(self, inner: sqlite3.Connection, plan: "Plan") -> None:
        self._inner = inner
        self._plan = plan

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 -- as sqlite3 has it
        return self._plan.run(lambda: self._inner.execute(*arguments))

    def close(self) -> None:
        self._inner.close()


class Plan:
    """Which statement fails, and how."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.left = number
        self.after = after

    def run(self, work: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise sqlite3.OperationalError("disk I/O error")
        done = work()
        if self.left == 0:
            done.close()
            raise sqlite3.OperationalError("disk I/O error")
        return done


Step = Callable[[Store, Tail], object]
Seen = tuple[Tail, tuple[bytes, ...], bytes | None, int]

STEPS: dict[str, Step] = {
    "append": lambda store, tail: store.append(tail.next_sequence + 3, record(9)),
    "seal": lambda store, tail: store.seal(*sealed(tail, 3)),
    "release": lambda store, _: store.release([receipt(oldest(store))], None),
    "note_boot": lambda store, _: store.note_boot(b"12345678"),
}


def oldest(store: Store) -> SealedSegment:
    return store.after(-1, 1)[0]


def seen(store: Store) -> Seen:
    kept = store.load()
    return kept.tail, kept.open_records, kept.boot_id, len(store.after(-1, 9))


@pytest.mark.parametrize("when", ["lost", "kept"])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_failed_before_and_after_each_statement(
    step: str, when: str, tmp_path: Path
) -> None:
    """Whatever the statement, the step is done as a whole or not at all."""
    outcomes = []
    for number in range(1, 9):
        store, tail = filled(tmp_path / f"{number}", segments=2, records=3)
        before, database = seen(store), store._database
        assert database
        plan = Plan(number, after=when == "kept")
        store._database = Failing(database, plan)  # type: ignore[assignment]
        told = ""
        try:
            STEPS[step](store, tail)
        except StoreFailed:
            told = "failed"
        plan.left = 0
        after = seen(store)
        STEPS[step](store, tail) if after == before else None
        done = seen(store)
        assert done != before
        assert after in {before, done}
        assert told or after == done, "what did not fail is done"
        outcomes.append((told, after == done))
        store.close()
    assert ("failed", False) in outcomes
    assert ("", True) in outcomes
    if when == "kept":
        assert ("failed", True) in outcomes, "kept, though it said that it failed"


async def test_after_a_failure_the_next_call_opens_the_store_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = SqliteOutbox(tmp_path, capacity=100)
    await fill(outbox, Tail(), 2)
    real, opened = open_database, []

    def failing(folder: Path, *, check: bool) -> sqlite3.Connection:
        opened.append(check)
        if len(opened) == 1:
            raise OSError(5, "Input/output error")
        return real(folder, check=check)

    outbox._store.close()
    monkeypatch.setattr(outbox_module, "open_database", failing)
    with pytest.raises(StoreFailed, match="Input/output error"):
        await outbox.load()
    assert (await outbox.load()).tail.next_sequence == 2
    await outbox.close()
