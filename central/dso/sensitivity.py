"""What a voltage or a current does when somebody draws one watt more, or one var, anywhere.

The power flow is the root of the nodal current balance, with each source behind its internal
admittance ``y`` (U open voltage, S drawn power, an asterisk for the conjugate):

```
F(u) = (Y + y) u - y U + (S/u)*                                                             = 0
dF   = (Y + y) du - (S/u²)* du* + (dS/u)*                                                   = 0
```

A watched value ``r`` changes by ``dr = Re(c · du)``. With the real Jacobian J of F and J'λ = c*,
λ read as a complex number at each node, ``dr/dP + j dr/dQ = -(λ/u)*``: one factorisation for a
state and one pair of triangular solves for a row give the effect of every node, exactly.

Source: Nocedal, Wright: Numerical Optimization (2nd ed., 2006), section 8.2 (adjoint); Milano:
Power System Modelling and Scripting (2010), section 4.4 (current balance in rectangular
coordinates); power-grid-model 1.12 documentation, User manual, Components: Source.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from central.dso.configurations import Configurations
from central.dso.grid.admittance import BASE_VA, Admittance
from central.dso.grid.model import Booleans, Floats, Grid, Integers, Phasors
from central.dso.powerflow import Setting

_FULL_PCT = 100.0
_SHORT_CIRCUIT_VA = 1e10  # the engine's, where the file says nothing
_RESISTANCE_OVER_REACTANCE = 0.1
# Entries stand where those of their mirror image stand: half as many join, by this order.
_SYMMETRIC = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.01, "options": {"SymmetricMode": True},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """What is watched: the voltage of a node [pu], or the current of a branch [% of rating].

    Args:
        element: position of the node or branch.
        is_node: which of the two.
        at_to: of a branch, whether its current is taken at the to side.
    """

    element: Integers
    is_node: Booleans
    at_to: Booleans

    def __len__(self) -> int:
        return len(self.element)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Values of the watched rows in one state, and what moves them.

    Args:
        value: voltages [pu] and currents [% of rating], shape (rows).
        per_va: change for one watt and, as imaginary part, for one var more drawn at a node, load
            convention, shape (rows, nodes); 0 at a node that nothing feeds.
    """

    value: Floats
    per_va: Phasors

    @property
    def per_w(self) -> Floats:
        """Return the change for one watt more drawn at a node, shape (rows, nodes)."""
        return self.per_va.real

    @property
    def per_var(self) -> Floats:
        """Return the change for one var more drawn at a node, in the same shape."""
        return self.per_va.imag


