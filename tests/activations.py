"""What an activation is made from: orders, and the outcome, offers and programmes behind them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from central.documents.baseline import Baseline
from central.documents.elements import Bound
from central.documents.header import Buyer, Direction, Horizon, QuarterPower, Reference
from central.documents.offer import Acceptance, FlexOffer, OfferedQuarter, PriceStep, Rebound
from central.documents.order import FlexOrder, OrderedOffer
from central.documents.outcome import Award, AwardedQuarter, AwardKind, MarketOutcome, Stage
from central.sessions.dso_dispatch import Called
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

SESSION = "real-time"
OUTCOME, ORDER, REQUEST = 8, 9, 6


def mrid(number: int) -> str:
    """Return an mRID that says which one it is."""
    return str(UUID(int=number))


def reference(number: int) -> Reference:
    """Return the first revision of a document."""
    return Reference(mrid=mrid(number), revision=1)


def called(
    span: Interval,
    moved_w: Mapping[str, Mapping[int, int]],
    *,
    baseline_w: int = 3_000,
    direction: Direction = Direction.UP,
    rebound: Rebound | None = None,
) -> Called:
    """Return one order for some PODs' offers, all of them won.

    Args:
        span: the quarters that the programmes cover.
        moved_w: by POD and number of the quarter, what is won and ordered.
        baseline_w: of every POD in the first quarter; one watt more in each one after.
        direction: of all.
        rebound: of all.
    """
    offers = [
        _offer(span, 1_000 + at, pod, moved, direction=direction, rebound=rebound)
        for at, (pod, moved) in enumerate(moved_w.items())
    ]
    order = FlexOrder(
        **_header(ORDER, "dso", "market", span),
        session=SESSION, outcome=reference(OUTCOME), buyer=Buyer.DSO, direction=direction,
        reason=Bound.LINE, expires_ms=span.end_ms,
        orders=tuple(
            OrderedOffer(
                offer=Reference(mrid=offer.mrid, revision=1),
                quarters=tuple(_power(span, moved_w[offer.pod.code])),
            )
            for offer in offers
        ),
    )  # fmt: skip
    baselines = [
        Baseline(
            **_header(2_000 + at, "brp", "scd", span), pod=Pod(pod),
            quarters=tuple(_power(span, {
                number: baseline_w + number for number in range(span.duration_ms // QUARTER_MS)
            })),
        )
        for at, pod in enumerate(moved_w)
    ]  # fmt: skip
    return Called([order], [_outcome(span, offers)], offers, baselines)


def _outcome(span: Interval, offers: Sequence[FlexOffer]) -> MarketOutcome:
    return MarketOutcome(
        **_header(OUTCOME, "market", "dso", span),
        session=SESSION, horizon=Horizon.REAL_TIME, stage=Stage.FINAL, not_taken=(), unmet=(),
        awards=tuple(
            Award(
                offer=Reference(mrid=offer.mrid, revision=1), request=reference(REQUEST),
                kind=AwardKind.FIRM, buyer=Buyer.DSO, pod=offer.pod, direction=offer.direction,
                effect_nano_per_w=1, because="cheapest",
                quarters=tuple(
                    AwardedQuarter(
                        start_ms=each.start_ms, power_w=each.maximum_w, price_ueur_per_mwh=10**8
                    )
                    for each in offer.quarters
                ),
            )
            for offer in offers
        ),
    )  # fmt: skip


def _offer(
    span: Interval, number: int, pod: str, moved: Mapping[int, int], *, direction: Direction,
    rebound: Rebound | None,
) -> FlexOffer:  # fmt: skip
    return FlexOffer(
        **_header(number, "aggregator", "market", span),
        session=SESSION, gate_closure_ms=span.start_ms, expires_ms=span.end_ms, pod=Pod(pod),
        direction=direction, acceptance=Acceptance.PER_QUARTER, linked_to=None,
        exclusive_group=None, longest_s=None, rest_s=None, call_count=None, rebound=rebound,
        quarters=tuple(
            OfferedQuarter(
                start_ms=span.start_ms + at * QUARTER_MS, minimum_w=0,
                steps=(PriceStep(up_to_w=power_w, price_ueur_per_mwh=10**8),),
            )
            for at, power_w in sorted(moved.items())
        ),
    )  # fmt: skip


def _power(span: Interval, of_quarters: Mapping[int, int]) -> list[QuarterPower]:
    return [
        QuarterPower(start_ms=span.start_ms + at * QUARTER_MS, power_w=power_w)
        for at, power_w in sorted(of_quarters.items())
    ]


def _header(number: int, sender: str, receiver: str, span: Interval) -> Any:  # noqa: ANN401 -- spread into fields
    return {
        "mrid": mrid(number), "revision": 1, "created_ms": span.start_ms - 1, "sender": sender,
        "receiver": receiver, "validity": span,
    }  # fmt: skip
