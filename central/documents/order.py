"""I-09: the order to move what was won, and the set-point it becomes at a point of delivery."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.elements import Bound
from central.documents.forms import Instant, Whole, Words, uuid
from central.documents.header import (
    MAX_W,
    Buyer,
    Direction,
    Document,
    QuarterPower,
    Reference,
    need,
)
from central.documents.shapes import Each
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedOffer:
    """How much of an offer that was won is to be moved."""

    offer: Annotated[Reference, "the offer"]
    quarters: Annotated[
        tuple[QuarterPower, ...],
        Each("how much, in the offer's direction", by=("start_ms",), least=1),
    ]

    def __post_init__(self) -> None:
        """Refuse negative amounts."""
        need(all(each.power_w >= 0 for each in self.quarters), "power_w must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOrder(Document):
    """I-09, from DSO or TSO to the market, and on to the DSO's platform."""

    ii: ClassVar[str] = "I-09"

    session: Annotated[str, Words("the market session it was won in")]
    outcome: Annotated[Reference, "the outcome (I-08) that it rests on"]
    buyer: Annotated[Buyer, "who orders, and pays"]
    direction: Annotated[Direction, "which way"]
    reason: Annotated[Bound, "what it is for"]
    orders: Annotated[tuple[OrderedOffer, ...], Each("offer by offer", by=("offer",), least=1)]
    expires_ms: Annotated[int, Instant("after which nobody passes it on any more")]


class SetPointKind(StrEnum):
    """How the figures bind."""

    LIMIT_IMPORT = "limit_import"
    LIMIT_EXPORT = "limit_export"
    ENVELOPE = "envelope"
    SET_POINT = "set_point"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failsafe:
    """What holds when nobody has been heard for a time: never without limits."""

    least_w: Annotated[int, Whole("lower end of the envelope", least=-MAX_W, most=MAX_W)]
    most_w: Annotated[int, Whole("upper end of the envelope", least=-MAX_W, most=MAX_W)]
    after_s: Annotated[int, Whole("silence before it holds", least=1)]

    def __post_init__(self) -> None:
        """Refuse an empty envelope."""
        need(self.least_w <= self.most_w, "least_w lies above most_w")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint(Document):
    """I-09, from the DSO's platform to a light node and its EMS. Positive: taken from the grid.

    It is an envelope, `[least_w, most_w]`: a device may draw less, and `target_w` says what is
    wished for in it. It holds in `validity`.
    """

    ii: ClassVar[str] = "I-09"

    pod: Annotated[Pod, "where it holds"]
    kind: Annotated[SetPointKind, "how the figures bind"]
    target_w: Annotated[int, Whole("power wished for at the POD", least=-MAX_W, most=MAX_W)]
    least_w: Annotated[int, Whole("lower end of the envelope", least=-MAX_W, most=MAX_W)]
    most_w: Annotated[int, Whole("upper end of the envelope", least=-MAX_W, most=MAX_W)]
    difference_w: Annotated[int, Whole("`target_w` less the baseline", least=-MAX_W, most=MAX_W)]
    baseline: Annotated[Reference, "the baseline (I-03)"]
    outcome: Annotated[Reference, "the outcome (I-08) that was won"]
    order: Annotated[Reference, "the order (I-09) it stems from"]
    offer: Annotated[Reference, "the offer (I-05) that was won"]
    sequence: Annotated[int, Whole("numbers the set-points of a POD", least=0)]
    supersedes: Annotated[str | None, uuid("the set-point whose place it takes")]
    not_before_ms: Annotated[int, Instant("before which it is not applied")]
    expires_ms: Annotated[int, Instant("from which on it is not applied any more")]
    failsafe: Annotated[Failsafe, "what holds in silence"]
    reason: Annotated[Bound, "what it is for"]

    def __post_init__(self) -> None:
        """Refuse a target outside the envelope, and an end before the start."""
        need(self.least_w <= self.target_w <= self.most_w, "target_w lies outside the envelope")
        need(self.not_before_ms < self.expires_ms, "it expires before it may be applied")
