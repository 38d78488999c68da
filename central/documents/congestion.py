"""I-10: where and when the grid is under strain: the alert to the DSO's operator."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from central.documents.elements import GridElement, KeptFree, Unsolved, Violation, need_elements
from central.documents.forms import Whole, Words
from central.documents.header import FULL_PERMILLE, Document, Horizon
from central.documents.shapes import Each


@dataclass(frozen=True, slots=True, kw_only=True)
class CongestionAlert(Document):
    """I-10. What is listed is forecast to happen if nobody does anything."""

    ii: ClassVar[str] = "I-10"

    horizon: Annotated[Horizon, "for the day after, or the next hours"]
    primary_substation: Annotated[str, Words("the grid it is about")]
    elements: Annotated[tuple[GridElement, ...], Each("the nodes and branches under strain")]
    violations: Annotated[
        tuple[Violation, ...],
        Each("when, how far, and why", by=("position", "start_ms", "scenario")),
    ]
    scenarios: Annotated[
        tuple[Annotated[str, Words("")], ...], Each("the situations that were assessed", least=1)
    ]
    margin: Annotated[KeptFree, "what was kept free of every limit"]
    confidence_permille: Annotated[
        int, Whole("the quantile of the forecast that it rests on", least=0, most=FULL_PERMILLE)
    ]
    unsolved: Annotated[
        tuple[Unsolved, ...],
        Each("what could not be calculated", by=("start_ms", "scenario", "position")),
    ]

    def __post_init__(self) -> None:
        """Refuse elements that are not listed."""
        need_elements(self.elements, self.violations, self.unsolved)
