"""The log on disk: what was appended is there again, proven; what was changed is noticed."""

from pathlib import Path

import pytest

from ledger import merkle
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.errors import InvariantBroken, Rejected, Unavailable
from ledger.log import Log
from ledger.signing import SigningKey

ORIGIN = "certiflex.test/rome"
KEY = SigningKey.generate("EdDSA")


def entries(size: int) -> list[bytes]:
    return [b"window %d" % i for i in range(size)]


def publish(log: Log) -> None:
    log.publish(sign_checkpoint(Checkpoint(ORIGIN, log.size, log.root()), KEY))


def opened(directory: Path) -> Log:
    return Log(directory, ORIGIN, KEY.public)


def filled(directory: Path, size: int) -> Log:
    log = opened(directory)
    for entry in entries(size):
        log.append(entry)
    publish(log)
    return log


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_a_reopened_log_is_the_same_log(tmp_path: Path, size: int) -> None:
    filled(tmp_path, size)
    again = opened(tmp_path)
    hashes = [merkle.leaf_hash(entry) for entry in entries(size)]
    assert (again.size, again.root()) == (size, merkle.root(hashes))
    assert [again.entry(i) for i in range(size)] == entries(size)


def test_an_append_without_checkpoint_never_happened_and_is_repeated(tmp_path: Path) -> None:
    log = filled(tmp_path, 300)
    log.append(b"the crash came before the checkpoint")
    again = opened(tmp_path)
    assert again.size == 300
    again.append(b"another entry takes its place")
    publish(again)
    assert opened(tmp_path).entry(300) == b"another entry takes its place"


def test_a_full_tile_behind_an_old_checkpoint_is_cut(tmp_path: Path) -> None:
    log = filled(tmp_path, 250)
    for entry in entries(256)[250:]:
        log.append(entry)
    again = opened(tmp_path)
    assert again.size == 250
    assert again.entry(249) == b"window 249"


def test_upper_tiles_hold_the_roots_of_the_tiles_below(tmp_path: Path) -> None:
    filled(tmp_path, 520)
    upper = (tmp_path / "tile/1/000.p/2").read_bytes()
    hashes = [merkle.leaf_hash(entry) for entry in entries(512)]
    assert upper == merkle.root(hashes[:256]) + merkle.root(hashes[256:])
    assert not (tmp_path / "tile/0/000.p").exists()


@pytest.mark.parametrize("tile", ["tile/0/000.p/9", "tile/entries/000.p/9"])
def test_a_changed_byte_is_noticed(tmp_path: Path, tile: str) -> None:
    filled(tmp_path, 9)
    stored = bytearray((tmp_path / tile).read_bytes())
    stored[-1] ^= 1
    (tmp_path / tile).write_bytes(stored)
    with pytest.raises(InvariantBroken, match="root of its checkpoint"):
        opened(tmp_path)


def test_a_changed_entry_of_a_full_tile_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    filled(tmp_path, 256)
    path = tmp_path / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"window 7", b"window 8", 1))
    log = opened(tmp_path)
    with pytest.raises(InvariantBroken, match="entry 7 was changed"):
        log.entry(7)


def test_a_missing_tile_is_named(tmp_path: Path) -> None:
    filled(tmp_path, 9)
    (tmp_path / "tile/0/000.p/9").unlink()
    with pytest.raises(InvariantBroken, match="has no"):
        opened(tmp_path)


def test_another_origin_or_key_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    with pytest.raises(Rejected, match="not of elsewhere"):
        Log(tmp_path, "elsewhere", KEY.public)
    with pytest.raises(Rejected, match="no signature"):
        Log(tmp_path, ORIGIN, SigningKey.generate("EdDSA").public)


def test_a_disk_that_refuses_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    (tmp_path / "tile/0/000.p/4").mkdir()
    with pytest.raises(Unavailable, match="the disk refuses"):
        log.append(b"window 3")
    assert log.size == 3
    (tmp_path / "tile/0/000.p/4").rmdir()
    assert log.append(b"window 3") == 3


def test_proofs_are_those_of_the_tree(tmp_path: Path) -> None:
    log = filled(tmp_path, 20)
    hashes = [merkle.leaf_hash(entry) for entry in entries(20)]
    assert log.inclusion(4, 11) == merkle.inclusion_proof(hashes[:11], 4)
    assert log.consistency(7, 20) == merkle.consistency_proof(hashes, 7)


def test_an_entry_too_long_for_its_length_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 65535"):
        opened(tmp_path).append(bytes(65_536))
