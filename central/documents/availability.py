"""I-13: what the owner of a resource lets the aggregator move."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.forms import Quarter, Whole
from central.documents.header import MAX_W, Document
from central.documents.shapes import Each
from ledger.facts.pod import Pod


class Resource(StrEnum):
    """What moves."""

    LOAD = "load"
    BATTERY = "battery"
    VEHICLE = "vehicle"
    GENERATION = "generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableQuarter:
    """How far a resource may be moved in a quarter-hour."""

    start_ms: Annotated[int, Quarter()]
    up_w: Annotated[int, Whole("less taken, or more given, at most", least=0, most=MAX_W)]
    down_w: Annotated[int, Whole("more taken, or less given, at most", least=0, most=MAX_W)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DerAvailability(Document):
    """I-13. A quarter-hour that is not there is not available."""

    ii: ClassVar[str] = "I-13"

    pod: Annotated[Pod, "where the resource is"]
    resource: Annotated[Resource, "what moves"]
    quarters: Annotated[tuple[AvailableQuarter, ...], Each("when, and how far", by=("start_ms",))]
    longest_s: Annotated[int | None, Whole("longest activation", least=1)]
    rest_s: Annotated[int | None, Whole("least rest between two activations", least=0)]
    call_count: Annotated[int | None, Whole("activations in a day, at most", least=1)]
