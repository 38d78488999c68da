"""An outbox in memory that fails on command: lost, or kept though it said that it failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ledger.facts.receipt import StoredSegment
from ledger.facts.segment import Head
from lightnode.errors import DiskFull, StoreFailed
from lightnode.ports import Kept, SealedSegment, Tail

Fault = Literal["", "lost", "kept", "full"]


@dataclass
class MemoryOutbox:
    """`fault` says for each call, by number and name, how it fails."""

    fault: Callable[[int, str], Fault] = lambda _number, _name: ""
    tail: Tail = field(default_factory=Tail)
    records: dict[int, bytes] = field(default_factory=dict)
    segments: dict[int, SealedSegment] = field(default_factory=dict)
    boot_id: bytes | None = None
    checkpoint: Head | None = None
    calls: int = 0
    promised: list[bytes] = field(default_factory=list)
    released: list[SealedSegment] = field(default_factory=list)

    async def load(self) -> Kept:
        self._do("load", lambda: None)
        return Kept(
            tail=self.tail,
            open_records=tuple(self.records[number] for number in sorted(self.records)),
            boot_id=self.boot_id,
            checkpoint=self.checkpoint,
        )

    async def note_boot(self, boot_id: bytes) -> None:
        self._do("note_boot", lambda: setattr(self, "boot_id", boot_id))

    async def append(self, sequence: int, record: bytes) -> None:
        assert sequence not in self.records, "a sequence is written once"
        self._do("append", lambda: self.records.__setitem__(sequence, record))
        self.promised.append(record)

    async def seal(self, segment: SealedSegment, tail: Tail) -> None:
        def kept() -> None:
            for number in range(segment.first_sequence, segment.first_sequence + segment.count):
                del self.records[number]
            assert segment.first_sequence not in self.segments, "a segment is sealed once"
            self.segments[segment.first_sequence] = segment
            self.tail = tail

        self._do("seal", kept)

    async def release(self, stored: Sequence[StoredSegment], checkpoint: Head | None) -> int:
        before = len(self.segments)

        def kept() -> None:
            for each in stored:
                segment = self.segments.get(each.first_sequence)
                if segment and (segment.count, segment.header_hash) == (
                    each.count,
                    each.header_hash,
                ):
                    self.released.append(self.segments.pop(each.first_sequence))
            self.checkpoint = checkpoint or self.checkpoint

        self._do("release", kept)
        return before - len(self.segments)

    async def after(self, sequence: int, limit: int) -> list[SealedSegment]:
        self._do("after", lambda: None)
        found = sorted(first for first in self.segments if first > sequence)
        return [self.segments[first] for first in found[:limit]]

    async def newest(self) -> SealedSegment | None:
        self._do("newest", lambda: None)
        return self.segments[max(self.segments)] if self.segments else None

    async def waiting(self) -> int:
        self._do("waiting", lambda: None)
        return len(self.segments)

    def _do(self, name: str, work: Callable[[], None]) -> None:
        self.calls += 1
        match self.fault(self.calls, name):
            case "lost":
                raise StoreFailed("scripted: lost", where="fake")
            case "kept":
                work()
                raise StoreFailed("scripted: kept all the same", where="fake")
            case "full":
                raise DiskFull("scripted: full", where="fake")
            case _:
                work()
