"""How far devices of one kind may be moved, and how far they can: arrays, a row for each device.

Whatever subset of the quarters is activated, and with whatever share, within `longest`, `rest`
and `calls`: a movement told here can be delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from central.aggregator.history import Booleans, Floats, Integers
from central.documents.header import FULL_PERMILLE, Direction

QUARTERS_PER_HOUR = 4
UNLIMITED = 1 << 20
"""More quarters, and more calls, than any interval has."""


@dataclass(frozen=True, slots=True)
class Leeway:
    """How far devices of one kind may be moved.

    Args:
        take_w: how much more each may take, by its part of what baseline and contract leave, 0 or
            more, shape (devices, quarters).
        give_w: how much less it may take, or more give, likewise.
        running_w: what surely runs at its customer beyond the standing load, same shape.
        up_w, down_w: what its owner allows (I-13), same shape.
        longest: longest activation that its owner allows [quarters], shape (devices).
        rest: least rest that its owner wants [quarters], shape (devices).
        calls: activations that its owner allows, shape (devices).
    """

    take_w: Floats
    give_w: Floats
    running_w: Floats
    up_w: Floats
    down_w: Floats
    longest: Integers
    rest: Integers
    calls: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One way in which devices of one kind can be moved, in one direction.

    Args:
        name: tells several ways of one device apart; empty for the usual one.
        direction: UP is less taken or more given.
        power_w: the most in each quarter, 0 or more, shape (devices, quarters).
        least_w: the least that can be moved at all, shape (devices).
        is_whole: moved by all of `power_w` or not at all.
        in_one_piece: all quarters in the same share.
        longest: longest activation [quarters], shape (devices).
        rest: least rest between two [quarters], shape (devices).
        calls: activations in the interval, shape (devices).
        back_permille: share of the energy that comes back the other way, shape (devices).
        delay, duration: when it comes back after the end of an activation, and over how many
            quarters, evenly; shape (devices).
    """

    name: str = ""
    direction: Direction
    power_w: Floats
    least_w: Floats
    is_whole: bool = False
    in_one_piece: bool = False
    longest: Integers
    rest: Integers
    calls: Integers
    back_permille: Integers
    delay: Integers
    duration: Integers

    def fitted(self, leeway: Leeway) -> "Movement":
        """Return it with powers cut so that all that comes back finds room when it does."""
        room_w = leeway.take_w if self.direction is Direction.UP else leeway.give_w
        rest = np.where(self.back_permille > 0, self.delay + self.duration, 0)
        active = np.maximum(self.longest, 1)
        # All of the longest activation's energy, spread over the time in which it comes back.
        factor = active * self.back_permille / FULL_PERMILLE / np.maximum(self.duration, 1)
        ahead_w = least_ahead(room_w, 1 + self.delay, active + self.duration - 1)
        most_w = np.full(self.power_w.shape, np.inf)
        back = factor > 0
        most_w[back] = ahead_w[back] / factor[back, None]
        power_w = np.where((self.longest > 0)[:, None], np.minimum(self.power_w, most_w), 0.0)
        return replace(self, power_w=power_w, rest=np.maximum(np.maximum(self.rest, rest), 0))


def least_ahead(values: Floats, first: Integers, length: Integers) -> Floats:
    """Return the least of each row's values in a window ahead, shape (rows, quarters).

    The window of quarter q begins at q + first and is `length` long, 1 or more; after the last
    quarter, its value goes on. By doubling: each pass knows the least of twice as many.
    """
    if not values.size:
        return values.copy()
    quarters, reach = values.shape[1], int((first + length).max())
    table = np.pad(values, ((0, 0), (0, reach)), mode="edge")
    begin = np.arange(quarters) + first[:, None]
    end = begin + length[:, None]
    level = np.log2(length).astype(np.int64)
    least = np.empty_like(values)
    for passed in range(int(level.max()) + 1):
        rows, size = level == passed, 1 << passed
        least[rows] = np.minimum(
            np.take_along_axis(table[rows], begin[rows], axis=1),
            np.take_along_axis(table[rows], end[rows] - size, axis=1),
        )
        table = np.minimum(table[:, :-size], table[:, size:])
    return least


def best_piece(power_w: Floats, longest: Integers) -> Booleans:
    """Tell which quarters make the piece in a row, `longest` at most, that moves most energy."""
    quarters = power_w.shape[1]
    length = np.clip(longest, 0, quarters)
    sums = np.pad(np.cumsum(power_w, axis=1), ((0, 0), (1, 0)))
    begin = np.arange(quarters)
    end = np.minimum(begin + length[:, None], quarters)
    moved = np.take_along_axis(sums, end, axis=1) - sums[:, :-1]
    best = np.argmax(moved, axis=1)[:, None]
    piece: Booleans = (begin >= best) & (begin < best + length[:, None])
    return piece


def column(values: Sequence[int]) -> Floats:
    """Return figures of devices as a column, shape (devices, 1)."""
    return np.array(values, dtype=np.float64)[:, None]


def whole_quarters(length_s: int) -> int:
    """Return how many quarters a time fills, the last begun one counted."""
    return -(-length_s // 900)
