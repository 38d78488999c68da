"""The chain's store: a block wholly or not at all, one process at a time."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.chain.store import FILE_NAME, ChainStore, Event, EventFilter
from ledger.errors import InvariantBroken, Unavailable


def event(block: int, position: int, *topics: bytes, address: bytes = b"a") -> Event:
    return Event(
        block=block,
        position=position,
        transaction_hash=b"t",
        address=address,
        topics=topics,
        data=b"d",
    )


def test_a_block_is_kept(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with store.block():
        store[b"k"] = b"v"
        assert store[b"k"] == b"v", "a block sees what it wrote"
        store.add_events([event(1, 0, b"x")])
        store.note({"chain_id": "7"})
    store.close()
    again = ChainStore(tmp_path)
    assert again[b"k"] == b"v"
    assert again.fact("chain_id") == "7"
    assert again.events(EventFilter(from_block=0, to_block=9), at_most=9) == [event(1, 0, b"x")]
    again.close()


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with store.block():
        store[b"kept"] = b"v"
    with contextlib.suppress(ZeroDivisionError), store.block():
        store[b"k"] = b"v"
        del store[b"kept"]
        assert b"kept" not in store
        store.note({"name": "value"})
        raise ZeroDivisionError
    assert b"k" not in store
    assert store[b"kept"] == b"v"
    assert store.fact("name") is None
    with store.block():
        del store[b"kept"]
    assert b"kept" not in store
    store.close()


def test_outside_a_block_nothing_is_written(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with pytest.raises(InvariantBroken):
        store[b"k"] = b"v"
    with pytest.raises(KeyError):
        del store[b"k"]
    store.close()


def test_events_are_chosen(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    kept = [event(1, 0, b"x", b"1"), event(1, 1, b"y", b"1"), event(2, 0, b"x", b"2", address=b"b")]
    with store.block():
        store.add_events(kept)

    def found(**choice: frozenset[bytes] | tuple[frozenset[bytes], ...]) -> list[Event]:
        wanted = EventFilter(from_block=0, to_block=9, **choice)  # type: ignore[arg-type]
        return store.events(wanted, at_most=9)

    assert found() == kept
    assert found(addresses=frozenset([b"b"])) == kept[2:]
    assert found(topics=(frozenset([b"x"]),)) == [kept[0], kept[2]]
    assert found(topics=(frozenset(), frozenset([b"1", b"9"]))) == kept[:2]
    assert found(topics=(frozenset([b"x"]), frozenset([b"2"]))) == kept[2:]
    assert store.events(EventFilter(from_block=2, to_block=2), at_most=9) == kept[2:]
    assert len(store.events(EventFilter(from_block=0, to_block=9), at_most=1)) == 2
    store.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with store.block():
        store[b"k"] = b"v"
    program = (
        "import sys; from pathlib import Path; from ledger.chain.store import ChainStore\n"
        "from ledger.errors import Rejected\n"
        "try: ChainStore(Path(sys.argv[1]))\n"
        "except Rejected as error: print(error.reason)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "in_use"
    store.close()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == ""


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(InvariantBroken, match="damaged"):
        ChainStore(tmp_path)


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with store.block():
        for number in range(2_000):
            store[number.to_bytes(32, "big")] = bytes(100)
    store.close()
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:4096] + bytes([0xFF]) * (path.stat().st_size - 4096))
    with pytest.raises(InvariantBroken):
        read_again(tmp_path)


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        ChainStore(tmp_path / "file" / "chain")


def test_a_full_disk_loses_the_block_and_nothing_else(tmp_path: Path) -> None:
    store = ChainStore(tmp_path)
    with store.block():
        store[b"k"] = b"v"
    store._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Unavailable, match="full"), store.block():
        store[b"large"] = bytes(1 << 20)
    store._connection.execute("PRAGMA max_page_count = 100000")
    assert store[b"k"] == b"v"
    assert b"large" not in store
    store.close()


def read_again(directory: Path) -> bytes:
    with contextlib.closing(ChainStore(directory)) as store:
        return store[(5).to_bytes(32, "big")]
