"""Markets for tests: a feeder of nodes that help by so much, and who offers what there.

Elements are lines that a watt less at a node relieves by the node's effect, in nano-amperes, or
nodes whose voltage it raises, in nano-volts: the same figures for both. Powers are told in whole
kilowatts, prices in whole euro.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np

from central.documents.elements import BASE_CASE, Bound, GridElement, Side, Violation
from central.documents.header import Buyer, Direction, Horizon
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep
from central.documents.request import FlexRequest, RequestedQuarter, Sensitivity
from central.market.book import Book
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

START_MS = 1_792_879_200_000
SESSION = "day-ahead 2026-10-25"
SUBSTATION = "CP Roma Nord"
KW = 1_000
EUR = 1_000_000
FULL_NANO = 1_000_000
"""The effect of the node that helps most: 1 mA or 1 mV for a watt."""


def mrid(number: int) -> str:
    """Return an mRID that says which one it is."""
    return str(UUID(int=number))


def pod(number: int) -> Pod:
    """Return a point of delivery."""
    return Pod(f"IT002E{number:08}")


def start_ms(quarter: int) -> int:
    """Return when a quarter of the market's day begins."""
    return START_MS + quarter * QUARTER_MS


def day(quarters: int) -> Interval:
    """Return a market day of so many quarters."""
    return Interval(START_MS, start_ms(quarters))


def curve(*steps: tuple[int, float]) -> tuple[PriceStep, ...]:
    """Return a price curve of ends [kW] and prices [EUR/MWh]."""
    return tuple(
        PriceStep(up_to_w=kw * KW, price_ueur_per_mwh=round(eur * EUR)) for kw, eur in steps
    )


def offer(
    number: int,
    powers_kw: Mapping[int, int],
    eur_per_mwh: float = 100.0,
    *,
    least_kw: int = 0,
    of: int | None = None,
    direction: Direction = Direction.UP,
    quarters: int = 4,
    **other: Any,  # noqa: ANN401 -- fields of the document
) -> FlexOffer:
    """Return an offer of so much in each quarter, at one price; `of` is the number of its POD."""
    offered = tuple(
        OfferedQuarter(
            start_ms=start_ms(quarter),
            minimum_w=least_kw * KW,
            steps=curve((power_kw, eur_per_mwh)),
        )
        for quarter, power_kw in sorted(powers_kw.items())
    )
    fields: dict[str, Any] = {
        "mrid": mrid(number), "revision": 1, "created_ms": START_MS - 90_000_000 + number,
        "sender": "aggregator-1", "receiver": "market", "validity": day(quarters),
        "session": SESSION, "gate_closure_ms": START_MS - 50_000_000,
        "expires_ms": day(quarters).end_ms, "pod": pod(number if of is None else of),
        "direction": direction, "acceptance": Acceptance.PER_QUARTER, "quarters": offered,
        "linked_to": None, "exclusive_group": None, "longest_s": None, "rest_s": None,
        "call_count": None, "rebound": None,
    }  # fmt: skip
    return FlexOffer(**fields | other)


