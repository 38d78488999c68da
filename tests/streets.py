"""Low-voltage streets behind transformers of one medium-voltage bus, as where roofs give back.

Each area is a secondary substation of 100 customers on four cables of 25, a customer every 20 m.
"""

import numpy as np
from power_grid_model import BranchSide, WindingType

from central.dso.grid.model import Branch, Connection, Grid, Node, PrimarySubstation
from tests.grids import component

CUSTOMERS, CABLES = 100, 4
_SPACING_KM = 0.02
_ON_CABLE = CUSTOMERS // CABLES


def streets(pods: tuple[str, ...], *, source_pu: float) -> Grid:
    """Return a grid of one area, `feeder N`, for each hundred of these customers, in their order.

    Cable NAYY 4x50 SE and transformer 0.25 MVA 20/0.4 kV of pandapower's standard types; all
    customers at a power factor of 1.
    """
    count = len(pods) // CUSTOMERS
    areas = [f"feeder {at * CUSTOMERS}" for at in range(count)]
    bars, places = 1 + np.arange(count), 1 + count + np.arange(count * CUSTOMERS)
    before = np.where((places - places[0]) % _ON_CABLE, places - 1, np.repeat(bars, CUSTOMERS))
    network = {
        "node": component(
            "node", id=np.arange(1 + count + len(places)),
            u_rated=[20e3] + [400.0] * (count + len(places)),
        ),
        "line": component(
            "line", id=100_000 + places, from_node=before, to_node=places, from_status=1,
            to_status=1, r1=0.642 * _SPACING_KM, x1=0.083 * _SPACING_KM, c1=210e-9 * _SPACING_KM,
            tan1=0.0, i_n=142.0,
        ),
        "transformer": component(
            "transformer", id=200_000 + bars, from_node=0, to_node=bars, from_status=1,
            to_status=1, u1=20e3, u2=400.0, sn=250e3, uk=0.04, pk=3_200.0, i0=0.0024, p0=600.0,
            winding_from=WindingType.delta, winding_to=WindingType.wye_n, clock=5,
            tap_side=BranchSide.from_side, tap_pos=0, tap_min=-2, tap_max=2, tap_nom=0,
            tap_size=500.0,
        ),
        "source": component("source", id=[300_000], node=0, status=1, u_ref=source_pu, sk=5e9),
    }  # fmt: skip
    of_places = np.repeat(areas, CUSTOMERS)
    return Grid(
        name=f"streets-{count}",
        source="tests",
        network=network,
        nodes=(
            Node("MV", area="MV", low_pu=0.95, high_pu=1.05),
            *(Node(f"LV {area}", area=area, low_pu=0.95, high_pu=1.05) for area in areas),
            *(
                Node(f"N{place}", area=str(area), low_pu=0.95, high_pu=1.05)
                for place, area in zip(places, of_places, strict=True)
            ),
        ),
        branches=(
            *(Branch(f"L{place}") for place in places),
            *(Branch(f"TR {area}") for area in areas),
        ),
        connections=tuple(
            Connection(pod, int(place), 6_000) for pod, place in zip(pods, places, strict=True)
        ),
        substations=(PrimarySubstation("PS", (len(places),)),),
    )
