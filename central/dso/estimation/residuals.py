"""How far each measurement is from the estimate, measured by how far it could be.

The normalised residual of a measurement is its residual over the standard deviation that the
residual has when nothing is wrong. Beyond 3 a sensor that nothing else contradicts would be a
one-in-400 event. A measurement without redundancy has no residual at all: it cannot be checked,
and that is said.

Source: Abur and Gómez-Expósito, Power System State Estimation (2004), sections 5.6-5.8; Handschin,
Schweppe, Kohlas, Fiechter, IEEE Trans. PAS 94 (1975), 329-337.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from central.dso.estimation.measuring import Measurement
from central.dso.grid.admittance import BASE_VA, Admittance
from central.dso.grid.model import Booleans, Floats, Integers, Phasors

_SILENT_SIGMA_PU = 1e-5
_CHECKABLE_SHARE = 1e-3
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Residuals:
    """Of each measurement, in their order.

    Args:
        weighted: residual over sigma; of a power the greater of its two.
        normalised: the same over the residual's own standard deviation; 0 where it cannot be
            checked, or was not asked for.
        checkable: whether anything else could contradict it; true where not asked for.
    """

    weighted: Floats
    normalised: Floats
    checkable: Booleans


class Linearised:
    """Measurements around an estimated state, in real and imaginary parts of the voltages.

    Nodes where nobody draws take part as measurements of zero. Magnitudes of currents do not
    take part: they are only compared.

    Args:
        admittance: of the grid as it is switched.
        u_pu: the estimate, shape (nodes).
        measured: what it was made from.
        compared: which of them took no part in it either, shape (measurements); none if None.
    """

    def __init__(
        self,
        admittance: Admittance,
        u_pu: Phasors,
        measured: Sequence[Measurement],
        compared: Booleans | None = None,
    ) -> None:
        self._admittance, self._u_pu = admittance, u_pu
        self._columns = _state_columns(admittance.grid.source_nodes, u_pu)
        rows = [self._rows(one_kind, chosen, measured) for one_kind, chosen in _by_kind(measured)]
        rows.append(self._silent(measured))
        self._jacobian = sparse.vstack([each.jacobian for each in rows]).tocsr()
        self._residual = np.concatenate([each.residual for each in rows])
        self._sigma = np.concatenate([each.sigma for each in rows])
        self._owner = np.concatenate([each.owner for each in rows])
        self._estimated = np.zeros(len(measured), dtype=complex)
        for each in rows:
            self._estimated[each.owner[each.owner >= 0]] = each.estimated
        used = np.concatenate([each.used for each in rows])
        if compared is not None:
            used &= (self._owner < 0) | ~compared[self._owner]
        self._weights = np.where(used, 1 / self._sigma, 0.0)

    @property
    def estimated(self) -> Phasors:
        """Return what the state says in the place of each measurement, in its unit."""
        return self._estimated

    @cached_property
    def _gain(self) -> Any:  # noqa: ANN401 -- SuperLU has no name of its own
        weighted = sparse.diags_array(self._weights) @ self._jacobian
        return splu((weighted.T @ weighted).tocsc())

    def residuals(self, asked: Booleans) -> Residuals:
        """Return the residual of every measurement, normalised for those that are asked for."""
        count = len(self._estimated)
        weighted, normalised = np.zeros(count), np.zeros(count)
        own = np.flatnonzero(self._owner >= 0)
        np.maximum.at(weighted, self._owner[own], np.abs(self._residual[own]) / self._sigma[own])
        checkable = ~asked
        chosen = own[asked[self._owner[own]]]
        for rows in np.array_split(chosen, max(1, len(chosen) // _ROWS_AT_ONCE)):
            explained = self._variance_of(self._jacobian[rows])
            taken = self._weights[rows] > 0
            left = self._sigma[rows] ** 2 + np.where(taken, -explained, explained)
            sure = left > _CHECKABLE_SHARE * self._sigma[rows] ** 2
            size = np.zeros(len(rows))
            size[sure] = np.abs(self._residual[rows][sure]) / np.sqrt(left[sure])
            np.maximum.at(normalised, self._owner[rows], size)
            np.logical_or.at(checkable, self._owner[rows], sure)
        return Residuals(weighted, normalised, checkable)

    def step_pu(self) -> Phasors:
        """Return by how much the voltages would have to change to be the most likely ones.

        Source: Abur and Gómez-Expósito, section 2.6: one step of Gauss and Newton.
        """
        count = len(self._u_pu)
        pull = self._jacobian.T @ (self._weights**2 * self._residual)
        change = np.zeros(2 * count)
        change[self._columns] = self._gain.solve(pull)
        step: Phasors = change[:count] + 1j * change[count:]
        return step

    def voltage_sigma_pu(self, nodes: Integers) -> Floats:
        """Return how well the voltages of some nodes are known: one standard deviation [pu]."""
        _, rows = self._magnitude(*_voltages(self._u_pu, nodes))
        return np.sqrt(np.maximum(self._variance_of(rows), 0.0))

    def _variance_of(self, rows: sparse.csr_array) -> Floats:
        solved = self._gain.solve(rows.T.toarray())
        variance: Floats = np.asarray(rows.multiply(solved.T).sum(axis=1)).ravel()
        return variance

    def _rows(self, kind: str, chosen: Integers, measured: Sequence[Measurement]) -> "_Rows":
        elements = np.array([measured[k].element for k in chosen])
        given = np.array([measured[k].value for k in chosen])
        sigma = np.array([measured[k].sigma for k in chosen])
        values, per_real, per_imaginary, unit = self._complex(kind, elements)
        estimated: Phasors
        if kind in {"voltage", "current"}:
            size, jacobian = self._magnitude(values, per_real, per_imaginary)
            residual, parts = given.real / unit - size, 1
            estimated = (size * unit).astype(np.complex128)
        else:
            both = sparse.hstack([per_real, per_imaginary]).tocsr()[:, self._columns]
            jacobian = sparse.vstack([both.real, both.imag]).tocsr()
            difference = given / unit - values
            residual, parts = np.concatenate([difference.real, difference.imag]), 2
            estimated = np.concatenate([values * unit] * 2)
        owner = np.tile(chosen, parts)
        used = np.full(len(owner), kind != "current")
        return _Rows(jacobian, residual, np.tile(sigma / unit, parts), owner, used, estimated)

    def _silent(self, measured: Sequence[Measurement]) -> "_Rows":
        """Return the rows of nodes where nobody draws."""
        speaking = [one.element for one in measured if one.kind == "injection"]
        fed = np.flatnonzero(np.abs(self._u_pu) > 0)
        silent = np.setdiff1d(fed, np.union1d(speaking, self._admittance.grid.source_nodes))
        none = [
            Measurement("", "injection", int(node), 0j, _SILENT_SIGMA_PU * BASE_VA, "reference")
            for node in silent
        ]
        rows = self._rows("injection", np.arange(len(none)), none)
        return replace(rows, owner=np.full(2 * len(none), -1), estimated=np.zeros(0, dtype=complex))

    def _complex(
        self, kind: str, elements: Integers
    ) -> tuple[Phasors, sparse.csr_array, sparse.csr_array, Floats]:
        """Return a quantity, its derivatives by both parts of the voltages, and its unit."""
        one = np.ones(len(elements))
        if kind == "voltage":
            return (*_voltages(self._u_pu, elements), one)
        nodal = kind == "injection"
        matrix = self._admittance.nodal[elements] if nodal else self._from_rows(elements)
        current = matrix @ self._u_pu
        if kind == "current":
            unit_a = self._admittance.base_from_a[elements]
            return current, matrix, 1j * matrix, unit_a
        node = elements if nodal else self._admittance.grid.branch_from[elements]
        sign = -1.0 if nodal else 1.0
        voltage, chosen, _ = _voltages(self._u_pu, node)
        turned = sparse.diags_array(np.conj(current)) @ chosen
        driven = sparse.diags_array(voltage) @ matrix.conj()
        return (
            sign * voltage * np.conj(current),
            sign * (turned + driven),
            sign * 1j * (turned - driven),
            BASE_VA * one,
        )

    def _from_rows(self, branches: Integers) -> sparse.csr_array:
        ports, grid = self._admittance.ports, self._admittance.grid
        values = np.concatenate([ports.ff[branches], ports.ft[branches]])
        columns = np.concatenate([grid.branch_from[branches], grid.branch_to[branches]])
        rows = np.tile(np.arange(len(branches)), 2)
        return sparse.csr_array((values, (rows, columns)), shape=(len(branches), len(self._u_pu)))

    def _magnitude(
        self, values: Phasors, per_real: sparse.csr_array, per_imaginary: sparse.csr_array
    ) -> tuple[Floats, sparse.csr_array]:
        size: Floats = np.abs(values)
        towards = np.conj(values) / np.where(size > 0, size, 1.0)
        both = sparse.hstack([per_real, per_imaginary]).tocsr()[:, self._columns]
        return size, (sparse.diags_array(towards) @ both).real.tocsr()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the linearised model; `owner` is the measurement, -1 for a node's silence."""

    jacobian: sparse.csr_array
    residual: Floats
    sigma: Floats
    owner: Integers
    used: Booleans
    estimated: Phasors


def _by_kind(measured: Sequence[Measurement]) -> Iterator[tuple[str, Integers]]:
    for kind in ("voltage", "flow", "current", "injection"):
        chosen = np.array([k for k, one in enumerate(measured) if one.kind == kind], dtype=np.int64)
        if len(chosen):
            yield kind, chosen


def _voltages(u_pu: Phasors, nodes: Integers) -> tuple[Phasors, sparse.csr_array, sparse.csr_array]:
    shape = (len(nodes), len(u_pu))
    chosen = sparse.csr_array((np.ones(len(nodes)), (np.arange(len(nodes)), nodes)), shape=shape)
    return u_pu[nodes], chosen.astype(complex), 1j * chosen


def _state_columns(source_nodes: Integers, u_pu: Phasors) -> Integers:
    """Return the columns of the state: both parts of each fed node's voltage, less a reference.

    The imaginary part at the first source is left out: all angles are told from there.
    """
    fed, count = np.flatnonzero(np.abs(u_pu) > 0), len(u_pu)
    both = np.concatenate([fed, count + fed])
    columns: Integers = both[both != count + source_nodes[0]]
    return columns
