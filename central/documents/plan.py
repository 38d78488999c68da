"""I-14: what the owner of a resource is to provide: the reservation that an outcome makes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from central.documents.forms import Words
from central.documents.header import Direction, Document, Reference
from central.documents.outcome import AwardedQuarter, AwardKind
from central.documents.shapes import Each
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class DerPlan(Document):
    """I-14. Nothing moves before its set-point comes."""

    ii: ClassVar[str] = "I-14"

    session: Annotated[str, Words("the market session")]
    pod: Annotated[Pod, "who moves"]
    outcome: Annotated[Reference, "the outcome (I-08) that it follows from"]
    offer: Annotated[Reference, "the offer (I-05) that was taken"]
    kind: Annotated[AwardKind, "whether it is sure to be called"]
    direction: Annotated[Direction, "less taken or more given, or the reverse"]
    quarters: Annotated[
        tuple[AwardedQuarter, ...],
        Each("when, how much, at which price", by=("start_ms",), least=1),
    ]
