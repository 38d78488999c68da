"""What every document says first, in the words of MarketDocument (IEC 62325-351)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from central.documents.forms import Instant, Quarter, Span, Whole, party, uuid
from ledger.facts.interval import Interval

MAX_W = (1 << 31) - 1
FULL_PERMILLE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The header. `ii` is the use case's number for what is exchanged."""

    ii: ClassVar[str]

    mrid: Annotated[str, uuid("names the document, through all its revisions")]
    revision: Annotated[int, Whole("counts its revisions; a later one takes its place", least=1)]
    created_ms: Annotated[int, Instant("when this revision was made")]
    sender: Annotated[str, party("who made and signed it")]
    receiver: Annotated[str, party("whom it is for")]
    validity: Annotated[Interval, Span("what it speaks of: every quarter-hour in it lies here")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a document says of itself that nobody has to work out."""

    mrid: str
    created_ms: int
    sender: str
    receiver: str
    revision: int = 1

    def header(self, validity: Interval) -> Any:  # noqa: ANN401 -- spread into fields
        """Return the fields of a document's header."""
        return {
            "mrid": self.mrid,
            "revision": self.revision,
            "created_ms": self.created_ms,
            "sender": self.sender,
            "receiver": self.receiver,
            "validity": validity,
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reference:
    """One revision of another document."""

    mrid: Annotated[str, uuid("names the document")]
    revision: Annotated[int, Whole("which revision of it", least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterPower:
    """A power held over a quarter-hour."""

    start_ms: Annotated[int, Quarter()]
    power_w: Annotated[int, Whole("mean active power", least=-MAX_W, most=MAX_W)]


class Direction(StrEnum):
    """UP: less is taken, or more given, than the baseline says; DOWN: the reverse."""

    UP = "up"
    DOWN = "down"


class Buyer(StrEnum):
    """Who asks for flexibility."""

    DSO = "dso"
    TSO = "tso"


class Horizon(StrEnum):
    """Which of the two markets a document belongs to."""

    DAY_AHEAD = "day_ahead"
    REAL_TIME = "real_time"


def need(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like a sentence
    """Refuse values that contradict one another.

    Raises:
        ValueError: they do.
    """
    if not holds:
        raise ValueError(otherwise)
