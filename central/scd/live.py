"""The latest unsigned records, for operators' screens: kept in memory only, never settled."""

import threading

from central.scd.checking import last_value
from central.scd.stored import LastValue
from ledger.codec import read_rows
from ledger.facts.record import RecordKind


class LiveBoard:
    """The latest live reading of each node; safe for use by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[int, LastValue] = {}

    def show(self, node_index: int, record: bytes) -> None:
        """Take note of a live record; only readings newer than the one shown count.

        Raises:
            Rejected: it is no record.
        """
        row = read_rows([record])[0]
        if row[1] != RecordKind.READING:
            return
        value = last_value(node_index, row)
        with self._lock:
            known = self._latest.get(node_index)
            if known is None or value.sequence > known.sequence:
                self._latest[node_index] = value

    def latest(self, node_index: int) -> LastValue | None:
        """Return the latest live reading of a node."""
        return self._latest.get(node_index)
