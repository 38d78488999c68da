"""Loads that run earlier or later: what runs can stop, what stands still can run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from central.aggregator.devices.declared import Load
from central.aggregator.devices.moving import (
    Leeway,
    Movement,
    best_piece,
    column,
    whole_quarters,
)
from central.aggregator.history import Floats
from central.documents.header import FULL_PERMILLE, Direction


def move_loads(loads: Sequence[Load], leeway: Leeway) -> Iterator[Movement]:
    """Yield what loads can run less (UP) and more (DOWN), alone and in one piece.

    A load's part of what surely runs can stop; the rest of its power can start.
    """
    most_w = column([each.power_w for each in loads])
    share = column([each.share_permille for each in loads]) / FULL_PERMILLE
    runs_w = np.minimum(most_w, leeway.running_w * share)
    pieces = np.array([each.in_one_piece for each in loads], dtype=np.bool_)
    for direction, power_w in (
        (Direction.UP, np.minimum(np.minimum(runs_w, leeway.give_w), leeway.up_w)),
        (Direction.DOWN, np.minimum(np.minimum(most_w - runs_w, leeway.take_w), leeway.down_w)),
    ):
        alone = _moved(direction, loads, np.where(pieces[:, None], 0.0, power_w), leeway)
        yield alone
        whole = _moved(direction, loads, np.where(pieces[:, None], power_w, 0.0), leeway)
        piece = best_piece(whole.power_w, whole.longest)
        yield replace(
            whole,
            power_w=np.where(piece, whole.power_w, 0.0),
            in_one_piece=True,
            calls=np.minimum(whole.calls, 1),
        )


def _moved(
    direction: Direction, loads: Sequence[Load], power_w: Floats, leeway: Leeway
) -> Movement:
    longest = np.array([each.longest_s // 900 for each in loads], dtype=np.int64)
    delays = [whole_quarters(each.rebound.delay_s) for each in loads]
    durations = [whole_quarters(each.rebound.duration_s) for each in loads]
    return Movement(
        direction=direction,
        power_w=power_w,
        least_w=np.zeros(len(loads)),
        longest=np.minimum(np.minimum(longest, power_w.shape[1]), leeway.longest),
        rest=leeway.rest,
        calls=leeway.calls,
        back_permille=np.array([each.rebound.share_permille for each in loads], dtype=np.int64),
        delay=np.array(delays, dtype=np.int64),
        duration=np.array(durations, dtype=np.int64),
    ).fitted(leeway)