def request(
    number: int,
    needs_kw: Mapping[tuple[int, int], int],
    effects: Sequence[Mapping[str, float]],
    *,
    bounds: Sequence[Bound] = (),
    direction: Direction = Direction.UP,
    buyer: Buyer = Buyer.DSO,
    quarters: int = 4,
    watched: Sequence[tuple[int, int]] = (),
    most_eur_per_mwh: float = 1_000.0,
    **other: Any,  # noqa: ANN401 -- fields of the document
) -> FlexRequest:
    """Return a request.

    Args:
        number: of the document.
        needs_kw: what is missing on an element in a quarter, told at a node of full effect.
        effects: of each element, what each node's relief is beside that, -1 … 1.
        bounds: of each element; lines if nothing is said.
        direction: what is asked for.
        buyer: who asks.
        quarters: of the day.
        watched: elements and quarters that are told although nothing is missing there.
        most_eur_per_mwh: its maximum price.
        other: fields of the document.
    """
    nodes = tuple(dict.fromkeys(name for each in effects for name in each))
    kinds = tuple(bounds) or (Bound.LINE,) * len(effects)
    sums_kw: dict[int, int] = {}
    for (_, quarter), power_kw in needs_kw.items():
        sums_kw[quarter] = max(sums_kw.get(quarter, 0), power_kw)
    told = sorted({*needs_kw, *watched})
    fields: dict[str, Any] = {
        "mrid": mrid(number), "revision": 1, "created_ms": START_MS - 95_000_000 + number,
        "sender": buyer.value, "receiver": "market", "validity": day(quarters),
        "session": SESSION, "horizon": Horizon.DAY_AHEAD, "expires_ms": day(quarters).end_ms,
        "buyer": buyer, "primary_substation": SUBSTATION, "direction": direction,
        "reason": kinds[0] if kinds else Bound.TRANSFORMER,
        "quarters": tuple(
            RequestedQuarter(start_ms=start_ms(quarter), power_w=power_kw * KW)
            for quarter, power_kw in sorted(sums_kw.items())
        ),
        "elements": tuple(element(place, bound) for place, bound in enumerate(kinds)),
        "violations": tuple(
            Violation(position=place, start_ms=start_ms(quarter), scenario=BASE_CASE,
                      excess_milli=power_kw * KW * FULL_NANO // 1_000_000, cause="load")
            for (place, quarter), power_kw in sorted(needs_kw.items())
        ),
        "nodes": nodes,
        "sensitivities": tuple(
            Sensitivity(
                position=place, start_ms=start_ms(quarter),
                p_nano_per_w=tuple(
                    round(rising(kinds[place]) * effects[place].get(name, 0.0) * FULL_NANO)
                    for name in nodes
                ),
                q_nano_per_var=(0,) * len(nodes),
            )
            for place, quarter in told
        ),
        "maximum_price_ueur_per_mwh": round(most_eur_per_mwh * EUR),
        "reliability_permille": 900, "confidence_permille": 950, "unsolved": (),
    }  # fmt: skip
    return FlexRequest(**fields | other)


def need_of_tso(
    number: int,
    needs_kw: Mapping[int, int],
    *,
    direction: Direction = Direction.UP,
    **other: Any,  # noqa: ANN401
) -> FlexRequest:
    """Return a request of the TSO that names no element: any power at the substation helps."""
    made = request(number, {}, (), buyer=Buyer.TSO, direction=direction, **other)
    quarters = tuple(
        RequestedQuarter(start_ms=start_ms(quarter), power_w=power_kw * KW)
        for quarter, power_kw in sorted(needs_kw.items())
    )
    return replace(made, quarters=quarters)


def element(place: int, bound: Bound) -> GridElement:
    """Return an element with its limit."""
    return GridElement(
        element=f"{bound.value} {place}", bound=bound,
        side=None if bound.is_voltage else Side.FROM, phase=None, rated_milli=20_000_000,
        limit_milli=20_000_000, margin_milli=0,
    )  # fmt: skip


def rising(bound: Bound) -> int:
    """Return the sign of what a watt more taken does to the value, where a watt less helps."""
    return -1 if bound is Bound.UNDERVOLTAGE else 1


def book(
    offers: Sequence[FlexOffer],
    requests: Sequence[FlexRequest],
    nodes: Mapping[int, str] | str = "N1",
    *,
    quarters: int = 4,
    delivered: Mapping[int, float] | None = None,
) -> Book:
    """Return the book of a zone; `nodes` tells where each POD is, or where all are."""
    numbers = sorted({int(each.pod.code[6:14]) for each in offers})
    at = {pod(k).code: nodes if isinstance(nodes, str) else nodes[k] for k in numbers}
    return Book.of(
        SESSION, Horizon.DAY_AHEAD, day(quarters), offers=offers, requests=requests, nodes=at,
        zones=dict.fromkeys(at.values(), SUBSTATION),
        delivered={pod(k).code: share for k, share in (delivered or {}).items()},
    )  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A market drawn from a seed."""

    offers: tuple[FlexOffer, ...]
    requests: tuple[FlexRequest, ...]
    nodes: dict[int, str]


def drawn(
    seed: int,
    *,
    offers: int,
    quarters: int,
    elements: int = 1,
    nodes: int = 8,
    steps: int = 1,
    share: float = 0.3,
    most_eur_per_mwh: float = 1_000.0,
) -> Drawn:
    """Return divisible offers UP for a need of a share of all that they can do.

    Args:
        seed: of everything that is drawn.
        offers: how many, each of a POD of its own.
        quarters: of the day.
        elements: lines in want, each with effects of its own, 0 … 1.
        nodes: of the grid.
        steps: of each price curve.
        share: of what all offers together do to an element that is needed.
        most_eur_per_mwh: the request's maximum price.
    """
    draw = np.random.default_rng([seed, offers, quarters, elements, nodes, steps])
    names = [f"N{k}" for k in range(nodes)]
    effect = draw.integers(0, 101, (elements, nodes)) / 100
    effect[:, 0] = 1.0
    at = draw.integers(0, nodes, offers)
    height_kw = draw.integers(1, 41, (offers, quarters)) * steps
    price_eur = draw.integers(20, 400, offers)
    rises_eur = np.cumsum(draw.integers(0, 30, (offers, steps)), axis=1)
    made = []
    for k in range(offers):
        plain = offer(k + 1, dict(enumerate(height_kw[k].tolist())), quarters=quarters)
        told = tuple(
            replace(
                each,
                steps=curve(
                    *(
                        (each.maximum_w // KW * (s + 1) // steps, price_eur[k] + rises_eur[k, s])
                        for s in range(steps)
                    )
                ),
            )
            for each in plain.quarters
        )
        made.append(replace(plain, quarters=told))
    total_kw = effect[:, at] @ height_kw
    needs_kw = {
        (place, quarter): max(1, int(share * total_kw[place, quarter]))
        for place in range(elements)
        for quarter in range(quarters)
    }
    asked = request(
        10**6, needs_kw, [dict(zip(names, row.tolist(), strict=True)) for row in effect],
        quarters=quarters, most_eur_per_mwh=most_eur_per_mwh,
    )  # fmt: skip
    return Drawn(
        tuple(made), (asked,), {k + 1: names[place] for k, place in enumerate(at.tolist())}
    )
