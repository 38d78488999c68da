"""The gateway's journal: one SQLite file, durable before anything else sees what is in it."""

from pathlib import Path

from gateway.journal.quarantine import Quarantine, Quarantined
from gateway.journal.registrations import RegistryJournal
from gateway.journal.segments import SegmentJournal
from gateway.journal.store import Store, take_alone
from gateway.journal.windows import WindowJournal


class Journal:
    """The parts of the journal, which share one file."""

    def __init__(self, store: Store, *, quarantine_bytes: int = 64 << 20) -> None:
        self.store = store
        self.quarantine = Quarantine(store, most_bytes=quarantine_bytes)
        self.segments = SegmentJournal(store, self.quarantine)
        self.registry = RegistryJournal(store)
        self.windows = WindowJournal(store)

    @classmethod
    def open(
        cls, path: Path, *, reserve_bytes: int = 0, quarantine_bytes: int = 64 << 20
    ) -> "Journal":
        """Return the journal in a file; a new one is made.

        Raises:
            JournalBlocked: the file cannot be opened or written now.
            JournalDamaged: it is no journal, or not what was written.
        """
        store = Store(path, reserve_bytes=reserve_bytes)
        return cls(store, quarantine_bytes=quarantine_bytes)

    def prune(self, cutoff_ms: int, *, most: int) -> int:
        """Forget certified segments admitted before an instant; return how many."""
        self.store.take_reserve()
        return self.segments.prune(cutoff_ms, most=most)

    def prune_windows(self, cutoff_ms: int) -> None:
        """Forget certified windows closed before an instant."""
        self.windows.prune_windows(cutoff_ms)

    def close(self) -> None:
        """Close the file."""
        self.store.close()


__all__ = ["Journal", "Quarantined", "Store", "take_alone"]
