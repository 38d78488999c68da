"""The TSO's part of a session: its need from its limits and I-12, requests, orders, and a check.

```
 I-12 before ──► need ──► requests (I-06) ──► market ──► outcome (I-08) ──► orders (I-09)
 own limits ─────┘                                        I-12 after ──► breaches, if any are left
```

The least power, up or down, at the substations that brings every line within its limit, quarter by
quarter; it never worsens another line, for all of them stand in the same linear programme.
"""

import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from central.documents.elements import Bound
from central.documents.header import (
    Buyer,
    Direction,
    Envelope,
    Horizon,
    QuarterPower,
    Reference,
)
from central.documents.order import FlexOrder, OrderedOffer
from central.documents.outcome import AwardKind, MarketOutcome, Stage
from central.documents.request import FlexRequest, RequestedQuarter
from central.documents.substation import ProfileStage, SubstationProfile
from central.tso.transmission import Transmission
from ledger.errors import InvariantBroken, Rejected
from ledger.facts.interval import QUARTER_MS, Interval

Floats = NDArray[np.float64]

NAMESPACE = uuid.UUID("b6f0c1b8-7c43-5c1b-a6a5-0b6a4b1f1e29")
"""Where the names of the TSO's documents live (RFC 9562, version 5)."""
_LEAST_W = 1e-3
_DEAR = 1e3  # a megawatt that takes less than a kilowatt off a line is not worth asking for
_MW = 1e6
_SIGN = {Direction.UP: 1.0, Direction.DOWN: -1.0}


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """A line above its limit in a quarter-hour, and by how much [W]."""

    start_ms: int
    line: str
    excess_w: float


@dataclass(frozen=True, slots=True)
class Need:
    """What the TSO needs.

    Args:
        substations: by name.
        start_ms: the quarters that every profile knows.
        power_w: needed at each substation [W], positive UP, shape (substations, quarters).
        breaches: what is forecast without it.
        left: what no power at these substations can help.
        unknown_ms: quarters that a profile does not know: nothing is asked for there.
        confidence_permille: of the profiles, the least.
    """

    substations: tuple[str, ...]
    start_ms: tuple[int, ...]
    power_w: Floats
    breaches: tuple[Breach, ...]
    left: tuple[Breach, ...]
    unknown_ms: tuple[int, ...]
    confidence_permille: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """For which session the TSO asks, and on which terms."""

    session: str
    horizon: Horizon
    interval: Interval
    expires_ms: int
    maximum_price_ueur_per_mwh: int
    reliability_permille: int = 950


def need(grid: Transmission, profiles: Sequence[SubstationProfile], interval: Interval) -> Need:
    """Return what brings the TSO's lines within their limits.

    Args:
        grid: with the limits.
        profiles: of the primary substations before the TSO asks (I-12), one of each.
        interval: that is asked for.

    Raises:
        Rejected: `wrong_stage`, `profile_twice` or `unknown_substation`.
    """
    names, taken_w, starts, unknown = _taken_w(profiles, ProfileStage.BEFORE_TSO_REQUEST, interval)
    flow_w = grid.flows_w(starts, dict(zip(names, taken_w, strict=True)))
    factors = grid.of_substations(names)
    power_w, left_w = np.zeros_like(taken_w), np.zeros_like(flow_w)
    for at in np.flatnonzero((_excess_w(grid, flow_w) > _LEAST_W).any(axis=0)):
        power_w[:, at], left_w[:, at] = _least(factors, flow_w[:, at], grid.limit_w)
    return Need(
        names, starts, power_w, _breaches(grid, starts, _excess_w(grid, flow_w)),
        _breaches(grid, starts, left_w), unknown,
        min((each.confidence_permille for each in profiles), default=0),
    )  # fmt: skip


def requests(
    needed: Need, asking: Asking, envelope: Callable[[str], Envelope]
) -> tuple[FlexRequest, ...]:
    """Return what the TSO asks for (I-06), by substation and direction; nothing, if nothing."""
    made = []
    for row, substation in enumerate(needed.substations):
        for direction, sign in _SIGN.items():
            asked_w = sign * needed.power_w[row]
            quarters = tuple(
                RequestedQuarter(start_ms=needed.start_ms[at], power_w=math.ceil(asked_w[at]))
                for at in np.flatnonzero(asked_w > _LEAST_W).tolist()
            )
            if quarters:
                mrid = _mrid(asking.session, substation, direction)
                made.append(
                    FlexRequest(
                        **envelope(mrid).header(asking.interval),
                        session=asking.session,
                        horizon=asking.horizon,
                        expires_ms=asking.expires_ms,
                        buyer=Buyer.TSO,
                        primary_substation=substation,
                        direction=direction,
                        reason=Bound.LINE,
                        quarters=quarters,
                        elements=(),
                        violations=(),
                        nodes=(),
                        sensitivities=(),
                        maximum_price_ueur_per_mwh=asking.maximum_price_ueur_per_mwh,
                        reliability_permille=asking.reliability_permille,
                        confidence_permille=needed.confidence_permille,
                        unsolved=(),
                    )
                )
    return tuple(made)


