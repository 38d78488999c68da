"""I-03: the programme of one point of delivery, frozen before the gate closes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from central.documents.header import Document, QuarterPower
from central.documents.shapes import Each
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Document):
    """I-03. What the point of delivery takes from the grid when nobody asks for flexibility."""

    ii: ClassVar[str] = "I-03"

    pod: Annotated[Pod, "whose programme it is"]
    quarters: Annotated[
        tuple[QuarterPower, ...],
        Each("the programme; positive: from the grid", by=("start_ms",), complete=True),
    ]
