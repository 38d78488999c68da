"""`certiflex central grid`: data on stdout, one line of error, the exit statuses of the house."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pandapower
import pytest

from central.__main__ import main
from central.dso.grid.checking import faults
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import read_grid, read_network, write_grid
from tests.foreign_nets import town
from tests.grids import station

# pandapower and pandas tell their developers many things, by warnings.
pytestmark = pytest.mark.filterwarnings("ignore")

Told = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_grid(station(), tmp_path / "town.grid.json")
    return tmp_path / "town.grid.json"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    pandapower.to_json(town(), str(tmp_path / "origin.json"))
    return tmp_path / "origin.json"


def told(capsys: Told, *arguments: object) -> tuple[int, str, str]:
    status = main(["grid", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


# ── import ──────────────────────────────────────────────────────────────────────────────────


def test_an_import_writes_a_grid_and_tells_every_loss(
    tmp_path: Path, origin: Path, capsys: Told
) -> None:
    target = tmp_path / "new.grid.json"
    status, out, err = told(capsys, "import", origin, "--to", target, "--pods", "IT002E8")
    assert (status, err) == (0, "")
    assert "approximated: trafo TR: its tap changer is taken as one on load\n" in out
    assert out.endswith(f"written: {target}\n")
    grid = read_grid(target)
    assert grid.pods == ("IT002E80000000", "IT002E80000001")
    assert faults(grid) == []


def test_an_import_as_json_says_what_each_pod_was(
    tmp_path: Path, origin: Path, capsys: Told
) -> None:
    target = tmp_path / "new.grid.json"
    status, out, _ = told(capsys, "import", origin, "--to", target, "--json", "--msgpack")
    report = json.loads(out)
    assert (status, report["schema"], report["file"]) == (
        0, "certiflex/grid-import/v1", str(target),
    )  # fmt: skip
    assert report["pods"]["IT999E00000001"] == "load village"
    assert {loss["effect"] for loss in report["losses"]} == {"approximated"}
    assert (tmp_path / "new.pgm.msgpack").is_file()
    assert len(read_grid(target).nodes) == 4


def test_a_dry_import_writes_nothing(tmp_path: Path, origin: Path, capsys: Told) -> None:
    target = tmp_path / "new.grid.json"
    status, out, _ = told(capsys, "import", origin, "--to", target, "--dry-run")
    assert (status, out.endswith("nothing was written\n")) == (0, True)
    assert not target.exists()


def test_a_refused_import_is_1_with_every_reason(tmp_path: Path, capsys: Told) -> None:
    net = town(shift_degree=10.0)
    pandapower.create_gen(net, 3, p_mw=1.0, name="G")
    pandapower.to_json(net, str(tmp_path / "origin.json"))
    target = tmp_path / "new.grid.json"
    status, out, _ = told(capsys, "import", tmp_path / "origin.json", "--to", target)
    assert status == 1
    assert "refused: gen G: is not modelled here" in out
    assert "refused: trafo TR: turns by 10°" in out
    assert out.endswith("nothing was written\n")
    assert not target.exists()


def test_an_import_with_faults_is_written_and_1(tmp_path: Path, capsys: Told) -> None:
    net = town()
    pandapower.create_bus(net, 20.0, name="lonely", min_vm_pu=0.9, max_vm_pu=1.1)
    pandapower.to_json(net, str(tmp_path / "origin.json"))
    target = tmp_path / "new.grid.json"
    status, out, _ = told(capsys, "import", tmp_path / "origin.json", "--to", target)
    assert (status, target.is_file()) == (1, True)
    assert "fault: node lonely: no branch leads there; connect it, or take it out\n" in out


def test_what_is_there_is_not_written_over(origin: Path, file: Path, capsys: Told) -> None:
    before = file.read_text()
    status, _, err = told(capsys, "import", origin, "--to", file)
    assert (status, err.count("\n")) == (2, 1)
    assert "is there already" in err
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("wrong", "told_"),
    [
        (["none.json", "--to", "new.grid.json"], "No such file"),
        (["simbench:nowhere", "--to", "new.grid.json"], "no such code"),
        (["origin.json", "--to", "new.json"], "must end in .grid.json"),
        (["origin.json", "--to", "no/folder/new.grid.json"], "No such file or directory"),
        (["origin.json", "--to", "new.grid.json", "--pods", "POD"], "codes begin as IT002E"),
    ],
    ids=["source", "code", "name", "folder", "prefix"],
)
def test_a_wrong_import_is_one_line(
    origin: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told, wrong: list[str], told_: str
) -> None:
    monkeypatch.chdir(origin.parent)
    status, out, err = told(capsys, "import", *wrong)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told_ in err


# ── check ───────────────────────────────────────────────────────────────────────────────────


def test_a_good_grid_is_0(file: Path, capsys: Told) -> None:
    assert told(capsys, "check", file) == (0, "no faults\n", "")
    assert told(capsys, "check", "--demo") == (0, "no faults\n", "")


def test_faults_are_1_and_all_of_them(file: Path, capsys: Told) -> None:
    table = json.loads(file.read_text())
    table["pods"][0]["contract_w"] = 0
    table["substations"] = []
    file.write_text(json.dumps(table))
    status, out, _ = told(capsys, "check", file)
    assert (status, out.splitlines()[-1]) == (1, "2 faults")
    status, out, _ = told(capsys, "check", file, "--json")
    report = json.loads(out)
    assert (status, report["schema"]) == (1, "certiflex/grid-check/v1")
    assert {fault["reason"] for fault in report["faults"]} == {"bad_contract", "no_substation"}


def test_what_is_no_grid_is_2(tmp_path: Path, file: Path, capsys: Told) -> None:
    status, out, err = told(capsys, "check", tmp_path / "none.grid.json")
    assert (status, out, err.count("\n")) == (2, "", 1)
    for both in ([], [file, "--demo"]):
        status, _, err = told(capsys, "check", *both)
        assert (status, err) == (2, "error: grid: name one grid: a FILE or --demo\n")


# ── show ────────────────────────────────────────────────────────────────────────────────────


def test_a_grid_is_shown_in_words_and_as_json(capsys: Told) -> None:
    status, out, _ = told(capsys, "show", "--demo")
    assert status == 0
    assert "open  L-6-7, L-4-11, L-8-14\n" in out
    assert "Technical Brochure 575" in out
    _, out, _ = told(capsys, "show", "--demo", "--json")
    shown = json.loads(out)
    assert (shown["schema"], shown["counts"]["pods"]) == (
        "certiflex/grid-summary/v1", len(demo_grid().pods),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "name", "line", "schema"),
    [
        ("--node", "MV-9", "  L-8-9  line  MV-8  MV-9  yes  no  145\n", "grid-node"),
        ("--branch", "TR-1", "  tap_size  1837\n", "grid-branch"),
        ("--pod", "IT002E00000003", "node  LV-3-R17\n", "grid-pod"),
        ("--list", "sensors", "VC-MV-1   power    -      L-1-2 ", "grid-sensors"),
    ],
)
def test_one_element_is_shown(capsys: Told, asked: str, name: str, line: str, schema: str) -> None:
    status, out, _ = told(capsys, "show", "--demo", asked, name)
    assert (status, line in out) == (0, True)
    _, out, _ = told(capsys, "show", "--demo", asked, name, "--json")
    assert json.loads(out)["schema"] == f"certiflex/{schema}/v1"


def test_an_unknown_element_is_one_line(capsys: Told) -> None:
    status, out, err = told(capsys, "show", "--demo", "--node", "mv-9")
    assert (status, out) == (2, "")
    assert err == "error: PS-ROMA-DEMO: no node is called 'mv-9'; did you mean 'MV-9'?\n"


def test_an_empty_list_is_no_error(tmp_path: Path, capsys: Told) -> None:
    path = tmp_path / "bare.grid.json"
    write_grid(replace(station(), sensors=(), taps=(), capacitors=()), path)
    assert told(capsys, "show", path, "--list", "sensors") == (0, "", "")
    assert "capacitors  -\n" in told(capsys, "show", path)[1]


# ── export ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["pgm-json", "pgm-msgpack"])
def test_an_exported_network_is_read_by_the_engine_again(
    tmp_path: Path, capsys: Told, form: str
) -> None:
    target = tmp_path / ("net.json" if form == "pgm-json" else "net.msgpack")
    status, out, _ = told(capsys, "export", "--demo", "--to", target, "--as", form)
    assert (status, out) == (0, f"{target}\n")
    assert read_network(target)["node"].tolist() == demo_grid().network["node"].tolist()


def test_tables_carry_units_in_their_heads(tmp_path: Path, capsys: Told) -> None:
    folder = tmp_path / "tables"
    status, out, _ = told(capsys, "export", "--demo", "--to", folder, "--as", "csv", "--json")
    assert (status, json.loads(out)["schema"]) == (0, "certiflex/grid-export/v1")
    assert sorted(each.name for each in folder.iterdir()) == [
        "branches.csv", "nodes.csv", "pods.csv", "sensors.csv",
    ]  # fmt: skip
    with (folder / "pods.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["contract_w"] == "15000"
    assert len(rows) == len(demo_grid().pods)


def test_an_export_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "file").write_text("")
    for form in ("csv", "pgm-json"):
        target = tmp_path / "file" / "net.json"
        status, _, err = told(capsys, "export", "--demo", "--to", target, "--as", form)
        assert (status, err.count("\n")) == (2, 1)
    (tmp_path / "folder").mkdir()
    for form, place, remedy in (
        ("csv", "file", "a file stands where a folder is needed: name another folder"),
        ("csv", "file/tables", "a file stands where a folder is needed: name another folder"),
        ("pgm-json", "folder", "it is a folder: name a file in it"),
        ("pgm-msgpack", "none/net.msgpack", "make the folder first"),
    ):
        status, _, err = told(capsys, "export", "--demo", "--to", tmp_path / place, "--as", form)
        assert (status, err.endswith(f"; {remedy}\n")) == (2, True), err
    target = tmp_path / "dry"
    assert told(capsys, "export", "--demo", "--to", target, "--dry-run") == (0, "", "")
    assert not target.exists()


def test_the_schema_is_json_schema(capsys: Told) -> None:
    status, out, _ = told(capsys, "schema")
    assert (status, json.loads(out)["properties"]["schema"]) == (
        0, {"enum": ["certiflex/grid/v1"]},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["node", "branch", "pod"])
def test_where_all_names_are_told_is_a_command_that_works_as_typed(kind: str, capsys: Told) -> None:
    *_, remedy = told(capsys, "show", "--demo", f"--{kind}", "none")[2].split("; ")
    typed = remedy.removeprefix("see all names: certiflex central grid ").split(",")[0].split()
    status, out, _ = told(capsys, *(each if each != "FILE" else "--demo" for each in typed))
    assert status == 0
    assert len(out.splitlines()) > 10
