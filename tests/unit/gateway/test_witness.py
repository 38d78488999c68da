"""Claims of nodes against the log: the same, another, longer than it ever was."""

import pytest

from gateway.ports import Examined, SplitView
from gateway.witness import Witness
from ledger.facts.segment import Head
from tests.fakes.gateway_forger import examine, keyring_of
from tests.fakes.gateway_log import FakeLog
from tests.segments import FIRST_MS, ORIGIN, TestNode

NOW_MS = FIRST_MS + 3_600_000


def claiming(claim: Head | None) -> Examined:
    node = TestNode(0, checkpoint=claim)
    return examine(
        node.segment(), topic_node=0, keyring=keyring_of(node), origin=ORIGIN, now_ms=NOW_MS
    )


class CountingLog(FakeLog):
    """Counts how often it is asked."""

    asked = 0

    def root(self, size: int | None = None) -> bytes:
        self.asked += 1
        return super().root(size)


def test_what_the_log_was_is_borne_out_and_asked_for_once() -> None:
    log = CountingLog([b"a", b"b", b"c"])
    witness, roots = Witness(log), {size: log.root(size) for size in range(4)}
    log.asked = 0
    assert witness.split_view(claiming(None), NOW_MS) is None
    for _ in range(3):
        for size in (1, 2, 3):
            assert witness.split_view(claiming((size, roots[size])), NOW_MS) is None
    assert log.asked == 3
    log.append(b"d")
    assert witness.split_view(claiming((4, log.root())), NOW_MS) is None, "it grows"
    assert witness.split_view(claiming((3, roots[3])), NOW_MS) is None, "and was what it was"


def test_another_root_is_a_split_view() -> None:
    log = FakeLog([b"a", b"b"])
    segment = claiming((2, b"\x01" * 32))
    assert Witness(log).split_view(segment, NOW_MS) == SplitView(
        segment=segment, root=log.root(2), detected_ms=NOW_MS
    )


def test_a_log_that_was_never_so_large_is_a_split_view_until_it_is() -> None:
    log = FakeLog([b"a"])
    grown = FakeLog([b"a", b"b"]).root()
    witness, segment = Witness(log), claiming((2, grown))
    view = witness.split_view(segment, NOW_MS)
    assert view is not None
    assert view.root == b""
    log.append(b"b")
    assert witness.split_view(segment, NOW_MS) is None


def test_the_roots_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.witness._MOST_ROOTS", 3)
    log = CountingLog([bytes([n]) for n in range(8)])
    roots = {size: log.root(size) for size in range(1, 9)}
    witness, log.asked = Witness(log), 0
    for size in (1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 1):
        assert witness.split_view(claiming((size, roots[size])), NOW_MS) is None
    assert log.asked == 9, "the first was forgotten, the last was not"
