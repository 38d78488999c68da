"""Grids for tests: radial feeders of any size, with a transformer, drawn from a seed."""

from typing import Any

import numpy as np
from power_grid_model import (
    BranchSide,
    ComponentType,
    DatasetType,
    WindingType,
    initialize_array,
)

from central.dso.expectation import Expectation, expected
from central.dso.grid.model import (
    Branch,
    CapacitorMeans,
    Connection,
    Grid,
    Node,
    Phasors,
    PrimarySubstation,
    Sensor,
    TapMeans,
)

FIRST_POD = 9_000

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


def component(kind: str, **columns: Any) -> Any:
    """Return input data of one kind of component, column by column."""
    array = initialize_array(
        DatasetType.input, ComponentType[kind], len(np.atleast_1d(columns["id"]))
    )
    for name, values in columns.items():
        array[name] = values
    return array


def feeder(
    nodes: int = 12,
    *,
    seed: int = 1,
    rings: int = 0,
    feeders: int = 1,
    length_km: float = 1.0,
    contract_w: int = 1_000_000,
    rating_a: float = 145.0,
    low_pu: float = 0.95,
    high_pu: float = 1.05,
) -> Grid:
    """Return a 20 kV feeder behind a 110/20 kV transformer with a POD at every node but two.

    Node 0 is the high side and node 1 the bus bar; the others hang in as many random trees as
    there are `feeders`. `rings` open switches more could close them. Cable NA2XS2Y 1x120, CIGRE
    TB 575 (2014), table 7.10.
    """
    draw = np.random.default_rng(seed)
    size = -(-(nodes - 2) // feeders)
    first = [1 if feeders == 1 else k - (k - 2) % size for k in range(nodes)]
    tree = [
        (1 if k == first[k] else int(draw.integers(max(first[k], k - 4), k)), k)
        for k in range(2, nodes)
    ]
    extra = [
        tuple(sorted(draw.choice(np.arange(2, nodes), 2, replace=False))) for _ in range(rings)
    ]
    spans = np.array([*tree, *extra], dtype=int).reshape(-1, 2)
    lengths_km = length_km * draw.uniform(0.5, 1.5, len(spans))
    closed = np.array([1] * len(tree) + [0] * len(extra))
    network = {
        "node": component("node", id=np.arange(nodes), u_rated=[110e3] + [20e3] * (nodes - 1)),
        "line": component(
            "line", id=100_000 + np.arange(len(spans)), from_node=spans[:, 0], to_node=spans[:, 1],
            from_status=closed, to_status=closed, r1=0.501 * lengths_km, x1=0.716 * lengths_km,
            c1=151.1749e-9 * lengths_km, tan1=0.0, r0=1.5 * lengths_km, x0=2.1 * lengths_km,
            c0=151.1749e-9 * lengths_km, tan0=0.0, i_n=rating_a,
        ),
        "transformer": component(
            "transformer", id=[200_000], from_node=0, to_node=1, from_status=1, to_status=1,
            u1=110e3, u2=20e3, sn=25e6, uk=0.12001, pk=25e3 * 1.6, i0=0.001, p0=10e3,
            winding_from=WindingType.wye_n, winding_to=WindingType.delta, clock=5,
            tap_side=BranchSide.from_side, tap_pos=0, tap_min=-9, tap_max=9, tap_nom=0,
            tap_size=110e3 * 0.0167,
        ),
        "source": component("source", id=[300_000], node=0, status=1, u_ref=1.0, sk=5e9),
    }  # fmt: skip
    return Grid(
        name=f"feeder-{nodes}-{seed}",
        source="tests",
        network=network,
        nodes=tuple(Node(f"N{k}", low_pu=low_pu, high_pu=high_pu) for k in range(nodes)),
        branches=(
            *(Branch(f"L{a}-{b}", switch=True) for a, b in spans),
            Branch("TR"),
        ),
        connections=tuple(
            Connection(f"IT002E{FIRST_POD + k:08}", k, contract_w, tan_phi=0.3)
            for k in range(2, nodes)
        ),
        substations=(PrimarySubstation("PS", (len(spans),)),),
        taps=(TapMeans(len(spans)),),
    )


def station(clock: int = 5, *, tap_side: BranchSide = BranchSide.from_side) -> Grid:
    """Return a small grid with each kind of element once, and each way a branch can be open.

    HV ─TR─ A ─A-B─ B ─B-C─ C ─TS─ D ═D-E═ E, with B-C once more open at B, A-C open at C and
    once more open at both ends; a bank of capacitors at B.
    """
    names = ("HV", "A", "B", "C", "D", "E")
    windings = {0: (WindingType.wye_n, WindingType.wye_n), 5: (WindingType.delta, WindingType.wye),
                11: (WindingType.delta, WindingType.wye_n)}[clock]  # fmt: skip
    network = {
        "node": component(
            "node", id=10 + np.arange(6), u_rated=[110e3, 20e3, 20e3, 20e3, 400.0, 400.0]
        ),
        "line": component(
            "line", id=[20, 21, 22, 23, 24], from_node=[11, 12, 12, 11, 11],
            to_node=[12, 13, 13, 13, 13], from_status=[1, 1, 0, 1, 0], to_status=[1, 1, 1, 0, 0],
            r1=[0.5, 0.7, 0.9, 1.1, 1.3], x1=0.716, c1=151e-9, tan1=1e-3, r0=1.5, x0=2.1,
            c0=151e-9, tan0=0.0, i_n=145.0,
        ),
        "transformer": component(
            "transformer", id=[30, 31], from_node=[10, 13], to_node=[11, 14], from_status=1,
            to_status=1, u1=[110e3, 20e3], u2=[20e3, 400.0], sn=[25e6, 630e3], uk=[0.12, 0.06],
            pk=[40e3, 6e3], i0=[0.001, 0.002], p0=[10e3, 1e3], winding_from=windings[0],
            winding_to=windings[1], clock=clock, tap_side=tap_side, tap_pos=[3, -1],
            tap_min=[-9, 2], tap_max=[9, -2], tap_nom=[0, 1],
            tap_size=[1837.0, 500.0] if tap_side == BranchSide.from_side else [334.0, 10.0],
            uk_min=[0.11, 0.065], uk_max=[0.13, 0.055], pk_min=[42e3, 6.1e3],
            pk_max=[39e3, 5.9e3],
        ),
        "link": component("link", id=[40], from_node=14, to_node=15, from_status=1, to_status=1),
        "shunt": component(
            "shunt", id=[50, 51], node=[12, 15], status=[1, 0], g1=[1e-6, 1.0], b1=[1e-3, 1.0],
            g0=0.0, b0=0.0,
        ),
        "source": component("source", id=[60], node=10, status=1, u_ref=1.02, sk=5e9),
    }  # fmt: skip
    lines = ("A-B", "B-C", "B-C bis", "A-C", "A-C bis")
    return Grid(
        name=f"station-{clock}",
        source="tests",
        network=network,
        nodes=tuple(Node(name, area="town") for name in names),
        branches=tuple(Branch(name, switch=name in lines) for name in (*lines, "TR", "TS", "D-E")),
        connections=(
            Connection("IT002E00000001", 2, 2_000_000, tan_phi=0.2, profile="industry"),
            Connection("IT002E00000002", 4, 100_000, tan_phi=0.3),
            Connection("IT002E00000003", 5, 3_000, phases="b"),
        ),
        substations=(PrimarySubstation("PS", (5,)),),
        taps=(TapMeans(5, cost_eur=2.5, most_moves=6),),
        capacitors=(CapacitorMeans("bank", 0, 2, 200e3),),
        sensors=(Sensor("V&C A", "voltage", node=1), Sensor("LV3G C", "power", branch=6)),
    )


def loads_va(grid: Grid, *, situations: int = 4, seed: int = 2, mean_w: float = 2e5) -> Phasors:
    """Return random complex power drawn at each node, shape (situations, nodes)."""
    draw = np.random.default_rng(seed)
    power_w = draw.normal(mean_w, mean_w / 2, (situations, len(grid.connections)))
    return grid.at_nodes(power_w) + 1j * grid.at_nodes(power_w * grid.tan_phi)


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


def baran_wu_demand(grid: Grid) -> Expectation:
    """Return the one published state of the 33-bus feeder's customers: 3.7 MW, 2.3 Mvar."""
    power_w = np.array([[kw * 1e3] for *_, kw, _ in _TREE])
    reactive_var = np.array([[kvar * 1e3] for *_, kvar in _TREE])
    return expected(grid, 0, {"mean": power_w}, {"mean": reactive_var})
