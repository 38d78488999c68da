"""The TSO's own grid: a few buses and lines, their flows by the DC power flow.

A line from `i` to `j` of reactance `x` carries `(θi - θj) U² / x`; with what each bus gives to the
grid known, the flows are linear in it: power transfer distribution factors (PTDF). No losses, no
reactive power, one voltage: enough to see which line a substation loads.

Source: Wood, Wollenberg, Sheblé, Power Generation, Operation, and Control, 3rd ed., ch. 7.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from central.calendar import ROME
from ledger.errors import Rejected, unreadable

Floats = NDArray[np.float64]

_HOURS = 24
_MS_PER_S = 1_000
_TABLES = {
    "line": {"name", "between", "reactance_ohm", "limit_w"},
    "load": {"bus", "power_w"},
    "substation": {"name", "bus"},
}
_KEYS = {"name", "voltage_v", "fed_at", *_TABLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line between two buses; `limit_w` is what may flow, either way [W]."""

    name: str
    between: tuple[str, str]
    reactance_ohm: float
    limit_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """A transmission grid; make it with `read`.

    Args:
        name: of the case.
        buses: the fed one first, the others by name.
        lines: in the order of the file.
        loads_w: what others take at each bus [W], shape (buses, 24 hours of local time).
        at_bus: the bus of each primary substation, by name.
        ptdf: flow in each line from its first end, per watt given at a bus and taken where the
            grid is fed, shape (lines, buses).
    """

    name: str
    buses: tuple[str, ...]
    lines: tuple[Line, ...]
    loads_w: Floats
    at_bus: Mapping[str, str]
    ptdf: Floats

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """Return the case of a file, or the example.

        Raises:
            Rejected: `bad_case`: it is no case, with the place of what is wrong; or it is not there
                to be read.
            Unavailable: the disk does not give it.
        """
        try:
            text = (path or resources.files("central.tso") / "example.toml").read_text("utf-8")
            told = tomllib.loads(text)
        except OSError as error:
            raise unreadable(path, error) from error
        except ValueError as error:  # no UTF-8, or no TOML
            raise _bad(str(path), f"no TOML: {error}") from error
        try:
            return cls._of(told)
        except (TypeError, ValueError) as error:
            raise _bad(str(path), str(error)) from error

    @classmethod
    def _of(cls, told: Mapping[str, Any]) -> Self:
        _need_keys("$", told, _KEYS)
        for table, keys in _TABLES.items():
            for place, entry in enumerate(told[table]):
                _need_keys(f"$.{table}[{place}]", entry, keys)
        lines = tuple(
            Line(**{**entry, "between": tuple(entry["between"])}) for entry in told["line"]
        )
        others = {bus for line in lines for bus in line.between} - {told["fed_at"]}
        buses = (told["fed_at"], *sorted(others))
        for table in ("load", "substation"):
            for place, entry in enumerate(told[table]):
                if entry["bus"] not in buses:
                    raise _bad(f"$.{table}[{place}].bus", f"no line leads to {entry['bus']}")
        return cls(
            name=told["name"], buses=buses, lines=lines, loads_w=_loads_w(told["load"], buses),
            at_bus={entry["name"]: entry["bus"] for entry in told["substation"]},
            ptdf=_ptdf(lines, buses, float(told["voltage_v"])),
        )  # fmt: skip

    @property
    def limit_w(self) -> Floats:
        """Return what may flow in each line [W], shape (lines)."""
        return np.array([line.limit_w for line in self.lines], dtype=np.float64)

    def of_substations(self, names: Sequence[str]) -> Floats:
        """Return the distribution factors of substations, shape (lines, substations).

        Raises:
            Rejected: `unknown_substation`.
        """
        for name in names:
            if name not in self.at_bus:
                raise Rejected(
                    f"{self.name} has no substation {name}", where="$.primary_substation",
                    remedy="add it to the case", reason="unknown_substation",
                )  # fmt: skip
        return self.ptdf[:, [self.buses.index(self.at_bus[name]) for name in names]]

    def flows_w(self, start_ms: Sequence[int], taken_w: Mapping[str, Floats]) -> Floats:
        """Return the flow in each line from its first end [W], shape (lines, quarters).

        Args:
            start_ms: the quarters.
            taken_w: what each primary substation takes [W], shape (quarters).
        """
        hours = [datetime.fromtimestamp(each / _MS_PER_S, UTC).astimezone(ROME).hour
                 for each in start_ms]  # fmt: skip
        flow_w: Floats = -self.ptdf @ self.loads_w[:, hours]
        if taken_w:
            flow_w -= self.of_substations(list(taken_w)) @ np.array(list(taken_w.values()))
        return flow_w


def _ptdf(lines: Sequence[Line], buses: Sequence[str], voltage_v: float) -> Floats:
    place = {bus: number for number, bus in enumerate(buses)}
    incidence = np.zeros((len(lines), len(buses)))
    for row, line in enumerate(lines):
        if line.reactance_ohm <= 0 or line.limit_w < 0:
            raise _bad(f"$.line[{row}]", "reactance_ohm is above 0, limit_w not below")
        incidence[row, place[line.between[0]]], incidence[row, place[line.between[1]]] = 1, -1
    susceptance = np.array([voltage_v**2 / line.reactance_ohm for line in lines])
    branch = susceptance[:, None] * incidence[:, 1:]
    nodal = incidence[:, 1:].T @ branch
    if np.linalg.matrix_rank(nodal) < len(nodal):
        raise _bad("$.line", "some bus is not joined to the one that is fed")
    factors = np.zeros_like(incidence)
    factors[:, 1:] = np.linalg.solve(nodal, branch.T).T
    return factors


def _loads_w(told: Sequence[Mapping[str, Any]], buses: Sequence[str]) -> Floats:
    loads_w = np.zeros((len(buses), _HOURS))
    for place, entry in enumerate(told):
        power_w = entry["power_w"]
        if len(power_w) not in {1, _HOURS}:
            raise _bad(f"$.load[{place}].power_w", f"expected 1 or 24 figures, not {len(power_w)}")
        loads_w[buses.index(entry["bus"])] += np.array(power_w, dtype=np.float64)
    return loads_w


def _need_keys(where: str, entry: Mapping[str, Any], keys: set[str]) -> None:
    if odd := sorted(entry.keys() ^ keys):
        raise _bad(where, f"expected {', '.join(sorted(keys))}; missing or unknown: {odd[0]}")


def _bad(where: str, what: str) -> Rejected:
    return Rejected(what, where=where, remedy="mend the case", reason="bad_case")
