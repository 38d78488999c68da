"""What must be reached, quarter by quarter: limits of the DSO's grid, and the TSO's volumes.

Every row of a need is measured in watts at the place where one of them does most. A watt that an
offer moves elsewhere counts for its *effectiveness* there, below 0 where it does harm: at most 1,
and beyond that what the vars do that come and go with it.

```
 undervoltage                  relief of one watt UP (less taken) = - dV/dP
 overvoltage, line, transformer                                  =   d|V|/dP, d|I|/dP
 relief of one watt DOWN                                         = the reverse
```
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from central.documents.elements import Bound
from central.documents.header import Direction
from central.documents.request import FlexRequest

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_NANO_PER_MILLI = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One limit of one element in one quarter-hour.

    Args:
        element, bound: of the grid; for a TSO's volume its substation, and None.
        start_ms: the quarter-hour.
        requests: which ask for it, positions in the book.
        best_nano_per_w: what a watt does where it does most [nV, nA].
    """

    element: str
    bound: Bound | None
    start_ms: int
    requests: tuple[int, ...]
    best_nano_per_w: float


@dataclass(frozen=True)
class Limits:
    """Rows with their figures.

    Args:
        rows: in the order of quarter-hours.
        nodes: what the columns of `up` are.
        need_w: what must be reached, 0 where nothing may only be made worse, shape (rows).
        cap_ueur_per_mwh: the most that a watt at the best place may cost, shape (rows).
        up: effectiveness of a watt UP at each node, shape (rows, nodes).
        up_var: the same of a var drawn less, beside the best watt.
    """

    rows: tuple[Row, ...]
    nodes: Mapping[str, int]
    need_w: Floats
    cap_ueur_per_mwh: Floats
    up: Floats
    up_var: Floats

    @cached_property
    def start_ms(self) -> Integers:
        """Return the quarter-hour of each row."""
        return np.array([row.start_ms for row in self.rows], dtype=np.int64)

    def rows_of(self, chosen: Booleans) -> "Limits":
        """Return some of the rows."""
        rows = tuple(self.rows[at] for at in np.flatnonzero(chosen))
        return Limits(
            rows, self.nodes, self.need_w[chosen], self.cap_ueur_per_mwh[chosen], self.up[chosen],
            self.up_var[chosen],
        )  # fmt: skip


@dataclass
class _Gathered:
    """A row while the requests are read that speak of it."""

    requests: list[int]
    excess_nano: int
    relief: dict[str, int]
    relief_var: dict[str, int]
    best: int
    cap_ueur_per_mwh: int


def grid_limits(requests: Sequence[FlexRequest], cap_ueur_per_mwh: int) -> Limits:
    """Return the limits of the DSO's requests; one that two of them name is one row.

    Args:
        requests: of the DSO.
        cap_ueur_per_mwh: of the market; a request may say less.
    """
    found: dict[tuple[int, str, Bound], _Gathered] = {}
    for position, request in enumerate(requests):
        for key, relief, relief_var, excess_nano in _stated(request):
            row = found.setdefault(key, _Gathered([], 0, {}, {}, 0, 0))
            row.requests.append(position)
            row.excess_nano = max(row.excess_nano, excess_nano)
            row.relief.update(relief)
            row.relief_var.update(relief_var)
            sign = 1 if request.direction is Direction.UP else -1
            row.best = max(row.best, *(sign * each for each in relief.values()), 0)
            cap = min(cap_ueur_per_mwh, request.maximum_price_ueur_per_mwh)
            row.cap_ueur_per_mwh = max(row.cap_ueur_per_mwh, cap)
    return _limits(found)


def volumes(requests: Sequence[FlexRequest], zones: Mapping[str, str], cap: int) -> Limits:
    """Return the TSO's volumes: a watt counts the same everywhere behind the substation.

    Args:
        requests: of the TSO.
        zones: the primary substation of each node.
        cap: the most that the market lets anybody pay [µEUR/MWh].
    """
    nodes = {name: place for place, name in enumerate(sorted(zones))}
    asked = sorted(
        (quarter.start_ms, position, quarter.power_w)
        for position, request in enumerate(requests)
        for quarter in request.quarters
    )
    up = np.zeros((len(asked), len(nodes)))
    rows = []
    for place, (start_ms, position, _) in enumerate(asked):
        request = requests[position]
        sign = 1.0 if request.direction is Direction.UP else -1.0
        behind = [at for name, at in nodes.items() if zones[name] == request.primary_substation]
        up[place, behind] = sign
        rows.append(Row(request.primary_substation, None, start_ms, (position,), 1.0))
    return Limits(
        tuple(rows),
        nodes,
        np.array([power_w for *_, power_w in asked], dtype=np.float64),
        np.array(
            [min(cap, requests[at].maximum_price_ueur_per_mwh) for _, at, _ in asked], dtype=float
        ),
        up,
        np.zeros_like(up),
    )


def _stated(
    request: FlexRequest,
) -> Iterable[tuple[tuple[int, str, Bound], dict[str, int], dict[str, int], int]]:
    """Yield each row: its key, the relief of a watt and a var less at each node, its excess."""
    excess: dict[tuple[int, int], int] = {}
    for each in request.violations:
        key = each.position, each.start_ms
        excess[key] = max(excess.get(key, 0), each.excess_milli * _NANO_PER_MILLI)
    for row in request.sensitivities:
        element = request.elements[row.position]
        sign = -1 if element.bound is Bound.UNDERVOLTAGE else 1
        relief, relief_var = (
            {node: sign * nano for node, nano in zip(request.nodes, told, strict=True)}
            for told in (row.p_nano_per_w, row.q_nano_per_var)
        )
        named = row.start_ms, element.element, element.bound
        yield named, relief, relief_var, excess.get((row.position, row.start_ms), 0)


def _limits(found: Mapping[tuple[int, str, Bound], _Gathered]) -> Limits:
    ordered = sorted(found.items(), key=lambda one: (one[0][0], one[0][1], one[0][2].value))
    nodes = {
        name: place
        for place, name in enumerate(sorted({node for _, row in ordered for node in row.relief}))
    }
    up, up_var = np.zeros((2, len(ordered), len(nodes)))
    rows, need_w = [], []
    for place, ((start_ms, element, bound), row) in enumerate(ordered):
        best = row.best or max((abs(each) for each in row.relief.values()), default=0) or 1
        for node, relief in row.relief.items():
            up[place, nodes[node]] = relief / best
            up_var[place, nodes[node]] = row.relief_var[node] / best
        need_w.append(row.excess_nano / best)
        rows.append(Row(element, bound, start_ms, tuple(dict.fromkeys(row.requests)), best))
    caps = [row.cap_ueur_per_mwh for _, row in ordered]
    return Limits(
        tuple(rows), nodes, np.array(need_w, dtype=float), np.array(caps, dtype=float), up, up_var
    )
