"""I-12: what flows through the transformers of a primary substation, as the TSO needs to know."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.elements import Unsolved
from central.documents.forms import Quarter, Whole, Words
from central.documents.header import FULL_PERMILLE, Document, Horizon
from central.documents.shapes import Each


class ProfileStage(StrEnum):
    """When in the market it is told; both times net of what the DSO activates itself."""

    BEFORE_TSO_REQUEST = "before_tso_request"
    AFTER_VALIDATION = "after_validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerQuarter:
    """The power into a transformer from its high side; positive: from the transmission grid."""

    transformer: Annotated[str, Words("its name in the operator's registry")]
    start_ms: Annotated[int, Quarter()]
    power_w: Annotated[int, Whole("mean active power")]
    reactive_power_var: Annotated[int, Whole("mean reactive power, positive: inductive")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceQuarter:
    """What must come out even: load, less generation, plus losses, less what flows in."""

    start_ms: Annotated[int, Quarter()]
    load_w: Annotated[int, Whole("sum of what is taken", least=0)]
    generation_w: Annotated[int, Whole("sum of what is given", least=0)]
    losses_w: Annotated[int, Whole("in lines and transformers", least=0)]
    residual_w: Annotated[int, Whole("what does not come out even")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstationProfile(Document):
    """I-12. Quarter-hours that could not be calculated are missing, and named in `unsolved`."""

    ii: ClassVar[str] = "I-12"

    horizon: Annotated[Horizon, "for the day after, or the next hours"]
    primary_substation: Annotated[str, Words("which one")]
    stage: Annotated[ProfileStage, "before or after the market"]
    scenario: Annotated[str, Words("the situation: `expected`, a quantile")]
    transformers: Annotated[
        tuple[TransformerQuarter, ...],
        Each("what flows", by=("transformer", "start_ms"), least=1),
    ]
    balance: Annotated[tuple[BalanceQuarter, ...], Each("the check of it", by=("start_ms",))]
    confidence_permille: Annotated[
        int, Whole("the quantile of the forecast that it rests on", least=0, most=FULL_PERMILLE)
    ]
    unsolved: Annotated[
        tuple[Unsolved, ...],
        Each("what could not be calculated", by=("start_ms", "scenario", "position")),
    ]
