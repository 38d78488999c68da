"""The gateway's log on disk: dense entries and tiles that any static file server can publish.

```
checkpoint                  the signed head; what it covers is public
tile/entries/000            256 entries, each behind its length (2 bytes, big-endian)
tile/entries/000.p/17       the first 17 of them, until the bundle is full
tile/0/000, tile/1/000 …    256 hashes each, of level 0, 8, 16 …
```

An entry is appended before the checkpoint that covers it is published. A crash in between
leaves files that the next append of the same entry writes again.

Source: C2SP tlog-tiles, https://c2sp.org/tlog-tiles.
"""

import os
import shutil
from pathlib import Path

from ledger.checkpoint import Checkpoint, verify_checkpoint
from ledger.errors import InvariantBroken, Rejected, Unavailable
from ledger.merkle import HASH_BYTES, Tree, leaf_hash
from ledger.signing import VerifyingKey

_WIDTH = 256
_LENGTH_BYTES = 2
_MAX_ENTRY = (1 << 16) - 1


class Log:
    """An append-only log in a directory, owned by one process."""

    def __init__(self, directory: Path, origin: str, key: VerifyingKey) -> None:
        """Open the log, or begin an empty one, and check all of it against its checkpoint.

        Raises:
            Rejected: the checkpoint is not this log's.
            InvariantBroken: tiles or entries are missing or are not what the checkpoint covers.
            Unavailable: the disk refuses.
        """
        self._directory = directory
        self._tree = Tree()
        self._tail: list[bytes] = []
        self._published_size = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
            note = directory / "checkpoint"
            if note.exists():
                self._recover(verify_checkpoint(note.read_text(), key), origin)
        except OSError as error:
            raise _disk(error, directory) from error

    @property
    def size(self) -> int:
        """Return the number of entries."""
        return len(self._tree)

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` entries, all by default."""
        return self._tree.root(size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the path of entry `index` in the log of `size`."""
        return self._tree.inclusion(index, size)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the log of `size` continues the log of `old_size`."""
        return self._tree.consistency(old_size, size)

    def append(self, entry: bytes) -> int:
        """Write one entry durably, and return its index; nobody is told before `publish`.

        Raises:
            ValueError: the entry is longer than 65,535 bytes.
            Unavailable: the disk refuses; the log is as it was.
        """
        if len(entry) > _MAX_ENTRY:
            msg = f"an entry of {len(entry)} bytes; at most {_MAX_ENTRY} fit"
            raise ValueError(msg)
        index, tail = self.size, [*self._tail, entry]
        grown = Tree(self._tree.tail_leaves(index % _WIDTH))
        grown.append(leaf_hash(entry))
        try:
            self._write_tile("entries", index // _WIDTH, b"".join(map(_framed, tail)), len(tail))
            self._write_tile("0", index // _WIDTH, b"".join(grown.leaves()), len(tail))
        except OSError as error:
            raise _disk(error, self._directory) from error
        self._tree.append(leaf_hash(entry))
        self._tail = tail if len(tail) < _WIDTH else []
        return index

    def publish(self, note: str) -> None:
        """Replace the public checkpoint, durably and in one step.

        Raises:
            Unavailable: the disk refuses; the old checkpoint stands.
        """
        try:
            self._write_upper_tiles()
            _write(self._directory / "checkpoint", note.encode())
        except OSError as error:
            raise _disk(error, self._directory) from error
        self._published_size = self.size

    def entry(self, index: int) -> bytes:
        """Return one entry.

        Raises:
            ValueError: there is no such entry.
            InvariantBroken: the file is not what the log covers.
        """
        if not 0 <= index < self.size:
            msg = f"entry {index} is not in a log of {self.size}"
            raise ValueError(msg)
        tile, offset = divmod(index, _WIDTH)
        entries = self._entries(tile, min(_WIDTH, self.size - tile * _WIDTH))
        if leaf_hash(entries[offset]) != self._tree.leaves()[index]:
            raise InvariantBroken(f"entry {index} was changed on disk", where=str(self._directory))
        return entries[offset]

    def _recover(self, head: Checkpoint, origin: str) -> None:
        if head.origin != origin:
            raise Rejected(
                f"holds the log of {head.origin}, not of {origin}",
                where=str(self._directory),
                remedy="name the right directory or origin in the configuration",
                reason="wrong_log",
            )
        for tile in range(-(-head.size // _WIDTH)):
            width = min(_WIDTH, head.size - tile * _WIDTH)
            stored = self._read_tile("0", tile, width)
            self._tree.extend(
                [stored[i : i + HASH_BYTES] for i in range(0, width * HASH_BYTES, HASH_BYTES)]
            )
            if width < _WIDTH:
                self._tail = self._entries(tile, width)
        if self._tree.root() != head.root or any(
            leaf_hash(entry) != leaf
            for entry, leaf in zip(self._tail, self._tree.tail_leaves(len(self._tail)), strict=True)
        ):
            raise self._damaged("does not lead to the root of its checkpoint")
        self._published_size = head.size

    def _entries(self, tile: int, width: int) -> list[bytes]:
        stored, at, entries = self._read_tile("entries", tile, width), 0, []
        for _ in range(width):
            length = int.from_bytes(stored[at : at + _LENGTH_BYTES], "big")
            at += _LENGTH_BYTES + length
            entries.append(stored[at - length : at])
        return entries

    def _read_tile(self, level: str, tile: int, width: int) -> bytes:
        """Return the first `width` hashes or entries of a tile, from whichever file has them."""
        for wider in range(width, _WIDTH + 1):
            path = self._path(level, tile, wider)
            if path.exists():
                return _cut(level, path.read_bytes(), width)
        raise self._damaged(f"has no {self._path(level, tile, width)}")

    def _write_upper_tiles(self) -> None:
        """Write the tiles of the levels above 0 that have grown since the last publication."""
        level, written, count = 1, self._published_size // _WIDTH, self.size // _WIDTH
        while count:
            for tile in range(written // _WIDTH, -(-count // _WIDTH)):
                start, end = tile * _WIDTH, min((tile + 1) * _WIDTH, count)
                hashes = self._tree.subtrees(8 * level, start, end)
                self._write_tile(str(level), tile, b"".join(hashes), end - start)
            level, written, count = level + 1, written // _WIDTH, count // _WIDTH

    def _write_tile(self, level: str, tile: int, content: bytes, width: int) -> None:
        _write(self._path(level, tile, width), content)
        if width == _WIDTH:
            full = self._path(level, tile, _WIDTH)
            shutil.rmtree(full.with_name(f"{full.name}.p"), ignore_errors=True)

    def _path(self, level: str, tile: int, width: int) -> Path:
        groups: list[str] = []
        rest = tile
        while True:
            rest, group = divmod(rest, 1000)
            groups.append(f"{group:03}" if not groups else f"x{group:03}")
            if not rest:
                break
        path = self._directory / "tile" / level / "/".join(reversed(groups))
        return path if width == _WIDTH else path.with_name(f"{path.name}.p") / str(width)

    def _damaged(self, what: str) -> InvariantBroken:
        return InvariantBroken(
            f"the log {what}",
            where=str(self._directory),
            remedy="restore the directory from its backup; the ledger holds its root",
        )


def _cut(level: str, stored: bytes, width: int) -> bytes:
    if level != "entries":
        return stored[: width * HASH_BYTES]
    at = 0
    for _ in range(width):
        at += _LENGTH_BYTES + int.from_bytes(stored[at : at + _LENGTH_BYTES], "big")
    return stored[:at]


def _framed(entry: bytes) -> bytes:
    return len(entry).to_bytes(_LENGTH_BYTES, "big") + entry


def _write(path: Path, content: bytes) -> None:
    """Write a file durably and in one step: a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    for folder in (path.parent, path.parent.parent):
        _sync_directory(folder)


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk(error: OSError, directory: Path) -> Unavailable:
    return Unavailable(
        f"the disk refuses ({error.strerror})",
        where=str(error.filename or directory),
        remedy="free some space or repair the disk; nothing is lost",
    )
