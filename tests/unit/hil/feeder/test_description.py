"""Network files: what the published one says, and what is wrong with others."""

from pathlib import Path

import pytest

from hil.feeder.description import Description, read_description
from ledger.configuration import Misconfigured

GOOD = """
name = "small"
[source]
node = "S"
nominal_v = 400
[[line_type]]
name = "cable"
r_ohm_per_km = 0.3
x_ohm_per_km = 0.1
r0_ohm_per_km = 1.2
x0_ohm_per_km = 0.4
[[node]]
nominal_v = 400
names = ["E"]
[[line]]
name = "L"
ends = ["S", "E"]
type = "cable"
length_m = 100
"""


def read(tmp_path: Path, text: str) -> Description:
    file = tmp_path / "network.toml"
    file.write_text(text)
    return read_description(file)


def test_the_packaged_network_is_the_published_one() -> None:
    """Compare with pandapower's own reading of the same publication, number by number."""
    networks = pytest.importorskip("pandapower.networks")
    theirs = networks.create_cigre_network_mv(with_der="all")
    ours = read_description()
    names = {index: name.replace("Bus ", "MV-") for index, name in theirs.bus.name.items()}
    lengths = {
        frozenset((names[r.from_bus], names[r.to_bus])): r.length_km
        for r in theirs.line.itertuples()
    }
    assert {frozenset(line.ends): line.length_m / 1000 for line in ours.line} == pytest.approx(
        lengths
    )
    kinds = {one.name: one for one in ours.line_type}
    types = {frozenset(line.ends): kinds[line.type] for line in ours.line}
    for row in theirs.line.itertuples():
        kind = types[frozenset((names[row.from_bus], names[row.to_bus]))]
        assert (kind.r_ohm_per_km, kind.x_ohm_per_km) == (row.r_ohm_per_km, row.x_ohm_per_km)
        assert kind.c_nf_per_km == row.c_nf_per_km
    assert sum(at.peak_va for many in ours.load for at in many.at) / 1e6 == pytest.approx(
        sum((theirs.load.p_mw**2 + theirs.load.q_mvar**2) ** 0.5)
    )
    rated_w = {(str(many.kind), at.node): at.rated_w for many in ours.resource for at in many.at}
    assert rated_w["wind", "MV-7"] == 1_500_000
    given_mw = theirs.sgen.p_mw.sum() + theirs.storage.p_mw.sum()
    assert sum(rated_w.values()) / 1e6 == pytest.approx(given_mw)


def test_the_packaged_low_voltage_is_the_published_one() -> None:
    networks = pytest.importorskip("pandapower.networks")
    theirs = networks.create_cigre_network_lv()
    low = read_description().low_voltage
    assert low is not None
    wanted = {
        row.name.removeprefix("Line "): (row.std_type, row.length_km * 1000)
        for row in theirs.line.itertuples()
        if row.name.startswith("Line R")
    }
    ours = {pair: (many.type, many.length_m) for many in low.line for pair in many.ends}
    assert set(ours) == set(wanted)
    for pair, (kind, length_m) in wanted.items():
        assert ours[pair][0] == kind
        assert ours[pair][1] == pytest.approx(length_m)
    loads = {row.name.removeprefix("Load "): row.p_mw for row in theirs.load.itertuples()}
    for peak in low.at:
        assert peak.peak_va * low.power_factor / 1e6 == pytest.approx(loads[peak.node])


def test_a_small_file_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).nodes == {"S", "E"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('ends = ["S", "E"]', 'ends = ["S", "X"]'), "L: no node is called 'X'"),
        (('ends = ["S", "E"]', 'ends = ["S", "S"]'), "L: expected two different ends"),
        (('type = "cable"', 'type = "rope"'), "L: no line type is called 'rope'"),
        (("length_m = 100", "length_m = 0"), "L: length_m must be above 0"),
        (('names = ["E"]', 'names = ["E", "E"]'), "two nodes are called 'E'"),
        (("length_m = 100", "length_km = 1"), "length_km: unknown key"),
        (
            ("length_m = 100", 'length_m = 100\n[[switch]]\nname = "Q"\nbranch = "M"\nnode = "E"'),
            "Q: no branch 'M' ends at 'E'",
        ),
        (
            (
                "length_m = 100",
                'length_m = 100\n[[capacitor]]\nname = "C"\nnode = "X"\nstep_var = 1\nsteps = 1',
            ),
            "C: no node is called 'X'",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(Misconfigured, match=r"network\.toml") as refused:
        read(tmp_path, GOOD.replace(*change))
    assert told in str(refused.value)
