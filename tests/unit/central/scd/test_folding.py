"""What a segment is to those known before it."""

from central.scd.checking import check
from central.scd.folding import Extent, NodeFold
from central.scd.stored import Outcome
from tests.segments import ORIGIN, TestNode, lively


def extent(first: int, end: int, name: int) -> Extent:
    return Extent(first, end, bytes([name]) * 32)


def test_extents_overlap_where_they_share_a_sequence() -> None:
    assert extent(0, 15, 1).overlaps(extent(14, 20, 2))
    assert not extent(0, 15, 1).overlaps(extent(15, 20, 2))


def test_stored_extents_stay_in_order_and_are_known_once() -> None:
    fold = NodeFold()
    fold.know([extent(30, 45, 3), extent(0, 15, 1)])
    fold.know([extent(0, 15, 1), extent(15, 30, 2)])
    assert [each.first_sequence for each in fold.stored] == [0, 15, 30]


def test_a_long_contradiction_disputes_all_it_overlaps() -> None:
    node = TestNode(0)
    segments = [check(body, ORIGIN) for body in node.segments(3)]
    lie = check(TestNode(0, power=lively(1), window_slots=30).segment(), ORIGIN)
    fold = NodeFold()
    assert [fold.fold(segment) for segment in segments] == [(Outcome.STORED, True)] * 3
    assert fold.fold(lie) == (Outcome.CONFLICT, True)
    assert fold.disputed == {0, 15}
    assert fold.fold(lie) == (Outcome.CONFLICT, False)
    assert fold.fold(segments[0]) == (Outcome.DUPLICATE, False)
