"""The log's guarantees as the gateway needs them, on the fake and on disk."""

from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.log import Log
from ledger.merkle import leaf_hash, root, verify_consistency
from ledger.signing import SigningKey
from tests.fakes.gateway_log import FakeLog

KEY = SigningKey.generate("EdDSA")
ORIGIN = "certiflex.example/test"


class Rig:
    """A log that can be opened again."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._fake = FakeLog()
        self.log: Any = self._fake
        self.reopen()

    def reopen(self) -> None:
        """Open the log as the next start does."""
        if self._folder is None:
            self.log = self._fake = self._fake.reopened()
        else:
            self.log = Log(self._folder, ORIGIN, KEY.public)

    def publish(self) -> None:
        """Publish the present head."""
        head = Checkpoint(ORIGIN, self.log.size, self.log.root())
        self.log.publish(sign_checkpoint(head, KEY))


@pytest.fixture(params=["fake", "disk"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return Rig(tmp_path / "log" if request.param == "disk" else None)


def test_entries_are_dense_and_lead_to_the_root(rig: Rig) -> None:
    entries = [b"entry %d" % number for number in range(5)]
    assert [rig.log.append(entry) for entry in entries] == [0, 1, 2, 3, 4]
    assert [rig.log.entry(number) for number in range(5)] == entries
    for size in range(1, 6):
        assert rig.log.root(size) == root([leaf_hash(entry) for entry in entries[:size]])


def test_the_log_only_grows(rig: Rig) -> None:
    for number in range(9):
        rig.log.append(bytes([number]))
    for old in range(1, 9):
        proof = rig.log.consistency(old, 9)
        verify_consistency(old, rig.log.root(old), 9, rig.log.root(9), proof)


def test_what_was_published_is_there_after_a_crash(rig: Rig) -> None:
    rig.log.append(b"zero")
    rig.publish()
    rig.log.append(b"one")
    rig.reopen()
    assert (rig.log.size, rig.log.entry(0)) == (1, b"zero")
    rig.log.append(b"one")
    rig.publish()
    rig.reopen()
    assert rig.log.root() == root([leaf_hash(b"zero"), leaf_hash(b"one")])
