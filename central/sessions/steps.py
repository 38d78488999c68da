"""Rows of the use case, as they are gone through: logged, counted, and what came of them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from central.documents.header import Document
from central.dso.assessment import Assessment
from central.dso.remedies.plan import Plan
from central.dso.requesting import Need
from central.sessions.desk import Expected
from central.sessions.shown import Shown

log = logging.getLogger("central")


class Steps:
    """Goes through the rows of one session; `done` are those that ended well."""

    def __init__(self, session: str, progress: Callable[[str], None]) -> None:
        self._session = session
        self._progress = progress
        self.done: list[str] = []

    @contextmanager
    def __call__(self, row: str) -> Iterator[None]:
        """Go through one row."""
        self._progress(row)
        log.info("session.step", extra={"step": row, "session": self._session})
        try:
            yield
        except Exception:
            log.warning("session.step_failed", extra={"step": row, "session": self._session})
            raise
        self.done.append(row)


@dataclass(frozen=True)
class Outcome:
    """What the DSO knows and says before a market.

    Args:
        expected: forecast and what the grid must carry.
        assessed: the grid without any measure.
        plan: own means, and the grid with them.
        need: what is left for the customers.
        documents: what is sent, in the order of the rows.
        steps: rows gone through.
        shown: what the field shows; None for the day after.
    """

    expected: Expected
    assessed: Assessment
    plan: Plan
    need: Need
    documents: tuple[Document, ...]
    steps: list[str]
    shown: Shown | None = None
