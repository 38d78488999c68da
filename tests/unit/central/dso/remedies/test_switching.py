"""Another way to feed: against every radial state of a small network, and a published one."""

from dataclasses import replace

import numpy as np
import pytest

from central.dso.assessment import assess
from central.dso.expectation import expected
from central.dso.grid.islands import is_radial, unfed_nodes
from central.dso.grid.model import (
    Branch,
    Connection,
    Grid,
    Node,
    PrimarySubstation,
)
from central.dso.limits import NO_MARGIN, Limits
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.remedies.switching import exchanged, exchanges, rearranged
from tests.grids import component, feeder

# Baran and Wu (1989), the 33-bus feeder: from, to, ohm, ohm; load at "to" [kW, kvar] for the 32
# branches of the tree, then the five ties.
_TREE = (
    (1, 2, 0.0922, 0.0470, 100, 60), (2, 3, 0.4930, 0.2511, 90, 40),
    (3, 4, 0.3660, 0.1864, 120, 80), (4, 5, 0.3811, 0.1941, 60, 30),
    (5, 6, 0.8190, 0.7070, 60, 20), (6, 7, 0.1872, 0.6188, 200, 100),
    (7, 8, 0.7114, 0.2351, 200, 100), (8, 9, 1.0300, 0.7400, 60, 20),
    (9, 10, 1.0440, 0.7400, 60, 20), (10, 11, 0.1966, 0.0650, 45, 30),
    (11, 12, 0.3744, 0.1238, 60, 35), (12, 13, 1.4680, 1.1550, 60, 35),
    (13, 14, 0.5416, 0.7129, 120, 80), (14, 15, 0.5910, 0.5260, 60, 10),
    (15, 16, 0.7463, 0.5450, 60, 20), (16, 17, 1.2890, 1.7210, 60, 20),
    (17, 18, 0.7320, 0.5740, 90, 40), (2, 19, 0.1640, 0.1565, 90, 40),
    (19, 20, 1.5042, 1.3554, 90, 40), (20, 21, 0.4095, 0.4784, 90, 40),
    (21, 22, 0.7089, 0.9373, 90, 40), (3, 23, 0.4512, 0.3083, 90, 50),
    (23, 24, 0.8980, 0.7091, 420, 200), (24, 25, 0.8960, 0.7011, 420, 200),
    (6, 26, 0.2030, 0.1034, 60, 25), (26, 27, 0.2842, 0.1447, 60, 25),
    (27, 28, 1.0590, 0.9337, 60, 20), (28, 29, 0.8042, 0.7006, 120, 70),
    (29, 30, 0.5075, 0.2585, 200, 600), (30, 31, 0.9744, 0.9630, 150, 70),
    (31, 32, 0.3105, 0.3619, 210, 100), (32, 33, 0.3410, 0.5302, 60, 40),
)  # fmt: skip
_TIES = ((8, 21, 2.0, 2.0), (9, 15, 2.0, 2.0), (12, 22, 2.0, 2.0), (18, 33, 0.5, 0.5),
         (25, 29, 0.5, 0.5))  # fmt: skip


def baran_wu() -> Grid:
    """Return the 33-bus feeder, 12.66 kV, with a source that does not sag."""
    lines = [(a, b, r, x) for a, b, r, x, _, _ in _TREE] + list(_TIES)
    closed = [1] * len(_TREE) + [0] * len(_TIES)
    network = {
        "node": component("node", id=np.arange(1, 34), u_rated=12.66e3),
        "line": component(
            "line", id=np.arange(101, 101 + len(lines)), from_node=[a for a, *_ in lines],
            to_node=[b for _, b, *_ in lines], from_status=closed, to_status=closed,
            r1=[r for *_, r, _ in lines], x1=[x for *_, x in lines], c1=0.0, tan1=0.0,
            i_n=400.0,
        ),
        "source": component("source", id=[999], node=1, status=1, u_ref=1.0, sk=1e14),
    }  # fmt: skip
    return Grid(
        name="Baran-Wu 33",
        source="IEEE Trans. Power Delivery 4 (1989), 1401-1407",
        network=network,
        nodes=tuple(Node(str(k)) for k in range(1, 34)),
        branches=tuple(Branch(f"{n}", switch=True) for n in range(1, len(lines) + 1)),
        connections=tuple(Connection(f"IT002E{b:08}", b - 1, 1_000_000) for _, b, *_ in _TREE),
        substations=(PrimarySubstation("1", ()),),
    )


def test_the_published_feeder_is_brought_to_its_published_losses() -> None:
    """Initial losses 202.7 kW; optimum 139.5 kW with 7, 9, 14, 32 and 37 open."""
    grid = baran_wu()
    power_w = np.array([[kw * 1e3] for *_, kw, _ in _TREE])
    reactive_var = np.array([[kvar * 1e3] for *_, kvar in _TREE])
    demand = expected(grid, 0, {"mean": power_w}, {"mean": reactive_var})
    power_flow, limits = PowerFlow(grid), Limits.of(grid)

    def losses_w(setting: Setting) -> float:
        flow = power_flow.solve(demand.situations_va, setting, exact=True)
        return float(flow.source_va.real.sum() - power_w.sum())

    assert losses_w(AS_BUILT) == pytest.approx(202.68e3, rel=1e-3)
    found, made = rearranged(power_flow, demand, limits, AS_BUILT, most_exchanges=8)
    assert losses_w(found) == pytest.approx(139.55e3, rel=1e-3)
    assert found.closed is not None
    opened = {grid.branches[k].name for k in np.flatnonzero(~found.closed)}
    assert opened == {"7", "9", "14", "32", "37"}
    assert len(made) >= 4


@pytest.mark.parametrize("seed", range(5))
def test_every_exchange_stays_radial_and_feeds_all(seed: int) -> None:
    grid = feeder(15, seed=seed, rings=3)
    states = [exchanged(grid.closed, one) for one in exchanges(grid, grid.closed)]
    assert len(states) >= 3
    for closed in states:
        assert is_radial(grid, closed)
        assert not len(unfed_nodes(grid, closed))
    assert len({state.tobytes() for state in states}) == len(states)


def test_only_switches_are_switched() -> None:
    grid = feeder(15, rings=3)
    fixed = replace(grid, branches=tuple(replace(b, switch=False) for b in grid.branches))
    assert not list(exchanges(fixed, fixed.closed))
    drawn = expected(fixed, 0, {"mean": np.full((len(fixed.pods), 1), 400e3)})
    kept, made = rearranged(PowerFlow(fixed), drawn, Limits.of(fixed), AS_BUILT)
    assert (kept, made) == (AS_BUILT, ())


def test_a_network_with_a_ring_stays_as_it_is() -> None:
    grid = feeder(15, rings=1)
    ring = Setting(closed=np.ones(len(grid.branches), dtype=bool))
    drawn = expected(grid, 0, {"mean": np.full((len(grid.pods), 1), 100e3)})
    assert rearranged(PowerFlow(grid), drawn, Limits.of(grid), ring) == (ring, ())


def test_an_overloaded_line_is_relieved_before_losses_count() -> None:
    grid = feeder(20, seed=4, rings=4)
    drawn = expected(grid, 0, {"mean": np.full((len(grid.pods), 1), 255e3)})
    before = assess(PowerFlow(grid), drawn, margin=NO_MARGIN)
    found, made = rearranged(PowerFlow(grid), drawn, Limits.of(grid), AS_BUILT)
    after = assess(PowerFlow(grid), drawn, setting=found, margin=NO_MARGIN)
    assert made
    assert len(after.congestions) < len(before.congestions)
