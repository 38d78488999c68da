"""A damaged outbox: what is sound goes on, the rest is put aside and told."""

import logging
import random
from pathlib import Path

import pytest

from ledger.errors import Rejected
from lightnode.outbox import Store
from lightnode.salvaging import open_database
from lightnode.storing import read_tail
from tests.unit.lightnode.test_outbox import filled

BLANK = b"\0" * 4096


def reopened(folder: Path) -> Store:
    store = Store(folder, capacity=10_000)
    store.load()
    return store


def test_a_lost_database_goes_on_after_the_tail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, tail = filled(tmp_path, segments=3, records=2)
    store.close()
    for file in tmp_path.glob("outbox.db*"):
        file.unlink()
    with caplog.at_level(logging.ERROR, "lightnode"):
        again = reopened(tmp_path)
    assert again.load().tail == tail
    assert again.load().open_records == ()
    assert [entry.getMessage() for entry in caplog.records] == ["lightnode.outbox_damaged"]
    again.close()


def test_a_database_from_an_old_backup_goes_on_after_the_tail(tmp_path: Path) -> None:
    store, _ = filled(tmp_path, segments=1)
    store.close()
    backup = (tmp_path / "outbox.db").read_bytes()
    for file in tmp_path.iterdir():
        file.unlink()
    store, tail = filled(tmp_path, segments=3)
    store.close()
    (tmp_path / "outbox.db").write_bytes(backup)
    again = reopened(tmp_path)
    assert again.load().tail == tail
    assert [segment.first_sequence for segment in again.after(-1, 9)] == [0]
    assert (tmp_path / "outbox.damaged-1.db").exists()
    again.close()


def test_what_is_sound_is_saved_and_the_rest_kept_aside(tmp_path: Path) -> None:
    store, tail = filled(tmp_path, segments=40, records=2)
    hit = store.after(56, 1)[0]
    store.close()
    file = tmp_path / "outbox.db"
    pages = file.read_bytes()
    middle = pages.index(hit.encoded) // 4096 * 4096
    file.write_bytes(pages[:middle] + BLANK + pages[middle + 4096 :])
    again = reopened(tmp_path)
    saved = [segment.first_sequence for segment in again.after(-1, 99)]
    assert 20 < len(saved) < 40
    assert hit.first_sequence not in saved
    assert set(saved) <= set(range(0, 120, 3))
    assert again.load().tail == tail
    assert (tmp_path / "outbox.damaged-1.db").read_bytes()[middle : middle + 4096] == BLANK
    again.close()


def test_without_database_and_tail_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"this is no database" * 500)
    store = Store(tmp_path, capacity=10)
    with pytest.raises(Rejected, match=r"nothing in it can be saved; enrol this node again"):
        store.load()
    store.close()
    assert (tmp_path / "outbox.db").exists()


def test_a_salvage_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    store, tail = filled(tmp_path, segments=2, records=1)
    store.close()
    (tmp_path / "outbox.db").rename(tmp_path / "outbox.saved.db")
    (tmp_path / "outbox.part.db").write_bytes(b"a part")
    again = reopened(tmp_path)
    assert again.load().tail == tail
    assert len(again.after(-1, 9)) == 2
    again.close()


def test_the_copy_of_the_tail_is_brought_up_to_the_database(tmp_path: Path) -> None:
    store, tail = filled(tmp_path, segments=2)
    store.close()
    (tmp_path / "outbox.tail").unlink()
    open_database(tmp_path, check=True).close()
    assert read_tail(tmp_path) == tail


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_are_never_served_silently(seed: int, tmp_path: Path) -> None:
    """Of 500 flips each is harmless, or told, or what it hit is not handed out."""
    store, tail = filled(tmp_path / "whole", segments=6, records=2)
    sound = {segment.first_sequence: segment for segment in store.after(-1, 99)}
    records = store.load().open_records
    store.close()
    dice = random.Random(seed)
    image = (tmp_path / "whole/outbox.db").read_bytes()
    copy = (tmp_path / "whole/outbox.tail").read_bytes()
    for number in range(125):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        place, bit = dice.randrange(len(image)), 1 << dice.randrange(8)
        flipped = image[:place] + bytes([image[place] ^ bit]) + image[place + 1 :]
        (folder / "outbox.db").write_bytes(flipped)
        (folder / "outbox.tail").write_bytes(copy)
        again = Store(folder, capacity=10_000)
        try:
            kept = again.load()
        except Rejected as error:
            assert "newer" in error.remedy or "enrol" in error.remedy  # noqa: PT017
            continue
        assert kept.tail.next_sequence == tail.next_sequence
        assert kept.open_records == records[: len(kept.open_records)]
        for segment in again.after(-1, 99):
            assert segment.encoded == sound[segment.first_sequence].encoded
        again.close()
