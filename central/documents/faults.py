"""What is wrong with a document that is being read, and where: a path as in RFC 9535."""

from dataclasses import dataclass
from enum import Enum

from ledger.errors import Rejected
from ledger.facts.interval import Interval


class Wire(Enum):
    """The two ways a document is written: objects for people, arrays for hashes."""

    JSON = "json"
    BINARY = "binary"


@dataclass(slots=True)
class Reading:
    """A document on its way in; `span` is what it speaks of, once its header is read."""

    wire: Wire
    span: Interval | None = None


class Fault(Exception):
    """A value that is not as described; its place is known when it has risen to the top.

    Args:
        what: what was expected and found.
        reason: a stable name for machines.
        remedy: what to do.
    """

    def __init__(self, what: str, reason: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.reason = reason
        self.remedy = remedy
        self._steps: list[str] = []

    def within(self, step: str | int) -> "Fault":
        """Return the fault, as seen from one level up."""
        self._steps.append(f".{step}" if isinstance(step, str) else f"[{step}]")
        return self

    def rejected(self) -> Rejected:
        """Return the error that says so to whoever sent it."""
        where = "$" + "".join(reversed(self._steps))
        return Rejected(self.what, where=where, remedy=self.remedy, reason=self.reason)


def shown(value: object) -> str:
    """Return a value as an error tells it: short."""
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:57]}…"  # noqa: PLR2004 -- the length of a glance
