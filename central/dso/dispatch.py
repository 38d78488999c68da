"""Dispatch (AC-3a): orders for won offers become a set-point for each point of delivery.

```
 baseline        ────────────────────────────
 order, UP             ▼▼▼▼▼▼▼▼
 set-point       ·     ─────────              target: baseline less what was ordered
 rebound                        ░░░░░░        envelope: at most the baseline and what comes back
```

What is sent is checked as the market's list was: every quarter by AC power flow, with offers
that do not deliver and with what comes back. Where a contract has no room or a limit would break,
less is dispatched, and what stands against the rest is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from central.dso.delivering import Rebound, Taken, coming_back_w
from central.dso.expectation import Expectation
from central.dso.grid.model import Floats, Grid
from central.dso.limits import Limits
from central.dso.powerflow import AS_BUILT, PowerFlow, Setting
from central.dso.validation import Cut, validate
from ledger.errors import Rejected
from ledger.facts.interval import Interval

_LEAST_W = 0.5


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is ordered of one won offer.

    Args:
        offer: its mrid.
        order: mrid of the order.
        pod: who moves.
        is_up: less taken or more given; else the reverse.
        power_w: 0 or more, shape (quarters).
        rebound: what comes back.
    """

    offer: str
    order: str
    pod: str
    is_up: bool
    power_w: Floats
    rebound: Rebound


@dataclass(frozen=True, slots=True)
class DispatchedSetPoint:
    """What one POD is to do in an interval, load convention.

    Args:
        pod: who.
        interval: when.
        target_w: power wished for; None where only the envelope binds.
        least_w, most_w: the envelope.
        difference_w: target less baseline; 0 where there is none.
        offer, order: what it stems from.
    """

    pod: str
    interval: Interval
    target_w: float | None
    least_w: float
    most_w: float
    difference_w: float
    offer: str
    order: str


