"""I-01: the quarter-hours of one point of delivery, as the Shared Customer Database serves them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.forms import Quarter, Whole
from central.documents.header import Document
from central.documents.shapes import Each
from ledger.facts.pod import Pod

_QUARTER_S = 900


class Origin(StrEnum):
    """Where a figure comes from; only what is anchored on the ledger is certified."""

    CERTIFIED = "certified"
    RECEIVED = "received"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredQuarter:
    """The energy of a quarter-hour, taken and given apart, over the seconds that were measured."""

    start_ms: Annotated[int, Quarter()]
    import_wh: Annotated[int, Whole("taken from the grid, to the nearest", least=0)]
    export_wh: Annotated[int, Whole("given to the grid, to the nearest", least=0)]
    covered_s: Annotated[int, Whole("seconds with a reading", least=0, most=_QUARTER_S)]
    flagged_s: Annotated[int, Whole("seconds with a remark on quality", least=0, most=_QUARTER_S)]
    origin: Annotated[Origin, "certified, received and not yet on the ledger, or imported"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterMeasures(Document):
    """I-01. A quarter-hour that is not there was not measured."""

    ii: ClassVar[str] = "I-01"

    pod: Annotated[Pod, "whose measures they are"]
    quarters: Annotated[tuple[MeasuredQuarter, ...], Each("what was measured", by=("start_ms",))]
