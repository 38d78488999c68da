"""The voltage of the grid above, as the state that was found tells it.

A source is a voltage behind an impedance: what it is behind, the state tells by the voltage of
its node and the current that it gives. Where no sensor tells of voltages, the file's stands.

Source: Bergen, Vittal: Power Systems Analysis (2nd ed., 2000), section 4.10 (Thevenin).
"""

from collections.abc import Sequence

import numpy as np

from central.dso.estimation.estimate import Estimate
from central.dso.estimation.measuring import REFERENCE_PU, Measurement
from central.dso.grid.admittance import BASE_VA
from central.dso.grid.model import Grid
from central.dso.sensitivity import sources_pu


def supply_pu(grid: Grid, estimate: Estimate, measured: Sequence[Measurement]) -> float | None:
    """Return the voltage behind the impedance of the sources [pu], of several their mean.

    Args:
        grid: of the state.
        estimate: the state.
        measured: what it was found from.

    Returns:
        None where the file's is known as well: no voltage is measured and believed, or none
        that tells of the sources.
    """
    liars = {each.measurement.name for each in estimate.liars}
    is_told = any(
        one.kind == "voltage" and one.origin == "sensor" and one.name not in liars
        for one in measured
    )
    feeding = np.unique(grid.source_nodes)
    feeding = feeding[estimate.u_pu[feeding] != 0]
    if not (is_told and len(feeding)):
        return None
    if estimate.voltage_sigma_pu(feeding).max() >= REFERENCE_PU:
        return None
    u_pu = estimate.u_pu[feeding]
    given_pu = np.conj(-estimate.drawn_va[feeding] / BASE_VA / u_pu)
    return float(np.abs(u_pu + given_pu / sources_pu(grid)[feeding]).mean())
