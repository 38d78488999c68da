"""A window log in memory: what was not published is gone at the next opening."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger import merkle
from ledger.checkpoint import Checkpoint, read_checkpoint
from ledger.errors import Unavailable


@dataclass
class FakeLog:
    """The port `WindowLog`; `lose` and `keep` name calls that fail before or after their effect."""

    entries: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lose: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.entries)

    def append(self, entry: bytes) -> int:
        self._begin("append")
        self.entries.append(entry)
        # An append is not visible before `publish`: one that fails leaves the log as it was.
        if "append" in self.keep:
            self.keep.remove("append")
            self.entries.pop()
            raise Unavailable("written, and failed", where="fake log")
        return self.size - 1

    def entry(self, index: int) -> bytes:
        return self.entries[index]

    def root(self, size: int | None = None) -> bytes:
        return merkle.root(self._hashes(self.size if size is None else size))

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        return merkle.consistency_proof(self._hashes(size), old_size)

    def publish(self, note: str) -> None:
        self._begin("publish")
        head = read_checkpoint(note)
        assert head.size == self.size
        assert head.root == self.root()
        self.notes.append(note)
        if "publish" in self.keep:
            self.keep.remove("publish")
            raise Unavailable("published, and failed", where="fake log")

    def published(self) -> Checkpoint | None:
        """Return the head that everybody sees."""
        return read_checkpoint(self.notes[-1]) if self.notes else None

    def reopened(self) -> "FakeLog":
        """Return the log as the next start finds it."""
        head = self.published()
        return FakeLog(self.entries[: head.size if head else 0], self.notes)

    def _hashes(self, size: int) -> Sequence[bytes]:
        return list(map(merkle.leaf_hash, self.entries[:size]))

    def _begin(self, call: str) -> None:
        if call in self.lose:
            self.lose.remove(call)
            raise Unavailable(f"{call} was lost", where="fake log")
