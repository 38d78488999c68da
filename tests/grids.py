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

from central.dso.grid.model import (
    Branch,
    Connection,
    Grid,
    Node,
    Phasors,
    PrimarySubstation,
    TapMeans,
)

FIRST_POD = 9_000


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
    length_km: float = 1.0,
    contract_w: int = 1_000_000,
    rating_a: float = 145.0,
    low_pu: float = 0.95,
    high_pu: float = 1.05,
) -> Grid:
    """Return a 20 kV feeder behind a 110/20 kV transformer with a POD at every node but two.

    Node 0 is the high side and node 1 the bus bar; the others hang in a random tree. `rings`
    open switches more could close it. Cable NA2XS2Y 1x120, CIGRE TB 575 (2014), table 7.10.
    """
    draw = np.random.default_rng(seed)
    tree = [(max(1, int(draw.integers(max(1, k - 4), k))), k) for k in range(2, nodes)]
    extra = [
        tuple(sorted(draw.choice(np.arange(2, nodes), 2, replace=False))) for _ in range(rings)
    ]
    spans = np.array([*tree, *extra], dtype=int).reshape(-1, 2)
    lengths_km = length_km * draw.uniform(0.5, 1.5, len(spans))
    closed = np.array([1] * len(tree) + [0] * len(extra))
    network = {
        "node": component("node", id=np.arange(nodes), u_rated=[110e3] + [20e3] * (nodes - 1)),
        "line": component(
            "line", id=1000 + np.arange(len(spans)), from_node=spans[:, 0], to_node=spans[:, 1],
            from_status=closed, to_status=closed, r1=0.501 * lengths_km, x1=0.716 * lengths_km,
            c1=151.1749e-9 * lengths_km, tan1=0.0, r0=1.5 * lengths_km, x0=2.1 * lengths_km,
            c0=151.1749e-9 * lengths_km, tan0=0.0, i_n=rating_a,
        ),
        "transformer": component(
            "transformer", id=[2000], from_node=0, to_node=1, from_status=1, to_status=1,
            u1=110e3, u2=20e3, sn=25e6, uk=0.12001, pk=25e3 * 1.6, i0=0.001, p0=10e3,
            winding_from=WindingType.wye_n, winding_to=WindingType.delta, clock=5,
            tap_side=BranchSide.from_side, tap_pos=0, tap_min=-9, tap_max=9, tap_nom=0,
            tap_size=110e3 * 0.0167,
        ),
        "source": component("source", id=[3000], node=0, status=1, u_ref=1.0, sk=5e9),
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


def loads_va(grid: Grid, *, situations: int = 4, seed: int = 2, mean_w: float = 2e5) -> Phasors:
    """Return random complex power drawn at each node, shape (situations, nodes)."""
    draw = np.random.default_rng(seed)
    power_w = draw.normal(mean_w, mean_w / 2, (situations, len(grid.connections)))
    return grid.at_nodes(power_w) + 1j * grid.at_nodes(power_w * grid.tan_phi)
