"""The grid file: what is written is read again, and what is wrong in it is told with its place."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from power_grid_model import DatasetType, LoadGenType
from power_grid_model.utils import json_serialize

from central.dso.grid.file import GridTable, read_grid, read_network, table_of, write_grid
from central.dso.grid.model import Grid
from ledger.configuration import schema
from ledger.errors import Rejected
from tests.grids import component, feeder, station

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_grid(station(), tmp_path / "town.grid.json")
    return tmp_path / "town.grid.json"


def same(one: Grid, other: Grid) -> bool:
    """Tell whether two grids are equal, value by value; what is not given equals itself."""
    kinds = one.network.keys() == other.network.keys()
    return (
        kinds
        and replace(one, network={}) == replace(other, network={})
        and all(
            np.array_equal(values[column], other.network[kind][column], equal_nan=True)
            for kind, values in one.network.items()
            for column in values.dtype.names or ()
        )
    )


@pytest.mark.parametrize("grid", [station(), feeder(30, rings=2)], ids=["station", "feeder"])
@pytest.mark.parametrize("msgpack", [False, True], ids=["json", "msgpack"])
def test_what_is_written_is_read_again(tmp_path: Path, grid: Grid, msgpack: bool) -> None:  # noqa: FBT001 -- a case
    path = tmp_path / "any.grid.json"
    write_grid(grid, path, msgpack=msgpack)
    assert same(read_grid(path), grid)
    suffix = "msgpack" if msgpack else "json"
    assert {each.name for each in tmp_path.iterdir()} == {"any.grid.json", f"any.pgm.{suffix}"}
    assert not same(grid, replace(grid, name="other"))


def test_a_written_file_is_the_same_each_time(path: Path) -> None:
    before = [each.read_bytes() for each in sorted(path.parent.iterdir())]
    write_grid(read_grid(path), path)
    assert before == [each.read_bytes() for each in sorted(path.parent.iterdir())]


def test_rows_may_stand_in_any_order(path: Path) -> None:
    table = json.loads(path.read_text())
    table["nodes"].reverse()
    table["branches"].reverse()
    path.write_text(json.dumps(table))
    assert same(read_grid(path), station())


def test_the_table_names_elements_by_the_networks_identifiers() -> None:
    table = table_of(station(), "x.pgm.json")
    assert (table.schema, table.network) == ("certiflex/grid/v1", "x.pgm.json")
    assert [row.node for row in table.pods] == [12, 14, 15]
    assert table.substations[0].transformers == (30,)
    assert (table.taps[0].transformer, table.capacitors[0].shunt) == (30, 50)
    assert [(row.node, row.branch) for row in table.sensors] == [(11, None), (None, 31)]


def test_the_schema_knows_every_key() -> None:
    described = schema(GridTable)
    assert described["properties"]["schema"] == {"enum": ["certiflex/grid/v1"]}
    assert described["properties"]["pods"]["items"]["required"] == ["pod", "node", "contract_w"]
    assert described["additionalProperties"] is False


def rows(kind: str, **changed: object) -> Change:
    return lambda table: table[kind][0].update(changed)


WRONG: dict[str, tuple[Change, str]] = {
    "unknown key": (rows("nodes", low=0.9), "nodes[0].low: unknown key; did you mean low_pu?"),
    "missing key": (lambda table: table["pods"][0].pop("contract_w"), "pods[0].contract_w"),
    "text for a number": (rows("pods", contract_w="much"), "expected an integer, found 'much'"),
    "endless number": (rows("taps", cost_eur=10**400), "taps[0].cost_eur: expected a number"),
    "phase": (rows("pods", phases="ab"), "expected one of 'abc', 'a', 'b', 'c', found 'ab'"),
    "other schema": (lambda table: table.update(schema="certiflex/grid/v2"), "certiflex/grid/v1"),
    "unknown node": (rows("pods", node=99), "pods IT002E00000001: no node of the network has the"),
    "unknown branch": (rows("sensors", node=None, branch=99), "sensors V&C A: no branch"),
    "unknown shunt": (rows("capacitors", shunt=99), "bank: no shunt"),
    "unknown transformer": (rows("substations", transformers=[99]), "substations PS: no branch"),
    "named twice": (rows("nodes", id=11), "nodes A: names 11 twice"),
    "node not named": (lambda table: table["nodes"].pop(), "nodes: 1 of 6 in the network have no"),
    "branch not named": (lambda table: table["branches"].pop(), "branches: 1 of 8 in the network"),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_told_with_its_place(path: Path, change: Change, told: str) -> None:
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises(Rejected) as refused:
        read_grid(path)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)
    assert refused.value.reason in {"misconfigured", "bad_grid_file"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON"),
        ("[]", "expected an object"),
        (None, "No such file"),
        ("[" * 100_000, "nested deeper than 64"),
        ('{"nodes":' * 100_000, "nested deeper than 64"),
    ],
    ids=["half", "list", "missing", "deep list", "deep object"],
)
def test_what_is_no_table_is_told(path: Path, text: str | None, told: str) -> None:
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(Rejected, match=told) as refused:
        read_grid(path)
    reason, hint = ("unreadable_file", "check the path") if text is None else (
        "bad_grid_file", "docs/grid.md"
    )  # fmt: skip
    assert (refused.value.reason, hint in str(refused.value)) == (reason, True)


def load() -> dict[str, Any]:
    return {"sym_load": component("sym_load", id=[90], node=12, status=1, p_specified=1.0,
                                  q_specified=0.0, type=LoadGenType.const_power)}  # fmt: skip


def regulator() -> dict[str, Any]:
    return {"transformer_tap_regulator": component(
        "transformer_tap_regulator", id=[91], regulated_object=30, status=1, control_side=1,
        u_set=20e3, u_band=500.0)}  # fmt: skip


@pytest.mark.parametrize(
    ("added", "told"),
    [
        (load(), "holds sym_load; loads come from the points of delivery"),
        (regulator(), "holds transformer_tap_regulator; a network here is made of node, line"),
    ],
    ids=["load", "regulator"],
)
def test_what_is_not_modelled_is_refused(tmp_path: Path, added: dict[str, Any], told: str) -> None:
    """The engine would reckon with it and the verifier, the islands and the need would not."""
    path = tmp_path / "x.pgm.json"
    dataset = {**station().network, **added}
    path.write_text(json_serialize(dataset, dataset_type=DatasetType.input))
    with pytest.raises(Rejected) as refused:
        read_network(path)
    assert (refused.value.reason, told in str(refused.value)) == ("bad_network", True)


def every(kind: str, **changed: object) -> Change:
    """Return a change of the first row of a network's kind."""
    return lambda network: network["data"][kind][0].update(changed)


