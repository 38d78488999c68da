"""A dispatch (AC-3a) as set-points (I-09): one for each POD and run of alike quarters.

```
 most_w    ──────┐                baseline  ··········
 target_w        └─────────       order UP: the target is the upper end
 least_w   ────────────────       the contract, the other way
```

Whole watts are rounded towards the baseline: what was checked is never exceeded. Where only
the envelope binds, because energy comes back, the baseline is wished for as far as it allows.

Interpretation of the specification: a set-point is addressed by its POD; who relays it knows
the light node that stands there.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from central.documents.header import Envelope, Reference
from central.documents.order import Failsafe, SetPoint, SetPointKind
from central.dso.dispatch import Dispatch, DispatchedSetPoint
from central.dso.grid.model import Grid
from central.dso.telling.orders import Resolved, reference_to
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

_EXACT_W = 1e-6  # a whole number that went through floats is still whole


@dataclass(frozen=True, slots=True)
class Silence:
    """What holds when nobody has been heard.

    Args:
        after_s: silence before it holds.
        floor_w: what may be drawn in any case, as far as the contract goes. 4.2 kW keeps a heat
            pump or the charging of a car alive.

    Source: Bundesnetzagentur, decision BK6-22-300 of 27 November 2023, Annex 1, 4.5 (floor).
    """

    after_s: int = 120
    floor_w: int = 4_200


def set_points(
    grid: Grid,
    found: Dispatch,
    resolved: Sequence[Resolved],
    *,
    envelope: Callable[[str], Envelope],
    silence: Silence,
    held: Mapping[str, Sequence[SetPoint]],
) -> tuple[SetPoint, ...]:
    """Return what the light nodes are told, by POD and time.

    Args:
        grid: that was dispatched.
        found: the dispatch.
        resolved: the orders that it carries out.
        envelope: returns the header for a receiver.
        silence: what holds when nobody is heard.
        held: set-points that each POD has been given before; numbers go on from the highest, and
            the newest that shares an instant is superseded.
    """
    rests_on = {(each.order.mrid, each.offer.mrid): each for each in resolved}
    numbers = {pod: max((each.sequence for each in given), default=-1)
               for pod, given in held.items()}  # fmt: skip
    made = []
    for point in found.set_points:
        basis = rests_on[point.order, point.offer]
        for interval, baseline in _alike(point.interval, basis):
            numbers[point.pod] = numbers.get(point.pod, -1) + 1
            told = _set_point(
                grid, replace(point, interval=interval), basis, baseline,
                header=envelope(point.pod).header(interval), silence=silence,
                sequence=numbers[point.pod], given=held.get(point.pod, ()),
            )  # fmt: skip
            made.append(told)
    return tuple(made)


def _alike(interval: Interval, basis: Resolved) -> Iterator[tuple[Interval, tuple[int, Reference]]]:
    """Yield the runs of quarters with one baseline."""
    starts_ms = range(interval.start_ms, interval.end_ms, QUARTER_MS)
    for baseline, run in groupby(starts_ms, key=basis.programme.__getitem__):
        alike = list(run)
        yield Interval(alike[0], alike[-1] + QUARTER_MS), baseline


def _set_point(
    grid: Grid,
    point: DispatchedSetPoint,
    basis: Resolved,
    baseline: tuple[int, Reference],
    *,
    header: Any,  # noqa: ANN401 -- spread into fields
    silence: Silence,
    sequence: int,
    given: Sequence[SetPoint],
) -> SetPoint:
    baseline_w, reference = baseline
    contract_w = math.floor(grid.connections[grid.pod(point.pod)].contract_w)
    is_up = basis.ordered.is_up
    if point.target_w is None:
        bound_w = math.floor(point.most_w) if is_up else math.ceil(point.least_w)
    else:
        moved_w = math.floor(abs(point.difference_w) + _EXACT_W)
        bound_w = baseline_w - moved_w if is_up else baseline_w + moved_w
    least_w = min(-contract_w, bound_w) if is_up else bound_w
    most_w = bound_w if is_up else max(contract_w, bound_w)
    target_w = bound_w if point.target_w is not None else min(max(baseline_w, least_w), most_w)
    return SetPoint(
        **header,
        pod=Pod(point.pod),
        kind=SetPointKind.ENVELOPE,
        target_w=target_w,
        least_w=least_w,
        most_w=most_w,
        difference_w=target_w - baseline_w,
        baseline=reference,
        outcome=basis.order.outcome,
        order=reference_to(basis.order),
        offer=reference_to(basis.offer),
        sequence=sequence,
        supersedes=_superseded(point.interval, given),
        not_before_ms=point.interval.start_ms,
        expires_ms=point.interval.end_ms,
        failsafe=_failsafe(least_w, most_w, contract_w, silence),
        reason=basis.order.reason,
    )


def _failsafe(least_w: int, most_w: int, contract_w: int, silence: Silence) -> Failsafe:
    """Return the envelope, wide enough for the floor, and so that nobody has to draw."""
    return Failsafe(
        least_w=min(least_w, 0),
        most_w=max(most_w, min(silence.floor_w, contract_w)),
        after_s=silence.after_s,
    )


def _superseded(interval: Interval, given: Sequence[SetPoint]) -> str | None:
    standing = [each for each in given if interval.overlaps(each.validity)]
    newest = max(standing, key=lambda one: one.sequence, default=None)
    return None if newest is None else newest.mrid