class Jacobian:
    """The linearised power flow of one configuration of a grid, for any of its states."""

    def __init__(self, admittance: Admittance) -> None:
        self.admittance = admittance
        self.grid = admittance.grid

    def sensitivity(
        self, u_pu: Phasors, drawn_va: Phasors, rows: Rows, *, seen_pu: Phasors | None = None
    ) -> Sensitivity:
        """Return what moves the watched rows in a solved state.

        Args:
            u_pu: voltages, shape (nodes); 0 where nothing feeds a node.
            drawn_va: what is drawn at each node in that state, shape (nodes).
            rows: what is watched; the gradient of a current that is exactly 0 is taken as 0.
            seen_pu: voltages of other states, one for each row in which it is watched, shape
                (rows, nodes), where those respond to power as this one does; exact if None.
        """
        value, slope = self._watched(u_pu if seen_pu is None else seen_pu, rows)
        live = u_pu != 0
        over_u = np.divide(1.0, u_pu, out=np.zeros_like(u_pu), where=live)
        jacobian = self._at(np.conj(drawn_va / BASE_VA * over_u**2), live)
        factor = splu(jacobian, **_SYMMETRIC)
        adjoint = factor.solve(np.conj(slope).view(np.float64).T)
        effect = np.ascontiguousarray(adjoint.T).view(complex) * (-over_u / BASE_VA)
        return Sensitivity(value, np.conj(effect))

    def greater_side(self, u_pu: Phasors, branches: Integers) -> Booleans:
        """Tell for some branches whether the current loads its rating more at the to side.

        `u_pu` has the shape (nodes), or (branches, nodes) for each in a state of its own.
        """
        u_start, u_end = self._ends(u_pu, branches)
        from_pct, to_pct = (
            np.abs(at_start * u_start + at_end * u_end)
            for at_start, at_end in (
                self._ports_pct(branches, np.full(len(branches), to)) for to in (False, True)
            )
        )
        at_to: Booleans = to_pct > from_pct
        return at_to

    def _watched(self, u_pu: Phasors, rows: Rows) -> tuple[Floats, Phasors]:
        """Return values, and the complex slopes c of ``dr = Re(c · du)``, shape (rows, nodes)."""
        slope: Phasors = np.zeros((len(rows), u_pu.shape[-1]), dtype=complex)
        value = np.empty(len(rows))
        seen_pu = np.broadcast_to(u_pu, slope.shape)
        is_node, is_branch = np.flatnonzero(rows.is_node), np.flatnonzero(~rows.is_node)
        node = rows.element[is_node]
        value[is_node] = np.abs(seen_pu[is_node, node])
        slope[is_node, node] = _direction(seen_pu[is_node, node])
        branch = rows.element[is_branch]
        u_start, u_end = self._ends(seen_pu[is_branch], branch)
        at_start, at_end = self._ports_pct(branch, rows.at_to[is_branch])
        current_pct = at_start * u_start + at_end * u_end
        value[is_branch] = np.abs(current_pct)
        slope[is_branch, self.grid.branch_from[branch]] += _direction(current_pct) * at_start
        slope[is_branch, self.grid.branch_to[branch]] += _direction(current_pct) * at_end
        return value, slope

    def _ends(self, u_pu: Phasors, branches: Integers) -> tuple[Phasors, Phasors]:
        """Return the voltages at the from and at the to end of branches, each in its state."""
        seen_pu, row = (
            np.broadcast_to(u_pu, (len(branches), u_pu.shape[-1])),
            np.arange(len(branches)),
        )
        start, end = self.grid.branch_from[branches], self.grid.branch_to[branches]
        return seen_pu[row, start], seen_pu[row, end]

    def _ports_pct(self, branch: Integers, to: Booleans) -> tuple[Phasors, Phasors]:
        """Return what 1 pu at the from and at the to end drives through one side [% of rating]."""
        made, rating_a = self.admittance, self.grid.rating_a
        base_a = np.where(to, made.base_to_a[branch], made.base_from_a[branch])
        scale = base_a / np.where(to, rating_a[1][branch], rating_a[0][branch]) * _FULL_PCT
        at_start = np.where(to, made.ports.tf[branch], made.ports.ff[branch])
        at_end = np.where(to, made.ports.tt[branch], made.ports.ft[branch])
        return np.asarray(at_start * scale), np.asarray(at_end * scale)

    def _at(self, load: Phasors, live: Booleans) -> sparse.csc_array:
        """Return J', real and imaginary part of each node side by side; 1 at a dead node."""
        jacobian, block = self._constant.copy(), self._diagonal
        jacobian.data[block[0]] -= load.real
        jacobian.data[block[1]] -= load.imag
        jacobian.data[block[2]] -= load.imag
        jacobian.data[block[3]] += load.real
        if not live.all():
            keep = sparse.diags_array(np.repeat(live, 2).astype(float))
            rest = sparse.diags_array(np.repeat(~live, 2).astype(float))
            jacobian = sparse.csc_array(keep @ jacobian @ keep + rest)
        return jacobian

    @cached_property
    def _constant(self) -> sparse.csc_array:
        """Return the part of J' that no state changes; that which does is symmetric."""
        count = len(self.grid.nodes)
        nodal, node = self.admittance.nodal.tocoo(), np.arange(count)
        row, column = 2 * np.append(nodal.row, node), 2 * np.append(nodal.col, node)
        y = np.append(nodal.data, sources_pu(self.grid))
        rows = np.concatenate([row, row, row + 1, row + 1])
        columns = np.concatenate([column, column + 1, column, column + 1])
        values = np.concatenate([y.real, -y.imag, y.imag, y.real])
        made = sparse.csc_array((values, (columns, rows)), shape=(2 * count, 2 * count))
        made.sum_duplicates()
        return made

    @cached_property
    def _diagonal(self) -> Integers:
        """Return where the four parts of each node's own block stand, shape (4, nodes)."""
        made = self._constant
        columns = np.repeat(np.arange(made.shape[1]), np.diff(made.indptr))
        own = np.flatnonzero(made.indices // 2 == columns // 2)
        part = (made.indices[own] % 2) * 2 + columns[own] % 2
        return np.array([own[part == each] for each in range(4)])


class Jacobians:
    """The linearised power flows behind situations: one for each setting that differs."""

    def __init__(self, grid: Grid, setting: Setting) -> None:
        self._configurations = Configurations(grid, setting)
        self._known: dict[int, Jacobian] = {}

    def of(self, situation: int) -> Jacobian:
        """Return the one of a situation."""
        admittance = self._configurations.of(situation)
        if id(admittance) not in self._known:
            self._known[id(admittance)] = Jacobian(admittance)
        return self._known[id(admittance)]


def _direction(phasor: Phasors) -> Phasors:
    """Return the conjugate of each phasor at length 1; 0 for 0."""
    size = np.abs(phasor)
    found: Phasors = np.divide(np.conj(phasor), size, out=np.zeros_like(phasor), where=size > 0)
    return found


def sources_pu(grid: Grid) -> Phasors:
    """Return the internal admittance of the sources at each node [pu]."""
    sources = grid.network["source"]
    sources = sources[sources["status"] == 1]
    short_va = np.where(np.isnan(sources["sk"]), _SHORT_CIRCUIT_VA, sources["sk"])
    ratio = sources["rx_ratio"]
    ratio = np.where(np.isnan(ratio), _RESISTANCE_OVER_REACTANCE, ratio)
    inner = short_va / BASE_VA * np.sqrt(1 + ratio**2) / (ratio + 1j)
    found: Phasors = np.zeros(len(grid.nodes), dtype=complex)
    np.add.at(found, grid.source_nodes, inner)
    return found
