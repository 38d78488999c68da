"""A disk that is really full: a named gap, receipts still count, and it goes on by itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.facts.record import GapCause
from lightnode.errors import DiskFull
from lightnode.outbox import SqliteOutbox, Store
from lightnode.ports import Tail
from tests.fakes.lightnode_clock import WoundClock
from tests.fakes.lightnode_gateway import Judge
from tests.fakes.lightnode_node import KEY, WirelessNode
from tests.ports.test_lightnode_outbox import receipt, record, sealed

SIZES_KIB = [2_200, 3_000, 4_000]


@pytest.fixture(params=SIZES_KIB)
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with hardly any room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
        try:
            while file.write(b"\0"):
                pass
        except OSError:
            pass
    return filler


def test_receipts_make_room_on_a_full_disk(small_disk: Path) -> None:
    store, tail = Store(small_disk, capacity=100_000), Tail()
    store.load()
    for _ in range(20):
        for number in range(tail.next_sequence, tail.next_sequence + 3):
            store.append(number, record(number))
        segment, tail = sealed(tail, 3)
        store.seal(segment, tail)
    fill(small_disk)
    refused = 0
    for _ in range(400):
        try:
            number = tail.next_sequence + len(store.load().open_records)
            store.append(number, record(number))
        except DiskFull:
            refused += 1
    assert refused > 0
    for segment in store.after(-1, 99):
        while True:
            try:
                assert store.release([receipt(segment)], None) == 1
                break
            except DiskFull:
                continue
    assert store.waiting() == 0
    store.close()


async def test_the_slots_of_a_full_disk_are_one_named_gap(small_disk: Path) -> None:
    outbox = SqliteOutbox(small_disk, capacity=100_000)
    node = WirelessNode(clock=WoundClock())
    node.outbox = outbox  # type: ignore[assignment]
    await _boot(node, outbox)
    await node.beat(20)
    filler = fill(small_disk)
    await node.beat(400)
    filler.unlink()
    await node.beat(20)
    assert node.recorder
    await node.recorder.seal_open()
    judge = Judge(KEY.public)
    for segment in await outbox.after(-1, 999):
        judge.admit(segment.encoded)
    slots = judge.gap_slots()
    assert not judge.broken
    assert set(slots) == {GapCause.DISK_FULL}
    assert len(judge.readings()) >= 40
    assert sum(slots.values()) + len(judge.readings()) == 440
    await outbox.close()


async def _boot(node: WirelessNode, outbox: SqliteOutbox) -> None:
    outbox.fault = lambda _number, _name: ""  # type: ignore[attr-defined]
    await node.boot()
