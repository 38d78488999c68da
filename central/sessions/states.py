"""What became of a market session, in one word that an operator sees."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from central.documents.header import Horizon
from central.market.gates import named
from central.scd.sessions import RowState, SessionRow
from central.sessions.durable import MISSED, STOPPED

_ACQUIRED = ("DA-10a", "DA-3c", "RT-8a", "RT-3c")
_OFFERED = ("DA-6b", "RT-9a")
_ASSESSED = ("DA-14a", "RT-12a")
_APPROVED = ("DA-16a", "RT-13a-approved")
TOLD = ("DA-17a", "RT-14a")
"""The row of each market with which its outcome is published."""
_PUBLISHED = ("DA-18a", "RT-15a")
_TSO_ASKS = ("DA-2c", "RT-2c", "DA-3c", "RT-3c")


class SessionState(StrEnum):
    """How far a session has come, or how it ended."""

    OPEN = "open"
    FAILED = "failed"
    STOPPED = "stopped"
    MISSED = "missed"
    NOTHING_ASKED = "nothing_asked"
    NO_OFFERS = "no_offers"
    NOTHING_TAKEN = "nothing_taken"
    NOTHING_BEARABLE = "nothing_bearable"
    PUBLISHED = "published"


MEANING = {
    SessionState.OPEN: "under way, or interrupted: run it again and it goes on",
    SessionState.FAILED: "a row failed; put right what it says and run it again",
    SessionState.STOPPED: "an operator has stopped it",
    SessionState.MISSED: "its hours began before it was published: nothing of it holds",
    SessionState.NOTHING_ASKED: "neither DSO nor TSO asked for anything; published so",
    SessionState.NO_OFFERS: "nobody offered; every request is published as unmet",
    SessionState.NOTHING_TAKEN: "no offer helps at a price that is paid; published as unmet",
    SessionState.NOTHING_BEARABLE: "the grid could bear none of the offers; published as unmet",
    SessionState.PUBLISHED: "outcomes and plans are published",
}


def state_of(rows: Sequence[SessionRow]) -> SessionState:
    """Return the state of a session from its rows, in the order in which they ended."""
    last = {row.row: row.state for row in rows}
    if STOPPED in last:
        return SessionState.STOPPED
    if MISSED in last:
        return SessionState.MISSED
    if rows and rows[-1].state is RowState.FAILED:
        return SessionState.FAILED
    if not any(number in last for number in _PUBLISHED):
        return SessionState.OPEN
    return _published(last)


def has_told(rows: Sequence[SessionRow]) -> bool:
    """Tell whether a session has published its outcome: what is left of it must follow."""
    return any(row.row in TOLD and row.has_ended for row in rows)


def state_at(rows: Sequence[SessionRow], now_ms: int) -> SessionState:
    """Return the state of a session as whoever looks at an instant sees it.

    Hours that have begun without an outcome are missed, though nobody was there to note it.

    Args:
        rows: of the session, in the order in which they ended.
        now_ms: the instant [ms since 1970, UTC].

    Raises:
        Rejected: `unknown_session`: no session is ever called so.
    """
    state = state_of(rows)
    if state not in {SessionState.OPEN, SessionState.FAILED} or not rows or has_told(rows):
        return state
    kept = named(rows[0].session)
    is_late = kept.horizon is Horizon.REAL_TIME and now_ms >= kept.interval.start_ms
    return SessionState.MISSED if is_late else state


def is_tso_silent(rows: Sequence[SessionRow]) -> bool:
    """Tell whether the TSO was to ask and said nothing at all, neither here nor by the API."""
    return _came_to_nothing({row.row: row.state for row in rows}, _TSO_ASKS)


def in_round(number: str, round_: int) -> str:
    """Return the name of a row that is repeated: the first time its own, then `DA-11a (2)`."""
    return number if round_ == 1 else f"{number} ({round_})"


def round_free(name: str) -> str:
    """Return the use case's number of a row, whatever its round."""
    return name.partition(" ")[0]


def _came_to_nothing(last: Mapping[str, RowState], numbers: Sequence[str]) -> bool:
    there = [last[number] for number in numbers if number in last]
    return bool(there) and all(state is RowState.NOTHING for state in there)


def _published(last: Mapping[str, RowState]) -> SessionState:
    if _came_to_nothing(last, _ACQUIRED):
        return SessionState.NOTHING_ASKED
    if _came_to_nothing(last, _OFFERED):
        return SessionState.NO_OFFERS
    if _came_to_nothing(last, _ASSESSED):
        return SessionState.NOTHING_TAKEN
    if _came_to_nothing({round_free(row): state for row, state in last.items()}, _APPROVED):
        return SessionState.NOTHING_BEARABLE
    return SessionState.PUBLISHED
