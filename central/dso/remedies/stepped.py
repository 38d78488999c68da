"""Taps and capacitors over a day: every position tried in every quarter, then the cheapest path.

Devices take turns, each planned with the others as they stand, until nothing gets better.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import numpy as np

from central.dso.expectation import Expectation, solved
from central.dso.grid.model import Floats, Grid, Integers
from central.dso.limits import Limits, excess_of
from central.dso.powerflow import PowerFlow, Setting
from central.dso.remedies.stepping import Moves, cheapest_path

# What a limit exceeded by 1 pu for a quarter is taken to cost; buying 0.01 pu off at the end of a
# street takes some kilowatts, which cost a few euros.
EXCESS_EUR_PER_PU = 1e3
# Own means must not break what held: buying that off may be dear, as at a bus bar, where it takes
# a megawatt.
_NEWLY_BROKEN = 100.0
_MOST_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Device:
    """A stepped device: which column of the setting it is, and what it can do."""

    name: str
    field: str
    column: int
    positions: Integers
    moves: Moves


def devices(grid: Grid) -> tuple[Device, ...]:
    """Return the tap changers and capacitors that the operator may move."""
    start = grid.spans["transformer"].start
    made: Any = grid.network.get("transformer", ())
    taps = [
        Device(
            grid.branches[means.branch].name,
            "tap_pos",
            means.branch - start,
            _range(made[means.branch - start]),
            Moves(means.cost_eur, means.most_moves),
        )
        for means in grid.taps
    ]
    capacitors = [
        Device(
            means.name,
            "capacitor_steps",
            column,
            np.arange(means.steps + 1),
            Moves(means.cost_eur, means.most_moves),
        )
        for column, means in enumerate(grid.capacitors)
    ]
    return (*taps, *capacitors)


def _range(transformer: Any) -> Integers:  # noqa: ANN401 -- a row of a structured array
    ends = sorted((int(transformer["tap_min"]), int(transformer["tap_max"])))
    return np.arange(ends[0], ends[1] + 1)


def planned(
    power_flow: PowerFlow,
    expectation: Expectation,
    limits: Limits,
    setting: Setting,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Setting:
    """Return the setting, quarter by quarter, in which the least is beyond its limits.

    A limit that held before and is broken by a move counts a hundredfold. Of settings that are
    equally good the one with the cheapest moves is taken: where nothing is beyond its limits
    nothing moves.
    """
    grid = power_flow.grid
    before = _dense(grid, setting, expectation.quarters)
    held = excess_of(solved(power_flow, expectation, before, partial=True), limits) <= 0
    weights = np.where(held, _NEWLY_BROKEN, 1.0)
    plan, settled, all_devices = before, 0, devices(grid)
    for device in islice(cycle(all_devices), _MOST_SWEEPS * len(all_devices)):
        if settled == len(all_devices):
            break
        progress(device.name)
        cost_eur = _costs_eur(power_flow, expectation, plan, device, limits=limits, weights=weights)
        start = getattr(before, device.field)[0, device.column]
        path = cheapest_path(
            cost_eur, device.moves, first=int(np.searchsorted(device.positions, start))
        )
        last, plan = plan, moved(plan, device, device.positions[path])
        # What a device costs depends on the others alone: when one moved, all but it are tried.
        settled = settled + 1 if _same(plan, last) else 1
    return plan


def moved(setting: Setting, device: Device, positions: Integers) -> Setting:
    """Return a dense setting with one device at these positions, one for each quarter."""
    values = getattr(setting, device.field).copy()
    values[:, device.column] = positions
    return replace(setting, **{device.field: values})


def _costs_eur(
    power_flow: PowerFlow,
    expectation: Expectation,
    setting: Setting,
    device: Device,
    *,
    limits: Limits,
    weights: Floats,
) -> Floats:
    """Return what each position would cost in each quarter, summed over scenarios."""
    scenarios, quarters = len(expectation.scenarios), expectation.quarters
    excess_pu = np.empty((quarters, len(device.positions)))
    for column, position in enumerate(device.positions):
        tried = moved(setting, device, np.full(quarters, position))
        flow = solved(power_flow, expectation, tried, partial=True)
        weighed_pu = (excess_of(flow, limits) * weights).sum(axis=1)
        excess_pu[:, column] = weighed_pu.reshape(scenarios, quarters).sum(axis=0)
    return excess_pu * EXCESS_EUR_PER_PU


def _same(one: Setting, other: Setting) -> bool:
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        for field in ("tap_pos", "capacitor_steps")
        if getattr(one, field) is not None
    )


def _dense(grid: Grid, setting: Setting, quarters: int) -> Setting:
    """Return a setting with taps and capacitors, where there are any, given for each quarter."""
    built = {"tap_pos": grid.tap_pos, "capacitor_steps": grid.capacitor_steps}
    dense: dict[str, Any] = {}
    for field, as_built in built.items():
        given = getattr(setting, field)
        values = as_built if given is None else given
        if values.shape[-1]:
            dense[field] = np.broadcast_to(values, (quarters, values.shape[-1])).copy()
    return replace(setting, **dense)
