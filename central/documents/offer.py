"""I-05: what one point of delivery can move, when, and at which price."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, ClassVar

from central.documents.forms import Instant, Quarter, Whole, Words, uuid
from central.documents.header import FULL_PERMILLE, MAX_W, Direction, Document, need
from central.documents.shapes import Each
from ledger.facts.pod import Pod

MAX_PRICE_UEUR_PER_MWH = 10**13


class Acceptance(StrEnum):
    """How an offer may be taken: each quarter-hour by itself, or all in the same share."""

    PER_QUARTER = "per_quarter"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """A step of a price curve: it starts where the one before it ends, the first at zero."""

    up_to_w: Annotated[int, Whole("where the step ends", least=1, most=MAX_W)]
    price_ueur_per_mwh: Annotated[
        int,
        Whole("its price", least=-MAX_PRICE_UEUR_PER_MWH, most=MAX_PRICE_UEUR_PER_MWH),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedQuarter:
    """What is offered in a quarter-hour: nothing, or from the minimum to the curve's end."""

    start_ms: Annotated[int, Quarter()]
    minimum_w: Annotated[int, Whole("the least that can be taken", least=0, most=MAX_W)]
    steps: Annotated[
        tuple[PriceStep, ...],
        Each("the price curve, never falling; one step is one price", by=("up_to_w",), least=1),
    ]

    def __post_init__(self) -> None:
        """Refuse a minimum above the maximum, and prices that fall."""
        need(self.minimum_w <= self.maximum_w, "minimum_w lies above the end of the last step")
        prices = (step.price_ueur_per_mwh for step in self.steps)
        need(all(one <= other for one, other in pairwise(prices)), "the prices of the steps fall")

    @property
    def maximum_w(self) -> int:
        """Return the most that can be taken [W]."""
        return self.steps[-1].up_to_w if self.steps else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebound:
    """What comes back after an activation: a share of the energy moved, over a time."""

    share_permille: Annotated[
        int, Whole("of the energy moved, the other way round", least=0, most=2 * FULL_PERMILLE)
    ]
    delay_s: Annotated[int, Whole("from the end of the activation", least=0)]
    duration_s: Annotated[int, Whole("evenly over so long", least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffer(Document):
    """I-05. The grid node comes from the operator's registry, never from the offer."""

    ii: ClassVar[str] = "I-05"

    session: Annotated[str, Words("the market session it is made for")]
    gate_closure_ms: Annotated[int, Instant("when the session takes no more offers")]
    expires_ms: Annotated[int, Instant("when the offer ends, unless it was taken")]
    pod: Annotated[Pod, "who moves"]
    direction: Annotated[Direction, "less taken or more given, or the reverse"]
    acceptance: Annotated[Acceptance, "whether quarter-hours may be taken apart"]
    quarters: Annotated[
        tuple[OfferedQuarter, ...], Each("what is offered", by=("start_ms",), least=1)
    ]
    linked_to: Annotated[str | None, uuid("only together with this offer")]
    exclusive_group: Annotated[str | None, Words("only one offer of this group")]
    longest_s: Annotated[int | None, Whole("longest activation", least=1)]
    rest_s: Annotated[int | None, Whole("least rest between two activations", least=0)]
    call_count: Annotated[int | None, Whole("activations in a day, at most", least=1)]
    rebound: Annotated[Rebound | None, "what comes back afterwards"]

    def __post_init__(self) -> None:
        """Refuse what ends before the gate closes, and a link to itself."""
        need(self.expires_ms >= self.gate_closure_ms, "it expires before the gate closes")
        need(self.linked_to != self.mrid, "linked_to names the offer itself")
