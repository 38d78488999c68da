"""A grid by position and by name."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.grid.model import Grid, names
from ledger.errors import Rejected
from tests.grids import feeder, station

GRID = station()


def test_branches_stand_in_one_order_lines_first() -> None:
    assert [branch.name for branch in GRID.branches[GRID.spans["line"]]] == [
        "A-B", "B-C", "B-C bis", "A-C", "A-C bis",
    ]  # fmt: skip
    assert [GRID.branches[n].name for n in (5, 6, 7)] == ["TR", "TS", "D-E"]
    assert GRID.branch_ids.tolist() == [20, 21, 22, 23, 24, 30, 31, 40]
    ends = zip(GRID.branch_from.tolist(), GRID.branch_to.tolist(), strict=True)
    assert list(ends) == [(1, 2), (2, 3), (2, 3), (1, 3), (1, 3), (0, 1), (3, 4), (4, 5)]


def test_branch_ends_stand_node_by_node() -> None:
    starts, branch, beyond = GRID.branch_ends
    for node in range(len(GRID.nodes)):
        ends = slice(starts[node], starts[node + 1])
        told = sorted(zip(branch[ends].tolist(), beyond[ends].tolist(), strict=True))
        sides = [(GRID.branch_from, GRID.branch_to), (GRID.branch_to, GRID.branch_from)]
        expected = [
            (int(n), int(far[n])) for near, far in sides for n in np.flatnonzero(near == node)
        ]
        assert told == sorted(expected)


def test_a_branch_is_closed_where_both_its_ends_are() -> None:
    assert GRID.closed.tolist() == [True, True, False, False, False, True, True, True]


def test_values_of_nodes_and_taps_follow_the_file() -> None:
    assert GRID.rated_v.tolist() == [110e3, 20e3, 20e3, 20e3, 400, 400]
    assert GRID.source_nodes.tolist() == [0]
    assert GRID.tap_pos.tolist() == [3, -1]
    assert set(GRID.low_pu) == {0.90}
    assert set(GRID.high_pu) == {1.10}


def test_a_source_that_is_off_feeds_nothing() -> None:
    source = GRID.network["source"].copy()
    source["status"] = 0
    assert replace(GRID, network={**GRID.network, "source": source}).source_nodes.size == 0


def test_a_rating_is_a_current_at_each_side() -> None:
    """A transformer of 25 MVA carries 131.2 A at 110 kV and 721.7 A at 20 kV; a link anything."""
    at_from_a, at_to_a = GRID.rating_a
    assert at_from_a[0] == at_to_a[0] == 145.0
    assert (at_from_a[5], at_to_a[5]) == pytest.approx((131.216, 721.688), abs=1e-3)
    assert at_from_a[7] == at_to_a[7] == np.inf


def test_a_grid_without_transformers_or_lines_has_no_such_branch() -> None:
    alone = Grid("bus", "tests", {key: GRID.network[key] for key in ("node", "source")},
                 GRID.nodes, (), (), ())  # fmt: skip
    assert alone.closed.shape == alone.branch_from.shape == alone.tap_pos.shape == (0,)
    assert alone.spans["transformer"] == slice(0, 0)


def test_powers_of_pods_are_summed_at_their_nodes() -> None:
    grid = replace(
        GRID, connections=(*GRID.connections, replace(GRID.connections[0], pod="IT002E00000009"))
    )
    of_pods = np.arange(8.0).reshape(2, 1, 4)
    summed = grid.at_nodes(of_pods)
    assert summed.shape == (2, 1, 6)
    assert summed[0, 0].tolist() == [0, 0, 0.0 + 3.0, 0, 1, 2]
    assert summed[1, 0].tolist() == [0, 0, 4.0 + 7.0, 0, 5, 6]
    complex_va = grid.at_nodes(np.array([1 + 2j, 0, 0, 1j]))
    assert complex_va[2] == 1 + 3j


def test_names_lead_to_positions() -> None:
    assert (GRID.node("C"), GRID.branch("TS"), GRID.pod("IT002E00000002")) == (3, 6, 1)
    assert GRID.pod_node.tolist() == [2, 4, 5]
    assert GRID.tan_phi.tolist() == [0.2, 0.3, 0.0]
    assert GRID.positions(np.array([15, 10, 15])).tolist() == [5, 0, 5]


@pytest.mark.parametrize(
    ("asked", "reason", "told"),
    [
        (lambda: GRID.node("c"), "unknown_node", "did you mean 'C'?"),
        (lambda: GRID.node("Z"), "unknown_node", "certiflex central grid show"),
        (lambda: GRID.branch("ts"), "unknown_branch", "did you mean 'TS'?"),
        (lambda: GRID.pod("IT002E00000007"), "unknown_pod", "no pod is called 'IT002E00000007'"),
        (lambda: GRID.positions(np.array([10, 77])), "unknown_node", "the identifier 77"),
    ],
)  # fmt: skip
def test_an_unknown_name_says_what_is_near(asked, reason: str, told: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- a question
    with pytest.raises(Rejected) as refused:
        asked()
    assert refused.value.reason == reason
    assert told in str(refused.value)
    assert GRID.name in str(refused.value)


def test_many_names_are_told_in_a_few_words() -> None:
    grid = feeder(12)
    assert names(grid.nodes, [0, 3]) == "N0, N3"
    assert names(grid.nodes, range(12), most=2) == "N0, N1 and 10 more"
