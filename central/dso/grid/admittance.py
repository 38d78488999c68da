"""The admittance matrices of a grid, built apart from the engine: what it says can be checked.

Per unit, on each node's rated voltage and `BASE_VA` of three-phase power. A branch is a two-port
with the ideal ratio `n` at its from side:

```
 from ──(n : 1)──┬──[ y ]──┬── to        [i_f]   [ (y + h)/|n|²   -y/n* ] [u_f]
               [ h ]     [ h ]           [i_t] = [    -y/n         y + h ] [u_t]
```

Source: power-grid-model 1.12 documentation, User manual, Components: Line, Link, Transformer,
Shunt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from central.dso.grid.model import FREQUENCY_HZ, Booleans, Floats, Grid, Integers, Phasors

BASE_VA = 1e6
_LINK_PU = 1e8 + 1e8j  # the engine's, whatever the voltage
_CLOCK_RAD = np.pi / 6


@dataclass(frozen=True, slots=True)
class TwoPorts:
    """The four admittances of each branch [pu]: zero where it is open at both ends."""

    ff: Phasors
    ft: Phasors
    tf: Phasors
    tt: Phasors


@dataclass(frozen=True)
class Admittance:
    """What one configuration of a grid, its taps and switches, carries at given voltages."""

    grid: Grid
    ports: TwoPorts
    shunt_pu: Phasors

    @classmethod
    def of(
        cls,
        grid: Grid,
        *,
        tap_pos: Integers | None = None,
        closed: Booleans | None = None,
        capacitor_steps: Integers | None = None,
    ) -> "Admittance":
        """Return the matrices for tap positions, closed branches and capacitor steps in service.

        None is as in the file.
        """
        series, half, ratio = _elements(grid, grid.tap_pos if tap_pos is None else tap_pos)
        from_closed, to_closed = _ends(grid, closed)
        ports = _two_ports(series, half, ratio, from_closed, to_closed)
        return cls(grid, ports, _shunts(grid, capacitor_steps))

    @cached_property
    def nodal(self) -> sparse.csr_array:
        """Return the nodal admittance matrix [pu], shape (nodes, nodes)."""
        count, ports = len(self.grid.nodes), self.ports
        start, end, every = self.grid.branch_from, self.grid.branch_to, np.arange(count)
        values = np.concatenate([ports.ff, ports.ft, ports.tf, ports.tt, self.shunt_pu])
        rows = np.concatenate([start, start, end, end, every])
        columns = np.concatenate([start, end, start, end, every])
        return sparse.csr_array((values, (rows, columns)), shape=(count, count))

    def injected_va(self, u_pu: Phasors) -> Phasors:
        """Return the power that each node gives into the grid [VA], shape (…, nodes)."""
        flat = u_pu.reshape(-1, u_pu.shape[-1])
        drawn: Phasors = flat * np.conj((self.nodal @ flat.T).T) * BASE_VA
        return drawn.reshape(u_pu.shape)

    def mismatch_va(self, u_pu: Phasors, drawn_va: Phasors) -> Floats:
        """Return how far each node is from balance [VA], 0 where a source feeds.

        `drawn_va` is what is taken out at each node, load convention. A solved state keeps 1e-5 VA,
        and 0.5 VA at the ends of a link: 1e8 pu leaves double precision no more digits.
        """
        found: Floats = np.abs(self.injected_va(u_pu) + drawn_va)
        found[..., self.grid.source_nodes] = 0.0
        return found

    def currents_a(self, u_pu: Phasors) -> tuple[Phasors, Phasors]:
        """Return the currents into each branch at its from and its to side [A]."""
        u_from, u_to = u_pu[..., self.grid.branch_from], u_pu[..., self.grid.branch_to]
        i_from = self.ports.ff * u_from + self.ports.ft * u_to
        i_to = self.ports.tf * u_from + self.ports.tt * u_to
        return i_from * self.base_from_a, i_to * self.base_to_a

    def flows_va(self, u_pu: Phasors) -> tuple[Phasors, Phasors]:
        """Return the power into each branch at its from and its to side [VA]."""
        i_from, i_to = self.currents_a(u_pu)
        u_from, u_to = u_pu[..., self.grid.branch_from], u_pu[..., self.grid.branch_to]
        s_from = u_from * np.conj(i_from / self.base_from_a) * BASE_VA
        s_to = u_to * np.conj(i_to / self.base_to_a) * BASE_VA
        return s_from, s_to

    @cached_property
    def base_from_a(self) -> Floats:
        """Return the current that is 1 pu at the from side of each branch [A]."""
        return _base_a(self.grid.rated_v[self.grid.branch_from])

    @cached_property
    def base_to_a(self) -> Floats:
        """Return the current that is 1 pu at the to side of each branch [A]."""
        return _base_a(self.grid.rated_v[self.grid.branch_to])


def _base_a(rated_v: Floats) -> Floats:
    base: Floats = BASE_VA / rated_v / np.sqrt(3)
    return base


def _elements(grid: Grid, tap_pos: Integers) -> tuple[Phasors, Phasors, Phasors]:
    """Return series admittance, half of the shunt admittance and ratio of each branch [pu]."""
    count = len(grid.branches)
    series: Phasors = np.zeros(count, dtype=complex)
    half: Phasors = np.zeros(count, dtype=complex)
    ratio: Phasors = np.ones(count, dtype=complex)
    base_s = BASE_VA / grid.rated_v[grid.branch_to] ** 2
    if "line" in grid.network:
        span, lines = grid.spans["line"], grid.network["line"]
        series[span] = 1 / (lines["r1"] + 1j * lines["x1"])
        half[span] = np.pi * FREQUENCY_HZ * lines["c1"] * (1j + lines["tan1"])
    if "transformer" in grid.network:
        span = grid.spans["transformer"]
        series[span], half[span], ratio[span] = _transformers(grid, tap_pos)
    if "link" in grid.network:
        series[grid.spans["link"]] = _LINK_PU * base_s[grid.spans["link"]]
    series /= base_s
    half /= base_s
    return series, half, ratio


def _transformers(grid: Grid, tap_pos: Integers) -> Iterable[Phasors]:
    """Return the same of transformers, the admittances in siemens of the to side."""
    t, span = grid.network["transformer"], grid.spans["transformer"]
    step_v = (tap_pos - t["tap_nom"]) * np.sign(t["tap_max"] - t["tap_min"]) * t["tap_size"]
    u1_v = t["u1"] + np.where(t["tap_side"] == 0, step_v, 0.0)
    u2_v = t["u2"] + np.where(t["tap_side"] == 1, step_v, 0.0)
    base_ohm = u2_v**2 / t["sn"]
    z_ohm = _at_tap(t, "uk", tap_pos) * base_ohm
    r_ohm = _at_tap(t, "pk", tap_pos) / t["sn"] * base_ohm
    x_ohm = np.sign(z_ohm) * np.sqrt(np.maximum(z_ohm**2 - r_ohm**2, 0.0))
    g_s, y_s = t["p0"] / t["sn"] / base_ohm, t["i0"] / base_ohm
    b_s = -np.sqrt(np.maximum(y_s**2 - g_s**2, 0.0))
    rated = grid.rated_v[grid.branch_from[span]] / grid.rated_v[grid.branch_to[span]]
    turned = np.exp(1j * t["clock"] * _CLOCK_RAD)
    return 1 / (r_ohm + 1j * x_ohm), (g_s + 1j * b_s) / 2, u1_v / u2_v / rated * turned


def _at_tap(transformers: NDArray[np.void], field: str, tap_pos: Integers) -> Floats:
    """Return a short-circuit value at tap positions: linear between its values at the ends."""
    value = transformers[field].astype(np.float64)
    nominal = transformers["tap_nom"].astype(np.int64)
    low, high = (transformers[f"{field}_{end}"] for end in ("min", "max"))
    at_low = np.where(np.isnan(low), value, low)
    at_high = np.where(np.isnan(high), value, high)
    low_first = transformers["tap_min"] < transformers["tap_max"]
    above = np.where(low_first, tap_pos > nominal, tap_pos < nominal)
    limit = np.where(above, transformers["tap_max"], transformers["tap_min"]) - nominal
    share = np.divide(tap_pos - nominal, limit, out=np.zeros_like(value), where=limit != 0)
    moved: Floats = value + share * (np.where(above, at_high, at_low) - value)
    return moved


def _ends(grid: Grid, closed: Booleans | None) -> tuple[Booleans, Booleans]:
    if closed is not None:
        return closed, closed
    kinds = [grid.network[kind] for kind in grid.spans if kind in grid.network]
    start = np.concatenate([kind["from_status"] == 1 for kind in kinds])
    end = np.concatenate([kind["to_status"] == 1 for kind in kinds])
    return start, end


def _two_ports(
    series: Phasors, half: Phasors, ratio: Phasors, from_closed: Booleans, to_closed: Booleans
) -> TwoPorts:
    both, tt = from_closed & to_closed, series + half
    hanging = half + np.divide(series * half, tt, out=np.zeros_like(tt), where=tt != 0)
    at_from: Phasors = np.where(both, tt, np.where(from_closed, hanging, 0)) / np.abs(ratio) ** 2
    at_to: Phasors = np.where(both, tt, np.where(to_closed, hanging, 0))
    through: Phasors = np.where(both, series, 0)
    return TwoPorts(at_from, -through / np.conj(ratio), -through / ratio, at_to)


def _shunts(grid: Grid, capacitor_steps: Integers | None) -> Phasors:
    shunt_pu: Phasors = np.zeros(len(grid.nodes), dtype=complex)
    if "shunt" not in grid.network:
        return shunt_pu
    shunts = grid.network["shunt"]
    nodes = grid.positions(shunts["node"])
    b_s, status = shunts["b1"], shunts["status"] == 1
    if capacitor_steps is not None:
        b_s, status = (values[0] for values in capacitor_shunts(grid, capacitor_steps[None]))
    admittance_s = np.where(status, shunts["g1"] + 1j * b_s, 0)
    np.add.at(shunt_pu, nodes, admittance_s * grid.rated_v[nodes] ** 2 / BASE_VA)
    return shunt_pu


def capacitor_shunts(grid: Grid, steps: Integers) -> tuple[Floats, Booleans]:
    """Return susceptance [S] and state of all shunts with capacitors at these steps.

    `steps` has the shape (situations, capacitors), the answer (situations, shunts): shunts that
    are no capacitor of the operator's stay as in the file.
    """
    shunts = grid.network["shunt"]
    rated_v = grid.rated_v[grid.positions(shunts["node"])]
    b_s = np.tile(shunts["b1"], (len(steps), 1))
    status = np.tile(shunts["status"] == 1, (len(steps), 1))
    for column, means in enumerate(grid.capacitors):
        b_s[:, means.shunt] = steps[:, column] * means.step_var / rated_v[means.shunt] ** 2
        status[:, means.shunt] = steps[:, column] > 0
    return b_s, status
