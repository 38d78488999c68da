"""I-07: which of the offers taken the grid can bear, and what binds where it cannot."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.elements import GridElement, KeptFree, Unsolved, Violation, need_elements
from central.documents.forms import Whole, Words
from central.documents.header import FULL_PERMILLE, Document, QuarterPower, Reference, need
from central.documents.shapes import Each


class Verdict(StrEnum):
    """What the grid says to an offer."""

    APPROVED = "approved"
    CUT = "cut"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferVerdict:
    """What may be taken of one offer, and what stands against more."""

    offer: Annotated[Reference, "the offer"]
    verdict: Annotated[Verdict, "what the grid says"]
    quarters: Annotated[
        tuple[QuarterPower, ...],
        Each("what may be taken, in the offer's direction", by=("start_ms",)),
    ]
    binding: Annotated[Violation | None, "what more of it would bring about; of a cut or refusal"]

    def __post_init__(self) -> None:
        """Refuse a verdict without its reason."""
        is_approved = self.verdict is Verdict.APPROVED
        need(is_approved == (self.binding is None), "a cut or refusal, and only these, has a cause")
        need(self.verdict is not Verdict.REFUSED or not self.quarters, "what is refused has none")
        need(all(each.power_w >= 0 for each in self.quarters), "power_w must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalValidation(Document):
    """I-07. Full AC, every quarter-hour, offers delivering too little and too much, rebound."""

    ii: ClassVar[str] = "I-07"

    session: Annotated[str, Words("the market session")]
    outcome: Annotated[Reference, "the preliminary list (I-08) that was checked"]
    elements: Annotated[tuple[GridElement, ...], Each("the limits that bind")]
    verdicts: Annotated[tuple[OfferVerdict, ...], Each("offer by offer", by=("offer",))]
    scenarios: Annotated[
        tuple[Annotated[str, Words("")], ...], Each("the situations that were checked", least=1)
    ]
    margin: Annotated[KeptFree, "what was kept free of every limit"]
    confidence_permille: Annotated[
        int, Whole("the quantile of the forecast that it rests on", least=0, most=FULL_PERMILLE)
    ]
    unsolved: Annotated[
        tuple[Unsolved, ...],
        Each("limits that stay broken all the same", by=("start_ms", "scenario", "position")),
    ]

    def __post_init__(self) -> None:
        """Refuse elements that are not listed."""
        bindings = [each.binding for each in self.verdicts if each.binding]
        need_elements(self.elements, bindings, self.unsolved)
