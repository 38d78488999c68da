"""Elements of the grid that keep to a limit, and where they do not.

A document lists its elements once; what happens to them names their position in that list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

from central.documents.forms import MOST, Quarter, Whole, Words
from central.documents.header import need

BASE_CASE = "expected"


class Bound(StrEnum):
    """Which kind of limit it is; the reasons that flexibility can be asked for.

    Of a node, under- and overvoltage: figures in mV. Of a line or transformer, current: in mA.
    """

    UNDERVOLTAGE = "undervoltage"
    OVERVOLTAGE = "overvoltage"
    LINE = "line"
    TRANSFORMER = "transformer"

    @property
    def is_voltage(self) -> bool:
        """Tell whether the figures are voltages [mV], not currents [mA]."""
        return self in {Bound.UNDERVOLTAGE, Bound.OVERVOLTAGE}


class Phase(StrEnum):
    """One of the three phases."""

    A = "a"
    B = "b"
    C = "c"


class Side(StrEnum):
    """Which end of a branch."""

    FROM = "from"
    TO = "to"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridElement:
    """A node or branch with one of its limits.

    A voltage is phase to phase, or phase to neutral where a phase is named.
    """

    element: Annotated[str, Words("its name in the operator's registry")]
    bound: Annotated[Bound, "which limit; of a voltage in mV, of a line or transformer in mA"]
    side: Annotated[Side | None, "the end of a branch; null: the more loaded one, or a node"]
    phase: Annotated[Phase | None, "the phase; null: all three alike"]
    rated_milli: Annotated[int, Whole("its rated voltage [mV] or current [mA]", least=1)]
    limit_milli: Annotated[int, Whole("what it must keep [mV, mA]", least=1)]
    margin_milli: Annotated[int, Whole("what is kept free of the limit [mV, mA]", least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFree:
    """The margin: what is kept free of every limit, for what no scenario holds."""

    voltage_ppm: Annotated[
        int, Whole("at each end of a voltage band, of the rated voltage", least=0)
    ]
    current_ppm: Annotated[int, Whole("of the rating of a line or transformer", least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A limit, less its margin, that is not kept."""

    position: Annotated[int, Whole("of the element in `elements`", least=0)]
    start_ms: Annotated[int, Quarter()]
    scenario: Annotated[str, Words(f"the situation: `{BASE_CASE}`, a quantile, an outage")]
    excess_milli: Annotated[int, Whole("how far beyond what is allowed [mV, mA]", least=1)]
    cause: Annotated[str, Words("what brings it about")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsolved:
    """What could not be calculated, or not be helped."""

    start_ms: Annotated[int, Quarter()]
    scenario: Annotated[str, Words("the situation")]
    position: Annotated[
        int | None, Whole("of the element in `elements`; null: the grid as a whole", least=0)
    ]
    residual_milli: Annotated[
        int, Whole("what is left [mV, mA]; the last mismatch [mW] of a grid", least=0, most=MOST)
    ]
    why: Annotated[str, Words("what stands in the way, and where")]


class Positioned(Protocol):
    """An entry that is about an element."""

    @property
    def position(self) -> int | None:
        """Return the element's position in the document's list."""
        ...


def need_elements(elements: Sequence[GridElement], *entries: Iterable[Positioned]) -> None:
    """Refuse entries about elements that are not in the list.

    Raises:
        ValueError: there is one.
    """
    for entry in (entry for listed in entries for entry in listed):
        position = entry.position
        need(
            position is None or position < len(elements),
            f"position {position} is none of the {len(elements)} elements",
        )
