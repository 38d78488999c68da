"""Where a grid comes from, and what is said when it cannot be had."""

import sys
import zipfile
from pathlib import Path

import pandapower
import pytest
from pandapower.converter.cim.cim2pp.from_cim import from_cim

from central.dso.grid.checking import faults
from central.dso.grid.file import write_grid
from central.dso.grid.importing.conversion import RefusedImport
from central.dso.grid.importing.origin import imported
from central.dso.powerflow import PowerFlow
from ledger.errors import Rejected
from tests.cgmes import CIM, write_cgmes
from tests.foreign_nets import AGREED_PU, compared, drawn_va, town
from tests.grids import station

# pandapower and pandas tell their developers many things, by warnings.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_file_of_pandapower(tmp_path: Path) -> None:
    path = tmp_path / "town.json"
    pandapower.to_json(town(), str(path))
    found = imported(str(path), pod_prefix="IT002E9")
    assert (found.grid.name, found.grid.source) == ("town", "pandapower, town.json")
    assert found.grid.pods[0] == "IT002E90000000"


def test_a_code_of_simbench() -> None:
    found = imported("simbench:1-LV-rural1--0-no_sw")
    assert (found.grid.name, len(found.grid.nodes)) == ("1-LV-rural1--0-no_sw", 15)
    assert "ODbL" in found.grid.source


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_files_of_cgmes(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 -- a case
    """58 Ω at 110 kV and the village's 2 MW: the state that pandapower finds in the same files."""
    folder = tmp_path / "town"
    folder.mkdir()
    write_cgmes(folder)
    source = folder
    if packed:
        source = tmp_path / "town.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, path.name)
    found = imported(str(source))
    grid = found.grid
    assert faults(grid) == []
    assert [node.name for node in grid.nodes] == ["HV", "A", "B"]
    assert [branch.name for branch in grid.branches] == ["A-B", "TR"]
    assert (grid.tap_pos.tolist(), grid.rating_a[0][0]) == ([2], 145.0)
    assert found.origin == {"IT999E00000000": "load village"}
    files = [str(path) for path in sorted(folder.iterdir())]
    net = from_cim(files, ignore_errors=False)
    assert compared(net).agrees
    flow = PowerFlow(grid).solve(drawn_va(found), exact=True)
    assert flow.voltage_pu[0] == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=AGREED_PU)


@pytest.mark.parametrize("packed", [False, True], ids=["file", "zip"])
def test_cgmes_3_is_refused_in_words(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 -- a case
    """The converter of pandapower reads it in part, and stops with an error of its own."""
    write_cgmes(tmp_path)
    source = tmp_path / "town_EQ.xml"
    source.write_text(source.read_text().replace(CIM, "http://iec.ch/TC57/CIM100#"))
    if packed:
        with zipfile.ZipFile(tmp_path / "town.zip", "w") as archive:
            archive.write(source, source.name)
        source = tmp_path / "town.zip"
    with pytest.raises(Rejected, match=r"CGMES 3.0 cannot be read; export it as CGMES 2.4.15"):
        imported(str(source))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("simbench:1-XX-nowhere", "no such code; for example"),
        ("town.csv", "is no JSON of pandapower, no SimBench code and no CGMES"),
        ("none.json", "No such file"),
        ("none.xml", "cannot be read"),
        ("words.json", "cannot be read"),
        ("list.json", "holds no net of pandapower"),
        ("town.grid.json", "is a grid file already (certiflex/grid/v1): type certiflex central gr"),
        ("town.pgm.json", "is a network of power-grid-model, which needs no import"),
        ("folder", "no XML files there"),
        ("broken.zip", "cannot be read (BadZipFile"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.json").write_text("not JSON")
    (tmp_path / "list.json").write_text('{"a": 1}')
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    (tmp_path / "folder").mkdir()
    write_grid(station(), tmp_path / "town.grid.json")
    with pytest.raises(Rejected) as refused:
        imported(source)
    assert refused.value.reason == "bad_source"
    assert told in str(refused.value)
    assert source in str(refused.value)
    assert "docs/grid.md" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "library"),
    [("town.json", "pandapower"), ("simbench:x", "simbench"), ("town.xml", "pandapower")],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, source: str, library: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Rejected, match=f"this machine has no {library}") as refused:
        imported(source)
    assert refused.value.reason == "missing_extra"
    assert "pip install 'certiflex[grid]'" in str(refused.value)


def test_what_is_refused_names_its_source(tmp_path: Path) -> None:
    net = town()
    pandapower.create_gen(net, 3, p_mw=1.0, name="G")
    pandapower.to_json(net, str(tmp_path / "town.json"))
    with pytest.raises(RefusedImport, match="town: refused: gen G"):
        imported(str(tmp_path / "town.json"))
