"""Congestions in the words of the documents: integers, names, and every element listed once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from central.documents import elements as told
from central.documents.elements import BASE_CASE, GridElement, KeptFree, Violation
from central.dso.assessment import Congestion
from central.dso.expectation import MEAN
from central.dso.grid.model import Grid
from central.dso.limits import Bound, Margin

_MILLI = 1_000
_PCT = 100
_PPM = 1_000_000


@dataclass
class Elements:
    """The elements of one document, in the order in which they are first spoken of."""

    grid: Grid
    margin: Margin
    listed: list[GridElement] = field(default_factory=list)
    _positions: dict[tuple[str, Bound, str], int] = field(default_factory=dict)

    def violations(self, congestions: Iterable[Congestion]) -> tuple[Violation, ...]:
        """Return congestions as entries of the document, in its order."""
        entries = [self._violation(each) for each in congestions]
        return tuple(sorted(entries, key=lambda one: (one.position, one.start_ms, one.scenario)))

    def position(self, name: str, bound: Bound, phase: str = "") -> int:
        """Return where an element with one of its limits, of one phase, stands in the list."""
        key = name, bound, phase
        if key not in self._positions:
            self._positions[key] = len(self.listed)
            self.listed.append(self._element(name, bound, phase))
        return self._positions[key]

    def milli(self, name: str, bound: Bound, value: float, phase: str = "") -> float:
        """Return a voltage [pu] or current [% of rating] in mV or mA.

        A voltage is phase to phase; of one phase it is to neutral.
        """
        if bound.is_voltage:
            rated_v = float(self.grid.rated_v[self.grid.node(name)])
            return value * (rated_v / math.sqrt(3) if phase else rated_v) * _MILLI
        return value / _PCT * float(self.grid.rating_a[0][self.grid.branch(name)]) * _MILLI

    def _violation(self, congestion: Congestion) -> Violation:
        name, bound, phase = congestion.element, congestion.bound, congestion.phase
        beyond = abs(congestion.value - congestion.limit)
        return Violation(
            position=self.position(name, bound, phase),
            start_ms=congestion.interval.start_ms,
            scenario=scenario_of(congestion),
            excess_milli=max(1, math.ceil(self.milli(name, bound, beyond, phase))),
            cause=congestion.cause,
        )

    def _element(self, name: str, bound: Bound, phase: str) -> GridElement:
        if bound.is_voltage:
            node = self.grid.nodes[self.grid.node(name)]
            rated, limit = 1.0, node.low_pu if bound is Bound.UNDERVOLTAGE else node.high_pu
            margin = self.margin.voltage_pu
        else:
            rated = limit = float(_PCT)
            margin = self.margin.current_pct
        return GridElement(
            element=name,
            bound=told.Bound(bound.value),
            side=None if bound.is_voltage else told.Side.FROM,
            phase=told.Phase(phase) if phase else None,
            rated_milli=round(self.milli(name, bound, rated, phase)),
            limit_milli=round(self.milli(name, bound, limit, phase)),
            margin_milli=round(self.milli(name, bound, margin, phase)),
        )


def scenario_of(congestion: Congestion) -> str:
    """Return the situation that a congestion belongs to, an outage in words."""
    name = BASE_CASE if congestion.scenario == MEAN else congestion.scenario
    return f"{name} without {congestion.outage}" if congestion.outage else name


def kept_free(margin: Margin) -> KeptFree:
    """Return a margin as documents state it."""
    return KeptFree(
        voltage_ppm=round(margin.voltage_pu * _PPM),
        current_ppm=round(margin.current_pct / _PCT * _PPM),
    )


def scenario_names(scenarios: Iterable[str]) -> tuple[str, ...]:
    """Return the scenarios of an expectation as documents call them."""
    return tuple(BASE_CASE if name == MEAN else name for name in scenarios)
