"""Batteries: what is in them decides how long, and how often, they can be moved."""

from collections.abc import Iterator, Sequence

import numpy as np

from central.aggregator.devices.declared import Battery
from central.aggregator.devices.moving import (
    QUARTERS_PER_HOUR,
    Leeway,
    Movement,
    column,
)
from central.aggregator.history import Floats, Integers
from central.documents.header import FULL_PERMILLE, Direction

_BACK_TIMES = 2
"""It is filled, or emptied, again at half the power, over twice the time."""


def move_batteries(
    batteries: Sequence[Battery], leeway: Leeway, lasting: int = 1
) -> Iterator[Movement]:
    """Yield what batteries can give (UP) and take (DOWN), for `lasting` quarters at the least.

    All activations together find enough in the battery, or room in it, though nothing came back
    in between. What would not last so long at full power is offered at less. Half of the losses
    fall on the way in, half on the way out.
    """
    most_w = column([each.power_w for each in batteries])
    charge_wh = column([each.charge_wh for each in batteries])
    room_wh = column([each.capacity_wh for each in batteries]) - charge_wh
    efficiency = np.array([each.efficiency_permille for each in batteries], dtype=np.int64)
    one_way = np.sqrt(efficiency / FULL_PERMILLE)[:, None]
    yield _moved(
        Direction.UP,
        np.minimum(np.minimum(most_w, leeway.give_w), leeway.up_w),
        charge_wh * one_way,
        -(-(FULL_PERMILLE**2) // efficiency),
        leeway,
        lasting=lasting,
    )
    yield _moved(
        Direction.DOWN,
        np.minimum(np.minimum(most_w, leeway.take_w), leeway.down_w),
        room_wh / one_way,
        efficiency,
        leeway,
        lasting=lasting,
    )


def _moved(
    direction: Direction,
    power_w: Floats,
    energy_wh: Floats,
    back_permille: Integers,
    leeway: Leeway,
    *,
    lasting: int,
) -> Movement:
    """Return the movement that an energy at the meter [Wh], shape (devices, 1), allows."""
    power_w = np.minimum(power_w, energy_wh * QUARTERS_PER_HOUR / lasting)
    quarter_wh = power_w.max(axis=1, initial=0.0) / QUARTERS_PER_HOUR
    runs = np.floor(energy_wh[:, 0] / np.maximum(quarter_wh, 1e-9) + 1e-9).astype(np.int64)
    runs[quarter_wh <= 0] = 0
    longest = np.minimum(np.minimum(runs, power_w.shape[1]), leeway.longest)
    calls = np.minimum(runs // np.maximum(longest, 1), leeway.calls)
    return Movement(
        direction=direction,
        power_w=power_w,
        least_w=np.zeros(len(power_w)),
        longest=longest,
        rest=leeway.rest,
        calls=calls,
        back_permille=back_permille,
        delay=np.zeros_like(longest),
        duration=np.maximum(longest * _BACK_TIMES, 1),
    ).fitted(leeway)
