"""I-11: what the operator does with means of its own before it buys, and what that avoids."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from central.documents.elements import GridElement, KeptFree, Unsolved, Violation, need_elements
from central.documents.forms import Quarter, Whole, Words
from central.documents.header import FULL_PERMILLE, Document, Horizon, QuarterPower, need
from central.documents.shapes import Each

_MOST_TAPS = 1_000


class Effect(StrEnum):
    """What own means achieve."""

    NOT_NEEDED = "not_needed"
    SOLVED = "solved"
    REDUCED = "reduced"
    NOTHING_HELPS = "nothing_helps"


class SwitchState(StrEnum):
    """The position of a switch."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TapMove:
    """A tap changer moves at the start of a quarter-hour and stays there."""

    transformer: Annotated[str, Words("its name in the operator's registry")]
    start_ms: Annotated[int, Quarter()]
    from_tap: Annotated[int, Whole("where it stands", least=-_MOST_TAPS, most=_MOST_TAPS)]
    to_tap: Annotated[int, Whole("where it goes", least=-_MOST_TAPS, most=_MOST_TAPS)]
    because: Annotated[str, Words("what it is for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMove:
    """A switch is moved at the start of a quarter-hour and stays there."""

    switch: Annotated[str, Words("its name in the operator's registry")]
    start_ms: Annotated[int, Quarter()]
    state: Annotated[SwitchState, "its position from then on"]
    because: Annotated[str, Words("what it is for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacitorMove:
    """Steps of a capacitor bank are switched at the start of a quarter-hour."""

    capacitor: Annotated[str, Words("its name in the operator's registry")]
    start_ms: Annotated[int, Quarter()]
    step_count: Annotated[int, Whole("steps that are in from then on", least=0, most=_MOST_TAPS)]
    because: Annotated[str, Words("what it is for")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfiguration(Document):
    """I-11. The reason is there even when nothing helps."""

    ii: ClassVar[str] = "I-11"

    horizon: Annotated[Horizon, "for the day after, or the next hours"]
    primary_substation: Annotated[str, Words("the grid it is about")]
    effect: Annotated[Effect, "what own means achieve"]
    because: Annotated[str, Words("why these means, or why none helps")]
    taps: Annotated[
        tuple[TapMove, ...], Each("tap changers, by time", by=("start_ms", "transformer"))
    ]
    switches: Annotated[
        tuple[SwitchMove, ...], Each("switches, by time", by=("start_ms", "switch"))
    ]
    capacitors: Annotated[
        tuple[CapacitorMove, ...], Each("capacitors, by time", by=("start_ms", "capacitor"))
    ]
    elements: Annotated[tuple[GridElement, ...], Each("the limits that are at stake")]
    before: Annotated[
        tuple[Violation, ...],
        Each("what is forecast without them", by=("position", "start_ms", "scenario")),
    ]
    after: Annotated[
        tuple[Violation, ...],
        Each("what is left with them", by=("position", "start_ms", "scenario")),
    ]
    avoided: Annotated[
        tuple[QuarterPower, ...], Each("flexibility that need not be bought", by=("start_ms",))
    ]
    avoided_ueur: Annotated[int, Whole("what that would have cost", least=0)]
    margin: Annotated[KeptFree, "what was kept free of every limit"]
    confidence_permille: Annotated[
        int, Whole("the quantile of the forecast that it rests on", least=0, most=FULL_PERMILLE)
    ]
    unsolved: Annotated[
        tuple[Unsolved, ...],
        Each("what could not be calculated", by=("start_ms", "scenario", "position")),
    ]

    def __post_init__(self) -> None:
        """Refuse an effect that the figures do not show."""
        need_elements(self.elements, self.before, self.after, self.unsolved)
        moved = bool(self.taps or self.switches or self.capacitors)
        match self.effect:
            case Effect.NOT_NEEDED:
                need(
                    not moved and not self.before, "not_needed, yet something is violated or moved"
                )
            case Effect.NOTHING_HELPS:
                need(
                    not moved and bool(self.after), "nothing_helps, yet something moves or is well"
                )
            case Effect.SOLVED:
                need(moved and not self.after, "solved, yet nothing moves or something is left")
            case Effect.REDUCED:
                need(moved and bool(self.after), "reduced, yet nothing moves or nothing is left")
        need(all(each.power_w >= 0 for each in self.avoided), "power_w must not be negative")
