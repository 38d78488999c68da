"""What customers could move, before any of them has offered: a bound for sizing the need.

Nobody has promised this yet. It says where it makes sense to ask, and how much could help there;
what really comes is what the market's offers say.
"""

import numpy as np

from central.dso.expectation import Expectation
from central.dso.grid.model import Grid
from central.dso.requesting import Resources

_FULL_PCT = 100.0


def assumed_resources(
    grid: Grid, expectation: Expectation, flexible_pct: float, active: frozenset[str] | None = None
) -> Resources:
    """Return, for each active POD, a share of its contract in both directions.

    Args:
        grid: tells contracts and places.
        expectation: for how many quarters.
        flexible_pct: share of the contractual power that is taken to be movable [%].
        active: PODs that take part in the market (I-02); all if None.
    """
    chosen = [
        position
        for position, each in enumerate(grid.connections)
        if active is None or each.pod in active
    ]
    contract_w = np.array([grid.connections[k].contract_w for k in chosen], dtype=np.float64)
    most_w = np.tile(contract_w * flexible_pct / _FULL_PCT, (expectation.quarters, 1))
    return Resources.of(grid.pod_node[chosen], most_w, most_w.copy(), tan_phi=grid.tan_phi[chosen])
