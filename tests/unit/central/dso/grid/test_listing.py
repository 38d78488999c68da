"""Elements as rows, and one element with what hangs on it."""

import json

import pytest

from central.dso.grid.listing import (
    LISTS,
    branch_detail,
    branch_rows,
    node_detail,
    pod_detail,
    summary,
)
from ledger.errors import Rejected
from tests.grids import station

GRID = station()


def test_there_is_a_row_for_each_element() -> None:
    counts = {name: len(of(GRID)) for name, of in LISTS.items()}
    assert counts == {"nodes": 6, "branches": 8, "pods": 3, "sensors": 2}
    assert json.loads(json.dumps({name: of(GRID) for name, of in LISTS.items()}))


def test_rows_of_branches_say_where_they_lead_and_what_they_carry() -> None:
    rows = {row["branch"]: row for row in branch_rows(GRID)}
    assert rows["A-C"] == {
        "branch": "A-C", "kind": "line", "from": "A", "to": "C", "closed": False, "switch": True,
        "rating_a": 145.0,
    }  # fmt: skip
    assert (rows["TR"]["kind"], rows["TR"]["rating_a"]) == ("transformer", 131.216)
    assert (rows["D-E"]["kind"], rows["D-E"]["rating_a"]) == ("link", None)


def test_the_summary_counts_and_says_where_the_means_stand() -> None:
    told = summary(GRID)
    assert told["counts"] == {
        "nodes": 6, "lines": 5, "transformers": 2, "links": 1, "pods": 3, "sensors": 2,
    }  # fmt: skip
    assert told["open"] == ["B-C bis", "A-C", "A-C bis"]
    assert told["taps"] == {"TR": {"pos": 3, "min": -9, "max": 9}}
    assert told["capacitors"] == {"bank": {"steps_in": 2, "steps": 2, "step_var": 200e3}}
    assert told["substations"] == {"PS": ["TR"]}


def test_a_node_is_told_with_its_branches_pods_and_sensors() -> None:
    told = node_detail(GRID, "A")
    assert (told["rated_v"], told["area"]) == (20e3, "town")
    assert [row["branch"] for row in told["branches"]] == ["A-B", "A-C", "A-C bis", "TR"]
    assert [row["sensor"] for row in told["sensors"]] == ["V&C A"]
    assert [row["pod"] for row in node_detail(GRID, "E")["pods"]] == ["IT002E00000003"]


def test_a_branch_is_told_with_what_the_network_says() -> None:
    told = branch_detail(GRID, "TS")
    assert (told["network"]["id"], told["network"]["tap_pos"]) == (31, -1)
    assert "x_grounding_from" not in told["network"], "what is not given is not told"
    assert [row["sensor"] for row in told["sensors"]] == ["LV3G C"]
    assert branch_detail(GRID, "D-E")["network"]["id"] == 40


def test_a_pod_is_told_with_its_node() -> None:
    told = pod_detail(GRID, "IT002E00000002")
    assert (told["contract_w"], told["at"]["node"]) == (100_000, "D")


def test_an_unknown_element_is_refused() -> None:
    for asked, of in (("X", node_detail), ("X", branch_detail), ("X", pod_detail)):
        with pytest.raises(Rejected):
            of(GRID, asked)
