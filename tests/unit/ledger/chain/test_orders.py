"""Orders: kept before they are sent, told once they are written down, never gone on with a fork."""

from dataclasses import replace

import pytest

from ledger import merkle
from ledger.chain.orders import (
    Carrier,
    decode_order,
    encode_order,
    known_submission,
    need_own,
    next_submission,
)
from ledger.chain.values import Final, Head, Order, Prepared, RegistryRoot, Submission
from ledger.codec import encode
from ledger.errors import InvariantBroken, Refused, Rejected
from tests.fakes.gateway_clock import HandClock
from tests.fakes.gateway_ledger import FakeLedger
from tests.fakes.scd_anchors import FakeAnchors

TREE = merkle.Tree([bytes([number]) * 32 for number in range(9)])
LOG = bytes(31) + b"\x01"
NOTHING = Head(sequence=0, size=0, root=merkle.EMPTY_ROOT, block_time_s=0)
FIRST = next_submission(LOG, NOTHING, size=3, root=TREE.root(3), proof=[])


def carried(journal: FakeAnchors, ledger: FakeLedger, told: list[Order]) -> Carrier:
    return Carrier(journal, ledger, HandClock(5), lambda order, _: told.append(order))


def test_an_order_is_carried_out_and_told() -> None:
    journal, ledger, told = FakeAnchors(), FakeLedger(), list[Order]()
    carrier = carried(journal, ledger, told)
    assert carrier.advance(lambda: None) is None
    steps = [carrier.advance(lambda: FIRST) for _ in range(4)]
    assert isinstance(steps[0], Prepared)
    assert isinstance(steps[3], Final)
    assert ledger.heads == told == [FIRST]


def test_what_is_under_way_comes_before_what_follows() -> None:
    journal, ledger, told = FakeAnchors(), FakeLedger(), list[Order]()
    carried(journal, ledger, told).advance(lambda: FIRST)

    def never() -> Order:
        pytest.fail("an order is under way")

    again = carried(journal, ledger, told)
    while not isinstance(again.advance(never), Final):
        pass
    assert ledger.heads == [FIRST]


@pytest.mark.parametrize(("reason", "is_void"), [("sequence", True), ("paused", False)])
def test_only_an_order_that_was_overtaken_is_given_up(*, reason: str, is_void: bool) -> None:
    journal, ledger = FakeAnchors(), FakeLedger()
    carrier = carried(journal, ledger, [])
    carrier.advance(lambda: FIRST)
    ledger.refuse = reason
    with pytest.raises(Refused):
        carrier.advance(lambda: None)
    assert (journal.anchor_under_way() is None) == is_void


def test_the_next_order_continues_the_ledgers_head() -> None:
    head = Head(sequence=4, size=3, root=TREE.root(3), block_time_s=1)
    proof = TREE.consistency(3, 9)
    order = next_submission(LOG, head, size=9, root=TREE.root(), proof=proof)
    assert (order.sequence, order.size) == (5, 9)
    merkle.verify_consistency(3, head.root, 9, order.root, order.proof)
    assert (known_submission(LOG, head).sequence, known_submission(LOG, head).size) == (4, 3)


def test_a_head_of_another_log_is_never_gone_on_with() -> None:
    head = Head(sequence=1, size=3, root=TREE.root(3), block_time_s=1)
    need_own(NOTHING, 0, TREE.root)
    need_own(head, 3, TREE.root)
    with pytest.raises(InvariantBroken):
        need_own(head, 2, TREE.root)
    with pytest.raises(InvariantBroken):
        need_own(replace(head, root=bytes(32)), 9, TREE.root)


@pytest.mark.parametrize(
    "order",
    [
        FIRST,
        Submission(log_id=LOG, sequence=2, root=bytes(32), size=9, meta=bytes(32),
                   proof=(bytes(32), b"\x01" * 32)),
        RegistryRoot(log_id=LOG, root=bytes(32)),
    ],
)  # fmt: skip
def test_an_order_comes_back_from_the_journal(order: Order) -> None:
    assert decode_order(encode_order(order)) == order


def test_what_is_no_order_is_told() -> None:
    with pytest.raises(InvariantBroken):
        decode_order(encode([3, LOG]))
    with pytest.raises(Rejected):
        decode_order(b"\xff")
