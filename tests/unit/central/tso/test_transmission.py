"""The TSO's case: flows by the DC power flow, against what can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from central.tso.transmission import Transmission
from ledger.errors import Rejected
from tests.documents import T0

RING = """
name = "ring"
voltage_v = 150000
fed_at = "A"
line = [
  {name = "AB", between = ["A", "B"], reactance_ohm = 1.0, limit_w = 100},
  {name = "BC", between = ["B", "C"], reactance_ohm = 1.0, limit_w = 100},
  {name = "CA", between = ["C", "A"], reactance_ohm = 1.0, limit_w = 100},
]
load = [{bus = "C", power_w = [30]}]
substation = [{name = "CP B", bus = "B"}]
"""


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "ring.toml"
    path.write_text(RING)
    return path


def test_a_ring_shares_its_flow_by_its_reactances(ring: Path) -> None:
    grid = Transmission.read(ring)
    flow_w = grid.flows_w([T0], {"CP B": np.array([60.0])})
    # Of 60 W at B two thirds come straight, one third by C; of 30 W at C the same way round.
    assert np.allclose(flow_w[:, 0], [40 + 10, -20 + 10, -(20 + 20)])


def test_what_is_taken_is_what_is_fed() -> None:
    grid = Transmission.read()
    taken_w = {name: np.array([5e6 + 1e6 * n]) for n, name in enumerate(grid.at_bus)}
    flow_w = grid.flows_w([T0], taken_w)
    fed_w = sum(
        flow if line.between[0] == grid.buses[0] else -flow
        for line, flow in zip(grid.lines, flow_w[:, 0], strict=True)
        if grid.buses[0] in line.between
    )
    hour = 0  # T0 is midnight in Rome
    assert fed_w == pytest.approx(grid.loads_w[:, hour].sum() + sum(t[0] for t in taken_w.values()))


def test_the_example_is_a_ring_with_loads_by_the_hour() -> None:
    grid = Transmission.read()
    assert len(grid.lines) == len(grid.buses) == 6
    assert grid.ptdf.shape == (6, 6)
    assert not grid.ptdf[:, 0].any()
    assert len(set(grid.loads_w[grid.buses.index("Est")])) > 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("voltage_v = 150000", ""),
        ('name = "ring"', 'name = "ring"\nspeed_w = 3'),
        ("limit_w = 100}", "limit_w = 100, colour = 1}"),
        ("reactance_ohm = 1.0", "reactance_ohm = 0.0"),
        ("reactance_ohm = 1.0", 'reactance_ohm = "one"'),
        ("power_w = [30]", "power_w = [30, 31]"),
        ('bus = "C"', 'bus = "D"'),
        ('bus = "B"}', 'bus = "D"}'),
        ('fed_at = "A"', 'fed_at = "E"'),
        ("load = [", "load = [["),
    ],
)
def test_what_is_no_case_is_refused(ring: Path, old: str, new: str) -> None:
    assert old in RING
    ring.write_text(RING.replace(old, new))
    with pytest.raises(Rejected) as caught:
        Transmission.read(ring)
    assert caught.value.reason == "bad_case"


def test_an_unknown_substation_is_refused(ring: Path) -> None:
    with pytest.raises(Rejected) as caught:
        Transmission.read(ring).of_substations(["CP X"])
    assert caught.value.reason == "unknown_substation"
