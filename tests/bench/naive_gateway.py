"""The naive gateway: every reading signed by itself, verified by itself, one row each."""

import sqlite3
from pathlib import Path

from ledger.codec import decode_record, encode_record
from ledger.facts.record import Reading
from ledger.signing import SEGMENT_CONTEXT, VerifyingKey
from tests.fakes.gateway_forger import records_of
from tests.segments import TestNode

_COMMIT_EVERY = 512


def signed_readings(nodes: list[TestNode], count: int) -> list[tuple[int, bytes]]:
    """Return so many readings, each signed by its node."""
    signed: list[tuple[int, bytes]] = []
    while len(signed) < count:
        for node in nodes:
            for record in records_of(node.segment()):
                message = node.key.sign(encode_record(record), SEGMENT_CONTEXT)
                signed.append((node.index, message))
    return signed[:count]


class NaiveGateway:
    """Verifies and keeps readings one by one, as durably as ours."""

    def __init__(self, path: Path, keys: dict[int, VerifyingKey]) -> None:
        self._keys = keys
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE reading (node INTEGER, sequence INTEGER, time_ms INTEGER,"
            " power_w INTEGER, message BLOB, PRIMARY KEY (node, sequence)) WITHOUT ROWID"
        )

    def admit(self, messages: list[tuple[int, bytes]]) -> None:
        """Verify and keep messages, in group commits as large as ours."""
        for start in range(0, len(messages), _COMMIT_EVERY):
            rows = [self._row(*one) for one in messages[start : start + _COMMIT_EVERY]]
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def _row(self, node: int, message: bytes) -> tuple[int, int, int, int, bytes]:
        record = decode_record(self._keys[node].verify(message, SEGMENT_CONTEXT))
        assert isinstance(record, Reading)
        return node, record.sequence, record.time_ms, record.power_w, message