def orders(
    outcome: MarketOutcome, expires_ms: int, envelope: Callable[[str], Envelope]
) -> tuple[FlexOrder, ...]:
    """Return the orders (I-09) for what the TSO won for sure, one for each direction.

    Raises:
        Rejected: `not_final`: the list is still to be validated.
    """
    if outcome.stage is not Stage.FINAL:
        raise Rejected(
            "it is preliminary", where="$.stage", remedy="wait for the final outcome",
            reason="not_final",
        )  # fmt: skip
    won: dict[Direction, dict[Reference, list[QuarterPower]]] = {}
    for award in outcome.awards:
        if award.buyer is Buyer.TSO and award.kind is AwardKind.FIRM:
            won.setdefault(award.direction, {}).setdefault(award.offer, []).extend(
                QuarterPower(start_ms=each.start_ms, power_w=each.power_w)
                for each in award.quarters
            )
    named = Reference(mrid=outcome.mrid, revision=outcome.revision)
    return tuple(
        FlexOrder(
            **envelope(_mrid(outcome.session, "order", direction)).header(outcome.validity),
            session=outcome.session,
            outcome=named,
            buyer=Buyer.TSO,
            direction=direction,
            reason=Bound.LINE,
            orders=_ordered(won[direction]),
            expires_ms=expires_ms,
        )
        for direction in Direction
        if direction in won
    )


def breaches(
    grid: Transmission, profiles: Sequence[SubstationProfile], interval: Interval
) -> tuple[Breach, ...]:
    """Return which limits are broken with the market's outcome in the profiles; none: all kept.

    Args:
        grid: with the limits.
        profiles: of the primary substations after the validation (I-12), one of each.
        interval: that is checked.

    Raises:
        Rejected: `wrong_stage`, `profile_twice`, `unknown_substation`, or `quarters_missing`:
            it cannot be told of every quarter.
    """
    names, taken_w, starts, unknown = _taken_w(profiles, ProfileStage.AFTER_VALIDATION, interval)
    if unknown:
        raise Rejected(
            f"{len(unknown)} quarter-hours are not in every profile", where="$.transformers",
            remedy="ask the DSO for them", reason="quarters_missing",
        )  # fmt: skip
    flow_w = grid.flows_w(starts, dict(zip(names, taken_w, strict=True)))
    return _breaches(grid, starts, _excess_w(grid, flow_w))


def _least(factors: Floats, flow_w: Floats, limit_w: Floats) -> tuple[Floats, Floats]:
    """Return the least power at substations [W, UP positive], and the excess left in lines [W].

    What is given up at a substation (UP) adds `factors` to the flows. Figures in MW inside.
    """
    lines, substations = factors.shape
    cost = [1.0] * (2 * substations) + [_DEAR] * lines
    moves = np.hstack([factors, -factors])
    give = -np.eye(lines)
    found = linprog(
        cost, A_ub=np.block([[moves, give], [-moves, give]]),
        b_ub=np.concatenate([limit_w - flow_w, limit_w + flow_w]) / _MW, method="highs-ds",
    )  # fmt: skip
    if found.status != 0:
        raise InvariantBroken(f"the TSO's need was not found: {found.message}")
    up_w, down_w, left_w = np.split(found.x * _MW, [substations, 2 * substations])
    return up_w - down_w, left_w


def _taken_w(
    profiles: Sequence[SubstationProfile], stage: ProfileStage, interval: Interval
) -> tuple[tuple[str, ...], Floats, tuple[int, ...], tuple[int, ...]]:
    """Return substations, what they take [W], the quarters all know, and the others."""
    of: dict[str, dict[int, int]] = {}
    for profile in sorted(profiles, key=lambda each: each.primary_substation):
        name = profile.primary_substation
        if profile.stage is not stage:
            _refuse("$.stage", f"{name} tells {profile.stage}, not {stage}", "wrong_stage")
        if name in of:
            _refuse("$.primary_substation", f"{name} has two profiles", "profile_twice")
        of[name] = _summed(profile)
    quarters = range(interval.start_ms, interval.end_ms, QUARTER_MS)
    known = tuple(ms for ms in quarters if all(ms in told for told in of.values()))
    unknown = tuple(sorted(set(quarters) - set(known)))
    taken_w = np.array([[told[ms] for ms in known] for told in of.values()], dtype=np.float64)
    return tuple(of), taken_w.reshape(len(of), len(known)), known, unknown


def _summed(profile: SubstationProfile) -> dict[int, int]:
    """Return what a substation takes in each quarter that all its transformers know [W]."""
    summed_w: dict[int, int] = {}
    counted: dict[int, int] = {}
    for each in profile.transformers:
        summed_w[each.start_ms] = summed_w.get(each.start_ms, 0) + each.power_w
        counted[each.start_ms] = counted.get(each.start_ms, 0) + 1
    all_of_them = len({each.transformer for each in profile.transformers})
    return {ms: power_w for ms, power_w in summed_w.items() if counted[ms] == all_of_them}


def _excess_w(grid: Transmission, flow_w: Floats) -> Floats:
    excess_w: Floats = np.abs(flow_w) - grid.limit_w[:, None]
    return excess_w


def _breaches(grid: Transmission, starts: Sequence[int], excess_w: Floats) -> tuple[Breach, ...]:
    rows, columns = np.nonzero(excess_w > _LEAST_W)
    return tuple(
        sorted(
            Breach(starts[at], grid.lines[row].name, float(excess_w[row, at]))
            for row, at in zip(rows.tolist(), columns.tolist(), strict=True)
        )
    )


def _ordered(won: Mapping[Reference, Iterable[QuarterPower]]) -> tuple[OrderedOffer, ...]:
    return tuple(
        OrderedOffer(offer=offer, quarters=tuple(sorted(won[offer], key=lambda q: q.start_ms)))
        for offer in sorted(won)
    )


def _mrid(session: str, what: str, direction: Direction) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{session}|{what}|{direction}"))


def _refuse(where: str, what: str, reason: str) -> None:
    raise Rejected(what, where=where, remedy="send the right profile", reason=reason)
