"""Loss of power at any byte: what was promised is there, and what is there is whole.

A write that was not synced may be there, missing, torn or garbage. SQLite's journal is written
front to back and synced at each commit, so a cut leaves what was synced and any part, true or
not, of what came after.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lightnode.outbox import Store
from lightnode.ports import Tail
from tests.ports.test_lightnode_outbox import receipt, record, sealed

POINTS_A_RUN = 2_500


@dataclass(frozen=True)
class Promise:
    """The files when a call returned: how long the journal was, and what it had promised."""

    journal_bytes: int
    next_sequence: int
    open_records: int
    waiting: int


def _written(store: Store, folder: Path, dice: random.Random) -> list[Promise]:
    """Write for a while without letting the journal flow back; return what was promised when."""
    tail, number = Tail(), 0
    store.load()
    assert store._database
    store._database.execute("PRAGMA wal_autocheckpoint = 0")
    promises = [_promise(folder, store, 0, 0)]
    for _ in range(60):
        held = number - tail.next_sequence
        if held >= 3 and dice.random() < 0.4:
            segment, tail = sealed(tail, held)
            store.seal(segment, tail)
        elif store.waiting() and dice.random() < 0.2:
            store.release([receipt(store.after(-1, 1)[0])], None)
        else:
            store.append(number, record(number))
            number += 1
        promises.append(_promise(folder, store, tail.next_sequence, number - tail.next_sequence))
    return promises


def _promise(folder: Path, store: Store, next_sequence: int, open_records: int) -> Promise:
    journal_bytes = (folder / "outbox.db-wal").stat().st_size
    return Promise(journal_bytes, next_sequence, open_records, store.waiting())


def _cut(journal: bytes, kept_bytes: int, dice: random.Random) -> bytes:
    """Return a journal of which `kept_bytes` were synced, and the rest met its fate."""
    rest = journal[kept_bytes:]
    whole = dice.randrange(len(rest) + 1)
    match dice.choice(["dropped", "torn", "garbage", "zeros"]):
        case "dropped":
            return journal[:kept_bytes]
        case "torn":
            return journal[: kept_bytes + whole]
        case "garbage":
            return journal[: kept_bytes + whole] + dice.randbytes(len(rest) - whole)
        case _:
            return journal[: kept_bytes + whole] + bytes(len(rest) - whole)


@pytest.fixture
def memory_disk() -> Iterator[Path]:
    """A folder in memory: what a cut leaves is written here by hand, real syncs only take time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_power_cuts(seed: int, memory_disk: Path) -> None:
    dice = random.Random(seed)
    written = memory_disk / "written"
    writer = Store(written, capacity=10_000)
    promises = _written(writer, written, dice)
    journal = (written / "outbox.db-wal").read_bytes()
    base = memory_disk / "base"
    base.mkdir()
    shutil.copy(written / "outbox.db", base)
    writer.close()
    assert len(promises) > 50
    lost = 0
    for number in range(POINTS_A_RUN):
        promise = dice.choice(promises)
        folder = memory_disk / f"cut{number % 2}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        (folder / "outbox.db-wal").write_bytes(_cut(journal, promise.journal_bytes, dice))
        store = Store(folder, capacity=10_000)
        kept = store.load()
        segments = store.after(-1, 99)
        store.close()
        held = kept.tail.next_sequence + len(kept.open_records)
        lost += held < promise.next_sequence + promise.open_records
        expected = range(kept.tail.next_sequence, held)
        assert kept.open_records == tuple(record(each) for each in expected)
        ends = [segment.first_sequence + segment.count for segment in segments]
        assert not ends or ends[-1] == kept.tail.next_sequence
        assert list(folder.glob("outbox.damaged*")) == []
    assert lost == 0
