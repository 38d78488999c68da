"""The cheapest day of a stepped device: which position in each quarter, with few moves.

Dynamic programming over position and moves left. What a position costs in a quarter is given;
each step from one position to the next costs a move:

```
 quarter      0     1     2     3
 position     0 ──► 0 ──► 2 ──► 2        two moves, at the border of quarters 1 and 2
```

Source: Bellman, Dynamic Programming (1957), chapter III; as for the daily schedule of tap
changers in Lu and Hsu, IEEE Trans. Power Delivery 10 (1995), 1397-1403.
"""

from dataclasses import dataclass

import numpy as np

from central.dso.grid.model import Floats, Integers


@dataclass(frozen=True, slots=True)
class Moves:
    """What moving costs, and how many moves the day allows; a move is one step."""

    cost_eur: float
    most: int


def cheapest_path(position_eur: Floats, moves: Moves, *, first: int) -> Integers:
    """Return the position of each quarter, an index into the columns of `position_eur`.

    Args:
        position_eur: cost of being at each position in each quarter, shape (quarters, positions);
            inf where the device cannot be.
        moves: cost and limit of moves.
        first: position before the first quarter; moving away from it counts.

    Of several equally cheap days the one that moves later is taken.
    """
    quarters, positions = position_eur.shape
    # cost[used, p]: the cheapest way to stand at p having made exactly so many moves.
    cost = np.full((moves.most + 1, positions), np.inf)
    cost[0, first] = 0.0
    origin = np.zeros((quarters, moves.most + 1, positions), dtype=np.int64)
    for quarter in range(quarters):
        cost, origin[quarter] = _moved(cost, moves.cost_eur)
        cost += position_eur[quarter]
    return _traced(cost, origin)


def _moved(cost: Floats, move_eur: float) -> tuple[Floats, Integers]:
    """Return the cost after moving or staying, and from which position each was reached."""
    rows, positions = cost.shape
    best, source = cost.copy(), np.tile(np.arange(positions), (rows, 1))
    for shift in sorted(range(1 - positions, positions), key=abs)[1:]:
        distance = abs(shift)
        if distance >= rows:
            break
        arriving = np.full_like(cost, np.inf)
        reached = slice(max(0, shift), positions + min(0, shift))
        left = slice(max(0, -shift), positions - max(0, shift))
        arriving[distance:, reached] = cost[:-distance, left] + distance * move_eur
        better = arriving < best
        best[better] = arriving[better]
        source[better] = np.broadcast_to(np.arange(positions) - shift, cost.shape)[better]
    return best, source


def _traced(cost: Floats, origin: Integers) -> Integers:
    """Return the path that ends cheapest, followed back quarter by quarter."""
    used, at = (int(index) for index in np.unravel_index(int(np.argmin(cost)), cost.shape))
    path = np.zeros(len(origin), dtype=np.int64)
    for quarter in range(len(origin) - 1, -1, -1):
        path[quarter] = at
        before = int(origin[quarter, used, at])
        used, at = used - abs(at - before), before
    return path