def again(kind: str) -> Change:
    return lambda network: network["data"][kind].append(network["data"][kind][0])


WRONG_NETWORKS: dict[str, tuple[Change, str]] = {
    "unknown column": (every("line", i_max=145.0),
                       "line 20: unknown column i_max; the engine would pass over it"),
    "two of them": (every("node", color=3, area="x"), "node 10: unknown column area, color"),
    "node twice": (again("node"), "identifier 10 is there twice: node, node; give each element"),
    "node and line": (every("line", id=13), "identifier 13 is there twice: node, line"),
    "branch twice": (again("transformer"), "identifier 30 is there twice: transformer, transform"),
    "update": (lambda network: network.update(type="update"), "an update, an output or a batch"),
    "batch": (lambda network: network.update(is_batch=True, data=[network["data"]] * 2),
              "an update, an output or a batch"),
    "sparse batch": (
        lambda network: network.update(is_batch=True, data=[network["data"], {}]),
        "an update, an output or a batch"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), WRONG_NETWORKS.values(), ids=WRONG_NETWORKS)
def test_what_the_engine_would_pass_over_is_told(path: Path, change: Change, told: str) -> None:
    file = path.with_name("town.pgm.json")
    network = json.loads(file.read_text())
    change(network)
    file.write_text(json.dumps(network))
    with pytest.raises(Rejected) as refused:
        read_grid(path)
    assert (refused.value.reason, told in str(refused.value)) == ("bad_network", True), refused
    assert str(file) in str(refused.value)


def test_of_many_identifiers_that_stand_twice_the_first_are_told(path: Path) -> None:
    file = path.with_name("town.pgm.json")
    network = json.loads(file.read_text())
    network["data"]["node"] *= 3
    file.write_text(json.dumps(network))
    with pytest.raises(Rejected, match=r"10 is there 3 times: node, node, node; .*; and 1 more"):
        read_network(file)


def test_a_network_of_lists_is_read_as_one_of_objects(path: Path) -> None:
    file = path.with_name("town.pgm.json")
    text = json_serialize(
        dict(station().network), dataset_type=DatasetType.input, use_compact_list=True
    )
    file.write_text(text)
    assert isinstance(json.loads(text)["data"]["node"][0], list)
    assert same(read_grid(path), station())


EMPTY = b'{"version":"1.0","type":"input","is_batch":false,"attributes":{},"data":{}}'


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.pgm.json", b"{", "expected|unexpected|parse|JSON"),
        ("x.pgm.msgpack", b"\xc1", "x.pgm.msgpack"),
        ("x.pgm.json", b"\xff\xfe", "utf-8"),
        ("x.pgm.json", b"[" * 100_000, "x.pgm.json"),
        ("x.pgm.msgpack", b"\x91" * 100_000, "x.pgm.msgpack"),
        ("none.pgm.json", None, "No such file"),
        ("x.pgm.json", EMPTY, "has no node"),
    ],
    ids=["half", "msgpack", "not-text", "deep", "deep-msgpack", "missing", "empty"],
)  # fmt: skip
def test_what_is_no_network_is_told(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Rejected, match=told) as refused:
        read_network(path)
    assert refused.value.reason == ("unreadable_file" if content is None else "bad_network")
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