@dataclass(frozen=True, slots=True)
class BeyondContract:
    """What of an order the contract of its POD leaves no room for, in a quarter.

    Args:
        offer: position in the orders.
        quarter: number of the quarter.
        offered_w, accepted_w: what is ordered, and what of it the contract leaves room for.
    """

    offer: int
    quarter: int
    offered_w: float
    accepted_w: float


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Set-points by POD and time, and what of the orders could not be dispatched.

    Args:
        set_points: by POD and time.
        beyond: what contracts leave no room for: the grid is not asked to bear it.
        cuts: what of the rest the grid cannot bear.
    """

    set_points: tuple[DispatchedSetPoint, ...]
    beyond: tuple[BeyondContract, ...]
    cuts: tuple[Cut, ...]

    @property
    def is_whole(self) -> bool:
        """Tell whether all that was ordered is dispatched."""
        return not (self.beyond or self.cuts)


def dispatch(
    power_flow: PowerFlow,
    expectation: Expectation,
    orders: Sequence[Ordered],
    baseline_w: Floats,
    limits: Limits,
    *,
    setting: Setting = AS_BUILT,
) -> Dispatch:
    """Return the set-points that carry orders out.

    Args:
        power_flow: of the grid.
        expectation: what is drawn; its mean is checked.
        orders: resolved to won offers; a POD moves for one of them at a time.
        baseline_w: the frozen baseline of each order's POD (I-03), shape (orders, quarters).
        limits: what is to be kept.
        setting: one for all quarters, or one row for each.

    Raises:
        Rejected: `sold_twice`: a POD is in two orders in one quarter; `unknown_pod`,
            `bad_power`, `bad_shape`.
        NotConverged: a quarter has no power flow without any order.
    """
    grid = power_flow.grid
    taken = taken_orders(grid, orders, baseline_w)
    found = validate(power_flow, expectation.drawn_va[0], taken, limits, setting=setting)
    points = [
        point
        for row, each in enumerate(orders)
        for point in _points(grid, expectation, each, found.accepted_w[row], baseline_w[row])
    ]
    return Dispatch(
        tuple(sorted(points, key=lambda one: (one.pod, one.interval.start_ms))),
        tuple(_beyond(orders, taken)),
        found.cuts,
    )


def taken_orders(grid: Grid, orders: Sequence[Ordered], baseline_w: Floats) -> Taken:
    """Return orders as the validation takes them, as far as contracts leave room for them.

    Args:
        grid: tells where a POD is, and its contract.
        orders: resolved to won offers.
        baseline_w: of each order's POD, shape (orders, quarters).

    Raises:
        Rejected: `sold_twice`, `unknown_pod`, `bad_power`, `bad_shape`.
    """
    _refuse_twice(orders)
    possible_w = [_within_contract_w(grid, *each) for each in zip(orders, baseline_w, strict=True)]
    return Taken.of(
        grid,
        [each.offer for each in orders],
        [each.pod for each in orders],
        is_up=np.array([each.is_up for each in orders], dtype=bool),
        power_w=np.array(possible_w).reshape(baseline_w.shape),
        rebounds=[each.rebound for each in orders],
    )


def _refuse_twice(orders: Sequence[Ordered]) -> None:
    """Refuse two orders that would move one POD in the same quarter, or into what comes back."""
    moved: dict[str, Floats] = {}
    for each in orders:
        moving_w = each.power_w + coming_back_w(each.rebound, each.power_w)
        before_w = moved.get(each.pod, np.zeros_like(moving_w))
        if np.any((before_w >= _LEAST_W) & (moving_w >= _LEAST_W)):
            raise Rejected(
                f"{each.pod} is ordered twice",
                where=f"order {each.order}, offer {each.offer}",
                remedy="a POD moves for one offer at a time",
                reason="sold_twice",
            )
        moved[each.pod] = before_w + moving_w


def _within_contract_w(grid: Grid, order: Ordered, baseline_w: Floats) -> Floats:
    """Return what of an order the contract leaves room for [W], shape (quarters)."""
    contract_w = float(grid.connections[grid.pod(order.pod)].contract_w)
    room_w = contract_w + (baseline_w if order.is_up else -baseline_w)
    possible_w: Floats = np.minimum(order.power_w, np.maximum(room_w, 0.0))
    return possible_w


def _beyond(orders: Sequence[Ordered], taken: Taken) -> Iterator[BeyondContract]:
    """Yield what of the orders is not in what is taken of them, since no contract has room."""
    ordered_w = np.array([each.power_w for each in orders]).reshape(taken.power_w.shape)
    for row, quarter in np.argwhere(taken.power_w < ordered_w).tolist():
        possible_w = float(taken.power_w[row, quarter])
        yield BeyondContract(row, quarter, float(ordered_w[row, quarter]), possible_w)


def _points(
    grid: Grid, expectation: Expectation, order: Ordered, accepted_w: Floats, baseline_w: Floats
) -> Iterator[DispatchedSetPoint]:
    """Yield the set-points of one order, alike quarters in a row as one."""
    sign = -1.0 if order.is_up else 1.0
    contract_w = float(grid.connections[grid.pod(order.pod)].contract_w)
    active = accepted_w >= _LEAST_W
    back_w = np.where(active, 0.0, -sign * coming_back_w(order.rebound, accepted_w))
    rows: list[tuple[int, tuple[float | None, float, float, float]]] = []
    for quarter in range(len(accepted_w)):
        if active[quarter]:
            difference_w = sign * float(accepted_w[quarter])
            target_w = float(baseline_w[quarter]) + difference_w
            # UP binds from above, DOWN from below; the other side is the contract.
            envelope = (-contract_w, target_w) if order.is_up else (target_w, contract_w)
            rows.append((quarter, (target_w, *envelope, difference_w)))
        elif abs(back_w[quarter]) >= _LEAST_W:
            bound_w = float(np.clip(baseline_w[quarter] + back_w[quarter], -contract_w, contract_w))
            envelope = (-contract_w, bound_w) if order.is_up else (bound_w, contract_w)
            rows.append((quarter, (None, *envelope, 0.0)))
    for _, run in groupby(enumerate(rows), key=lambda row: (row[1][0] - row[0], row[1][1])):
        alike = [row for _, row in run]
        target, least_w, most_w, difference_w = alike[0][1]
        interval = Interval(
            expectation.interval_of(alike[0][0]).start_ms,
            expectation.interval_of(alike[-1][0]).end_ms,
        )
        yield DispatchedSetPoint(
            order.pod, interval, target, least_w, most_w, difference_w, order.offer, order.order
        )
