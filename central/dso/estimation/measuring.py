"""What is known about the grid at one instant, and how well.

Three origins, from sure to unsure: field sensors (I-19), certified readings of points of
delivery, and the forecast, which stands in wherever nobody measures. Sigma is a standard
deviation in the unit of its value; none is below `FLOOR_VA`, since no customer is known to less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from central.dso.grid.islands import island_of
from central.dso.grid.model import Booleans, Floats, Grid, Phasors
from ledger.errors import Rejected

Kind = Literal["voltage", "flow", "current", "injection"]
Origin = Literal["sensor", "certified", "forecast", "reference"]

FLOOR_VA = 1_000.0
_METER_PCT = 1.0
REFERENCE_PU = 0.01
"""How well the file knows the voltage of a source, one standard deviation."""
LEAST_PU, MOST_PU = 0.2, 2.0
"""Beyond these a voltage is not in per unit of where it is said to be."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing known at one place.

    Args:
        name: the sensor, or what stands in.
        kind: magnitude of a node's voltage [pu]; power into a branch at its from side [VA];
            magnitude of the current there [A]; power drawn at a node [VA], load convention.
        element: position of the node or branch.
        value: complex for powers.
        sigma: of active and reactive power alike.
        origin: whose word it is.
    """

    name: str
    kind: Kind
    element: int
    value: complex
    sigma: float
    origin: Origin


@dataclass(frozen=True, slots=True)
class Metered:
    """What a certified reading says of a point of delivery [W, var], load convention."""

    power_w: float
    reactive_var: float


def injections(
    grid: Grid, expected_va: Phasors, sigma_va: Floats, metered: Mapping[str, Metered]
) -> list[Measurement]:
    """Return what each node with customers draws: metered where it is, expected where not.

    Args:
        grid: tells which POD is where.
        expected_va: what the forecast says of each POD, shape (pods).
        sigma_va: how far that usually is from the truth, shape (pods).
        metered: certified readings by POD.

    A node counts as certified when all of its PODs are metered.
    """
    drawn_va, spread_va = expected_va.astype(complex), np.maximum(sigma_va, FLOOR_VA)
    certain = np.zeros(len(grid.pods), dtype=bool)
    for pod, known in metered.items():
        at = grid.pod(pod)
        drawn_va[at] = complex(known.power_w, known.reactive_var)
        spread_va[at] = abs(drawn_va[at]) * _METER_PCT / 100
        certain[at] = True
    total_va = grid.at_nodes(drawn_va.real) + 1j * grid.at_nodes(drawn_va.imag)
    variance = grid.at_nodes(spread_va**2)
    uncertain = grid.at_nodes((~certain).astype(float))
    return [
        Measurement(
            grid.nodes[node].name,
            "injection",
            int(node),
            complex(total_va[node]),
            float(np.sqrt(max(variance[node], FLOOR_VA**2))),
            "forecast" if uncertain[node] else "certified",
        )
        for node in np.unique(grid.pod_node)
    ]


def references(
    grid: Grid, measured: Sequence[Measurement], closed: Booleans | None = None
) -> list[Measurement]:
    """Return the own voltages of the sources in whose island no voltage at all is measured.

    Args:
        grid: with its sources.
        measured: what is known beside them.
        closed: which branches are closed, shape (branches); None as in the file.
    """
    islands = island_of(grid, closed)
    told = islands[[one.element for one in measured if one.kind == "voltage"]]
    sources = grid.network["source"]
    sources = sources[sources["status"] == 1]
    return [
        Measurement(
            grid.nodes[node].name,
            "voltage",
            int(node),
            complex(source["u_ref"]),
            REFERENCE_PU,
            "reference",
        )
        for node, source in zip(grid.positions(sources["node"]), sources, strict=True)
        if islands[node] not in told
    ]


def checked(grid: Grid, measured: Sequence[Measurement]) -> None:
    """Refuse what cannot be a measurement, whoever hands it in.

    What field sensors say is sifted before: `central.dso.telling.incoming` puts such a thing aside.

    Raises:
        Rejected: `bad_measurement`, naming the sensor.
    """
    for one in measured:
        count = len(grid.nodes if one.kind in {"voltage", "injection"} else grid.branches)
        if not 0 <= one.element < count:
            raise _bad(one, f"is at position {one.element} of {count}")
        if not np.isfinite(one.value):
            raise _bad(one, "has no number")
        if not 0 < one.sigma < np.inf:
            raise _bad(one, f"has sigma {one.sigma}, expected a number above 0")
        if one.kind == "voltage" and not LEAST_PU < one.value.real < MOST_PU:
            raise _bad(one, f"reads {one.value.real:g} pu; is it in volt?")


def _bad(one: Measurement, what: str) -> Rejected:
    return Rejected(
        f"{one.kind} {what}",
        where=f"{one.origin} {one.name}",
        remedy="see what the sensor sends, and its row in the grid's table",
        reason="bad_measurement",
    )
