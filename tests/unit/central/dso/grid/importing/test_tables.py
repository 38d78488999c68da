"""Tables of pandapower with gaps, of every kind that pandas knows."""

import math

import pandas as pd

from central.dso.grid.importing.tables import is_on, names, number, records, text
from tests.foreign_nets import town


def test_a_gap_is_the_default_whatever_it_is_made_of() -> None:
    for gap in (None, math.nan, pd.NA, pd.NaT, "text"):
        assert number({"x": gap}, "x", 5.0) == 5.0
    assert math.isnan(number({}, "x"))
    assert (number({"x": 3}, "x"), number({"x": True}, "x")) == (3.0, 1.0)
    for gap in (None, math.nan, pd.NA, ""):
        assert text({"x": gap}, "x", "y") == "y"


def test_elements_are_in_service_unless_they_say_otherwise() -> None:
    assert is_on({})
    assert not is_on({"in_service": False})


def test_records_carry_the_index_of_the_origin() -> None:
    net = town()
    net.line.index = [7, 9]
    assert [(index, record["name"]) for index, record in records(net, "line")] == [
        (7, "A-B"), (9, "B-C"),
    ]  # fmt: skip
    assert list(records(net, "no_such_table")) == []


def test_every_element_has_a_name_of_its_own() -> None:
    net = town()
    net.bus["name"] = ["A", "A", None, "B"]
    assert names(net, "bus") == {0: "A", 1: "A (bus 1)", 2: "bus 2", 3: "B"}
