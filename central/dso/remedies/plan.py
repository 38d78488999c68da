"""The plan of own means: what is moved when, what it brings, and why (I-11).

Taps and capacitors come first, since they cost least; switches only where those leave something
open, and then taps once more for the network as it is then. Every step of the way is an AC
power flow, and so is the result. The reason is written down even when nothing helps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from central.dso.assessment import Assessment, assess
from central.dso.expectation import Expectation
from central.dso.grid.model import Grid
from central.dso.limits import Limits, Margin, excess_total
from central.dso.powerflow import PowerFlow, Setting
from central.dso.remedies.stepped import devices, planned
from central.dso.remedies.switching import rearranged

Kind = Literal["tap", "capacitor", "switch"]
_KINDS: dict[str, Kind] = {"tap_pos": "tap", "capacitor_steps": "capacitor"}


@dataclass(frozen=True, slots=True)
class Move:
    """One device moved before a quarter; a switch is 0 open and 1 closed."""

    quarter: int
    kind: Kind
    device: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Own means for a day or the next hours.

    Args:
        before, after: the assessments without and with the moves.
        moves: in order of time.
        excess_before_pu, excess_after_pu: summed over situations and elements.
        reason: in one sentence for the operator, also when nothing is moved.
    """

    before: Assessment
    after: Assessment
    moves: tuple[Move, ...]
    excess_before_pu: float
    excess_after_pu: float
    reason: str

    @property
    def setting(self) -> Setting:
        """Return how the network is run."""
        return self.after.setting


def plan_own_means(
    power_flow: PowerFlow,
    expectation: Expectation,
    *,
    setting: Setting,
    margin: Margin,
    may_switch: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Return the moves after which the least is beyond its limits.

    Args:
        power_flow: of the grid.
        expectation: what is drawn.
        setting: how the network is run now: taps and switches start there.
        margin: kept free of every limit.
        may_switch: whether the network may be fed another way.
        progress: told the device that is being tried.

    Raises:
        NotConverged: there is no power flow with the setting given.
    """
    grid, limits = power_flow.grid, Limits.of(power_flow.grid, margin)
    before = assess(power_flow, expectation, setting=setting, margin=margin)
    if before.holds:
        return Plan(before, before, (), 0.0, 0.0, "every limit holds: nothing is moved")
    stepped = planned(power_flow, expectation, limits, setting, progress=progress)
    after = assess(power_flow, expectation, setting=stepped, margin=margin)
    if may_switch and not after.holds:
        progress("switches")
        after = _switched(power_flow, expectation, setting, limits, after)
    found = tuple(_moves(grid, setting, after.setting, expectation.quarters))
    return Plan(
        before,
        after,
        found,
        _excess_pu(before, limits),
        _excess_pu(after, limits),
        _reason(before, after, found),
    )


def _excess_pu(assessed: Assessment, limits: Limits) -> float:
    return float(excess_total(assessed.flow, limits).sum())


def _switched(
    power_flow: PowerFlow,
    expectation: Expectation,
    setting: Setting,
    limits: Limits,
    stepped: Assessment,
) -> Assessment:
    """Return the better of the stepped setting and one in which the network is fed otherwise."""
    other, exchanges = rearranged(power_flow, expectation, limits, stepped.setting)
    if not exchanges:
        return stepped
    start = replace(setting, closed=other.closed)
    both = planned(power_flow, expectation, limits, start)
    found = assess(power_flow, expectation, setting=both, margin=stepped.margin)
    return min(stepped, found, key=lambda each: _excess_pu(each, limits))


def _moves(grid: Grid, before: Setting, after: Setting, quarters: int) -> Iterator[Move]:
    """Yield what differs from the state before, and then from quarter to quarter."""
    was_closed = grid.closed if before.closed is None else before.closed
    if after.closed is not None and after.closed.ndim == 1 and was_closed.ndim == 1:
        # Closed before opened: in between there is a ring, and nobody is without power.
        for branch in sorted(
            np.flatnonzero(after.closed != was_closed), key=was_closed.__getitem__
        ):
            states = int(was_closed[branch]), int(after.closed[branch])
            yield Move(0, "switch", grid.branches[branch].name, *states)
    built = {"tap_pos": grid.tap_pos, "capacitor_steps": grid.capacitor_steps}
    for quarter in range(quarters):
        for device in devices(grid):
            given = getattr(before, device.field)
            start = built[device.field] if given is None else np.atleast_2d(given)[0]
            path = getattr(after, device.field)
            last = start if quarter == 0 else path[quarter - 1]
            positions = int(last[device.column]), int(path[quarter, device.column])
            if positions[0] != positions[1]:
                yield Move(quarter, _KINDS[device.field], device.name, *positions)


def _reason(before: Assessment, after: Assessment, moves: tuple[Move, ...]) -> str:
    first, left = len(before.congestions), len(after.congestions)
    if not moves:
        return f"no tap, capacitor or switch helps against {first} violations"
    devices = sorted({move.device for move in moves})
    by, s = ", ".join(devices), "s" if len(devices) == 1 else ""
    if not left:
        return f"{by} cure{s} all {first} violations"
    return f"{by} bring{s} {first} violations down to {left}; the rest needs flexibility"
