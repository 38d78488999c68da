"""The independent verifier: whatever state is published balances by our own matrices.

The engine and the matrices of `grid.admittance` were written apart from one another; a parameter
that one of them understood otherwise shows as power that appears or vanishes at a node.
"""

import numpy as np

from central.dso.configurations import Configurations
from central.dso.grid.admittance import BASE_VA
from central.dso.grid.model import Floats, Grid, Phasors
from central.dso.powerflow import AS_BUILT, Flow, Setting
from ledger.errors import InvariantBroken

MOST_MISMATCH_W = 1e-3
_ROUNDING = 16 * np.finfo(float).eps


def mismatch_w(
    grid: Grid, drawn_va: Phasors, flow: Flow, setting: Setting = AS_BUILT
) -> tuple[Floats, Floats]:
    """Return how far each node is from balance [W, var alike], and what rounding may explain.

    Beside a link, whose admittance is 1e8 pu, the last digit of a voltage is already milliwatts.

    Args:
        grid: the grid.
        drawn_va: what is drawn at each node, load convention, shape (situations, nodes).
        flow: the states.
        setting: of all situations, or one row for each.

    Returns:
        Both of the shape (situations, nodes).
    """
    supplied_va = np.zeros_like(drawn_va)
    np.add.at(supplied_va.T, grid.positions(grid.network["source"]["node"]), flow.source_va.T)
    found, explained = np.empty((2, *drawn_va.shape))
    for admittance, rows in Configurations(grid, setting).alike(len(drawn_va)):
        u_pu = flow.phasors_pu(rows)
        given_va = admittance.injected_va(u_pu) + drawn_va[rows] - supplied_va[rows]
        found[rows] = np.where(u_pu == 0, 0.0, np.abs(given_va))
        size_pu = np.abs(u_pu) * (abs(admittance.nodal) @ np.abs(u_pu).T).T
        explained[rows] = _ROUNDING * size_pu * BASE_VA
    return found, explained


def verify(grid: Grid, drawn_va: Phasors, flow: Flow, setting: Setting = AS_BUILT) -> float:
    """Return the greatest mismatch of all nodes and situations [W, var alike].

    Args:
        grid: the grid.
        drawn_va: what is drawn at each node, load convention, shape (situations, nodes).
        flow: the states, solved with ``exact=True``.
        setting: of all situations, or one row for each.

    Raises:
        InvariantBroken: a node is out of balance by more than 1 mW and rounding.
    """
    found_w, explained_w = mismatch_w(grid, drawn_va, flow, setting)
    beyond = np.where(np.isnan(found_w), np.inf, found_w - explained_w)
    situation, node = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    if beyond[situation, node] > MOST_MISMATCH_W:
        raise InvariantBroken(
            f"node {grid.nodes[int(node)].name} is out of balance by "
            f"{found_w[situation, node]:.3g} VA in situation {situation}",
            where=grid.name,
            remedy="engine and admittance matrices disagree: do not publish this state",
        )
    return float(found_w.max())
