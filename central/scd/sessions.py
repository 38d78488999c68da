"""A market session as it is kept: the rows of the use case that have ended, and how."""

from dataclasses import dataclass
from enum import StrEnum


class RowState(StrEnum):
    """How a row ended: as it should, with nothing to do or to go on with, or not at all."""

    OK = "ok"
    NOTHING = "nothing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One row of a session that has ended.

    Args:
        session: the name of the session.
        row: the use case's number of the row, with a round behind it where rows are repeated.
        state: how it ended; a failed one may be gone through again.
        told: what an operator should know of it, in words; may be empty.
        ended_ms: when.
        documents: hashes of what it filed, in its order.
    """

    session: str
    row: str
    state: RowState
    told: str
    ended_ms: int
    documents: tuple[bytes, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Tell whether the row is never gone through again."""
        return self.state is not RowState.FAILED
