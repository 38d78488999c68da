"""I-08: which offers were taken, for whom, at which price, and why; and what stayed unmet."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.forms import Quarter, Whole, Words
from central.documents.header import (
    MAX_W,
    Buyer,
    Direction,
    Document,
    Horizon,
    Reference,
)
from central.documents.offer import MAX_PRICE_UEUR_PER_MWH
from central.documents.shapes import Each
from ledger.facts.pod import Pod


class Stage(StrEnum):
    """Before or after the DSO's technical validation."""

    PRELIMINARY = "preliminary"
    FINAL = "final"


class AwardKind(StrEnum):
    """Firm is delivered and paid; reserve is paid only if it is called."""

    FIRM = "firm"
    RESERVE = "reserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardedQuarter:
    """What is taken of an offer in a quarter-hour."""

    start_ms: Annotated[int, Quarter()]
    power_w: Annotated[int, Whole("in the offer's direction", least=1, most=MAX_W)]
    price_ueur_per_mwh: Annotated[
        int,
        Whole("what is paid", least=-MAX_PRICE_UEUR_PER_MWH, most=MAX_PRICE_UEUR_PER_MWH),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """An offer that was taken, in the order of price over effectiveness."""

    offer: Annotated[Reference, "the offer"]
    request: Annotated[Reference, "the request that it serves"]
    kind: Annotated[AwardKind, "firm or reserve"]
    buyer: Annotated[Buyer, "who pays"]
    pod: Annotated[Pod, "who moves"]
    direction: Annotated[Direction, "the offer's"]
    quarters: Annotated[
        tuple[AwardedQuarter, ...], Each("what is taken", by=("start_ms",), least=1)
    ]
    effect_nano_per_w: Annotated[int, Whole("its effect on the element that binds [nV, nA per W]")]
    because: Annotated[str, Words("why it was taken, or not more of it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """An offer that was not taken, and why."""

    offer: Annotated[Reference, "the offer"]
    because: Annotated[str, Words("what stands against it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """What nobody could or would deliver of a request, up to its maximum price."""

    request: Annotated[Reference, "the request"]
    start_ms: Annotated[int, Quarter()]
    power_w: Annotated[int, Whole("what is missing", least=1, most=MAX_W)]
    because: Annotated[str, Words("what stands in the way")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOutcome(Document):
    """I-08. The same inputs give the same bytes."""

    ii: ClassVar[str] = "I-08"

    session: Annotated[str, Words("the market session")]
    horizon: Annotated[Horizon, "which market"]
    stage: Annotated[Stage, "before or after the technical validation"]
    awards: Annotated[tuple[Award, ...], Each("what was taken, in economic order")]
    not_taken: Annotated[tuple[NotTaken, ...], Each("what was not", by=("offer",))]
    unmet: Annotated[tuple[Unmet, ...], Each("what is missing", by=("request", "start_ms"))]
