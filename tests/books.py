"""Small books for the market: one feeder of three places, offers and requests by a few figures."""

import uuid
from collections.abc import Mapping, Sequence

from central.documents.elements import Bound, GridElement, Violation
from central.documents.header import Buyer, Direction, Horizon
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep
from central.documents.request import FlexRequest, RequestedQuarter, Sensitivity
from central.market.book import Book
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

START_MS = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS
HOUR = Interval(START_MS, START_MS + 4 * QUARTER_MS)
ZONE = "PS Roma Nord"
NODES = {f"IT002E{number:08d}": f"node {number % 3}" for number in range(60)}
ZONES = {f"node {number}": ZONE for number in range(3)}
EUR = 1_000_000
SESSION = "day-ahead 2026-06-01"


def mrid(name: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(name)))


def at(quarter: int) -> int:
    return START_MS + quarter * QUARTER_MS


def offer(
    number: int,
    price_eur: float | Sequence[tuple[int, float]] = 100.0,
    power_w: int = 1_000,
    *,
    quarters: Sequence[int] = (0,),
    pod: int | None = None,
    **terms: object,
) -> FlexOffer:
    """Return an offer of POD `number`, at node `number % 3`; a curve as (end, price) pairs."""
    curve = [(power_w, price_eur)] if isinstance(price_eur, float | int) else price_eur
    steps = tuple(
        PriceStep(up_to_w=end_w, price_ueur_per_mwh=round(each * EUR)) for end_w, each in curve
    )
    least_w = terms.pop("minimum_w", 0)
    given: dict[str, object] = {
        "mrid": mrid(number), "revision": 1, "created_ms": 1_000 + number, "sender": "aggregator",
        "receiver": "market", "validity": HOUR, "session": SESSION, "gate_closure_ms": 2_000_000,
        "expires_ms": HOUR.end_ms, "pod": Pod(f"IT002E{number if pod is None else pod:08d}"),
        "direction": Direction.UP, "acceptance": Acceptance.PER_QUARTER,
        "quarters": tuple(
            OfferedQuarter(start_ms=at(each), minimum_w=least_w, steps=steps)  # type: ignore[arg-type]
            for each in quarters
        ),
        "linked_to": None, "exclusive_group": None, "longest_s": None, "rest_s": None,
        "call_count": None, "rebound": None,
    }  # fmt: skip
    return FlexOffer(**{**given, **terms})  # type: ignore[arg-type]


def line_request(
    need_w: Mapping[int, int],
    effect: Mapping[str, float] | None = None,
    *,
    element: str = "line 1",
    bound: Bound = Bound.LINE,
    direction: Direction = Direction.UP,
    cap_eur: float = 400.0,
    held: Mapping[int, Mapping[str, float]] | None = None,
    name: object = "request",
) -> FlexRequest:
    """Return a request of the DSO: so many watts at the best place, by quarter-hour.

    Args:
        need_w: watts at the place where one does most, by quarter.
        effect: of a watt less taken at each node, mA.
        element: that is too much loaded.
        bound: which limit of it.
        direction: that helps.
        cap_eur: the most that is paid [EUR/MWh].
        name: the document's name follows from it.
        held: another element that must not become worse, as `effect`, by quarter.
    """
    effect = effect or {"node 0": 1.0, "node 1": 0.5, "node 2": 0.25}
    sign = -1 if bound is Bound.UNDERVOLTAGE else 1
    best = max(abs(each) for each in effect.values())
    up = 1 if direction is Direction.UP else -1
    rows = [
        Sensitivity(
            position=0, start_ms=at(quarter),
            p_nano_per_w=tuple(round(sign * up * effect.get(n, 0.0) * 1e6) for n in ZONES),
            q_nano_per_var=(0,) * len(ZONES),
        )
        for quarter in sorted(need_w)
    ]  # fmt: skip
    rows += [
        Sensitivity(
            position=1, start_ms=at(quarter),
            p_nano_per_w=tuple(round(told.get(n, 0.0) * 1e6) for n in ZONES),
            q_nano_per_var=(0,) * len(ZONES),
        )
        for quarter, told in sorted((held or {}).items())
    ]  # fmt: skip
    limit = {"side": None, "phase": None, "rated_milli": 300_000, "limit_milli": 300_000,
             "margin_milli": 0}  # fmt: skip
    return FlexRequest(
        mrid=mrid(name), revision=1, created_ms=1, sender="dso", receiver="market",
        validity=HOUR, session=SESSION, horizon=Horizon.DAY_AHEAD, expires_ms=HOUR.end_ms,
        buyer=Buyer.DSO, primary_substation=ZONE, direction=direction, reason=bound,
        quarters=tuple(
            RequestedQuarter(start_ms=at(q), power_w=w) for q, w in sorted(need_w.items())
        ),
        elements=(
            GridElement(element=element, bound=bound, **limit),  # type: ignore[arg-type]
            GridElement(element="line held", bound=Bound.LINE, **limit),  # type: ignore[arg-type]
        ),
        violations=tuple(
            Violation(position=0, start_ms=at(q), scenario="expected",
                      excess_milli=max(1, round(w * best)), cause="load")
            for q, w in sorted(need_w.items())
        ),
        nodes=tuple(ZONES), sensitivities=tuple(rows),
        maximum_price_ueur_per_mwh=round(cap_eur * EUR), reliability_permille=900,
        confidence_permille=950, unsolved=(),
    )  # fmt: skip


def tso_request(
    need_w: Mapping[int, int], *, direction: Direction = Direction.UP, cap_eur: float = 400.0,
    name: object = "tso",
) -> FlexRequest:  # fmt: skip
    """Return a request of the TSO: a volume behind the substation."""
    return FlexRequest(
        mrid=mrid(name), revision=1, created_ms=2, sender="tso", receiver="market",
        validity=HOUR, session=SESSION, horizon=Horizon.DAY_AHEAD, expires_ms=HOUR.end_ms,
        buyer=Buyer.TSO, primary_substation=ZONE, direction=direction, reason=Bound.TRANSFORMER,
        quarters=tuple(
            RequestedQuarter(start_ms=at(q), power_w=w) for q, w in sorted(need_w.items())
        ),
        elements=(), violations=(), nodes=(), sensitivities=(),
        maximum_price_ueur_per_mwh=round(cap_eur * EUR), reliability_permille=900,
        confidence_permille=950, unsolved=(),
    )  # fmt: skip


def book(offers: Sequence[FlexOffer], requests: Sequence[FlexRequest], **more: object) -> Book:
    """Return a book of the hour."""
    return Book.of(
        SESSION, Horizon.DAY_AHEAD, HOUR, offers=offers, requests=requests, nodes=NODES,
        zones=ZONES, **more,  # type: ignore[arg-type]
    )  # fmt: skip
