"""The market's clock: which session is due, for as long as the service runs.

```
 day ahead   lead before the gate ─ rows up to the TSO's ─│gate│─ the book, rounds ─ published
 real time   a quarter-hour before each quarter-hour, or each hour: the four hours from there on
```

Of several that are due the one goes first whose time is over first. What failed is tried again
until its time is over; what was left half-way is gone on with; what comes too late is stopped, so
that nobody publishes it when later sessions have sold what it would sell.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Protocol

from central.calendar import day_of
from central.market import gates
from central.market.gates import Gates
from central.scd.sessions import SessionRow
from central.sessions import real_time
from central.sessions.day_ahead import kept_gates
from central.sessions.durable import Interrupted, SessionStopped
from central.sessions.states import SessionState, state_of
from ledger.errors import CertiflexError, Rejected, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS

log = logging.getLogger("central")

SETTLING_MS = 2_000
"""After a gate has closed, so that what was stamped before is stored."""
TOO_LATE = "its hours began before it was published"
_RETRY_MS = 60_000
_DAY_MS = 86_400_000
_QUARTERS_PER_HOUR = 4
_UNDER_WAY = {SessionState.OPEN, SessionState.FAILED}


class Sessions(Protocol):
    """Where sessions are run and kept."""

    def names(self) -> Sequence[str]:
        """Return the names of all sessions that have begun."""
        ...

    def rows(self, session: str) -> Sequence[SessionRow]:
        """Return the rows of a session."""
        ...

    def day_ahead(self, day: date) -> None:
        """Go through a day's session; see `left_at_gate`."""
        ...

    def real_time(self, now_ms: int) -> None:
        """Go through the session of the hours that follow an instant."""
        ...

    def stop(self, session: str, why: str) -> None:
        """Let no further row of a session begin."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """When sessions are run.

    Args:
        every_ms: from one real-time session to the next: a quarter-hour or an hour.
        lead_ms: so long before its gate closes a day's session begins.
    """

    every_ms: int = QUARTER_MS
    lead_ms: int = 600_000

    def __post_init__(self) -> None:
        """Refuse a pace that nobody could keep."""
        if self.every_ms not in {QUARTER_MS, _QUARTERS_PER_HOUR * QUARTER_MS} or self.lead_ms <= 0:
            raise ValueError("every_ms is a quarter-hour or an hour, and lead_ms above 0")


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A session, from when it may be run and by when it has to [ms since 1970, UTC]."""

    until_ms: int
    from_ms: int
    session: str
    run: Callable[[], None] = field(compare=False)


@dataclass
class Rolling:
    """Runs sessions as they fall due.

    Args:
        sessions: where they are run and kept.
        clock: of the market.
        nap: returns at an instant [ms since 1970, UTC], or earlier if told to end.
        is_ending: whether the service was told to end.
        pace: when sessions are run.
    """

    sessions: Sessions
    clock: Clock
    nap: Callable[[int], None]
    is_ending: Callable[[], bool]
    pace: Pace = field(default_factory=Pace)
    _again_ms: dict[str, int] = field(default_factory=dict, init=False)
    _missed: set[str] = field(default_factory=set, init=False)

    def run(self) -> None:
        """Run sessions until told to end; none of them ends the service."""
        has_begun = False
        while not self.is_ending():
            try:
                self._stop_late([*self._again_ms] if has_begun else self.sessions.names())
                has_begun = True
                self._next()
            except Unavailable as error:
                log.warning("market.store_away", extra={"why": str(error)})
                self.nap(self.clock.now_ms() + _RETRY_MS)

    def _next(self) -> None:
        """Run what is due first, or wait for it."""
        now_ms = self.clock.now_ms()
        todo = sorted(self._todo(now_ms))
        ready = [each for each in todo if each.from_ms <= now_ms]
        if ready:
            self._go_through(ready[0])
        else:
            self.nap(min((each.from_ms for each in todo), default=now_ms + _RETRY_MS))

    # ── what is due ─────────────────────────────────────────────────────────────────────────

    def _todo(self, now_ms: int) -> Iterator[Due]:
        """Yield what is to be run, now or next."""
        today = day_of(now_ms)
        for days in range(3):
            yield from self._day(today + timedelta(days=days), now_ms)
        first_ms = now_ms - now_ms % self.pace.every_ms + self.pace.every_ms
        for start_ms in (first_ms, first_ms + self.pace.every_ms):
            yield from self._hours(start_ms, now_ms)

    def _day(self, day: date, now_ms: int) -> Iterator[Due]:
        usual = gates.day_ahead(day)
        rows = self.sessions.rows(usual.session)
        kept = kept_gates(usual, rows)
        starts_ms = kept.interval.start_ms
        if state_of(rows) not in _UNDER_WAY or now_ms >= starts_ms:
            return
        if not rows and now_ms >= kept.closes_ms:
            self._tell_missed(kept.session)
            return
        run = partial(self.sessions.day_ahead, day)
        if _waits(rows):
            yield self._due(kept.session, kept.closes_ms + SETTLING_MS, starts_ms, run)
        else:
            begins_ms = kept.closes_ms - self.pace.lead_ms
            yield self._due(kept.session, begins_ms, kept.closes_ms, run)

    def _hours(self, start_ms: int, now_ms: int) -> Iterator[Due]:
        session = real_time.gates_of(start_ms - QUARTER_MS).session
        rows = self.sessions.rows(session)
        if state_of(rows) in _UNDER_WAY:
            begins_ms = start_ms - QUARTER_MS
            run = partial(self.sessions.real_time, max(now_ms, begins_ms))
            yield self._due(session, begins_ms, start_ms, run)

    def _due(self, session: str, from_ms: int, until_ms: int, run: Callable[[], None]) -> Due:
        return Due(until_ms, max(from_ms, self._again_ms.get(session, 0)), session, run)

    def _tell_missed(self, session: str) -> None:
        if session not in self._missed:
            self._missed.add(session)
            log.warning("market.session_missed", extra={
                "session": session, "why": "the service was not there when its gate closed",
            })  # fmt: skip

    # ── going through it ────────────────────────────────────────────────────────────────────

    def _go_through(self, due: Due) -> None:
        log.info("market.session_due", extra={"session": due.session})
        try:
            due.run()
        except Interrupted:
            log.info("market.session_left", extra={"session": due.session})
            return
        except SessionStopped as error:
            log.warning("market.session_stopped", extra={
                "session": due.session, "why": str(error),
            })  # fmt: skip
        except CertiflexError as error:
            self._failed(due, str(error))
        except Exception as error:  # one session that breaks does not end those after it
            log.exception("market.session_broke", extra={"session": due.session})
            self._failed(due, repr(error))
        self._stop_late([due.session])
        state = state_of(self.sessions.rows(due.session))
        log.info("market.session_state", extra={"session": due.session, "state": state.value})

    def _failed(self, due: Due, why: str) -> None:
        self._again_ms[due.session] = self.clock.now_ms() + _RETRY_MS
        log.warning("market.session_failed", extra={"session": due.session, "why": why})

    def _stop_late(self, names: Sequence[str]) -> None:
        """Stop what was left half-way and whose hours have begun in the last days."""
        now_ms = self.clock.now_ms()
        for name in names:
            starts_ms = _starts_ms(name)
            if not now_ms - 2 * _DAY_MS < starts_ms <= now_ms:
                continue
            self._again_ms.pop(name, None)
            if state_of(self.sessions.rows(name)) in _UNDER_WAY:
                self.sessions.stop(name, TOO_LATE)
                log.warning("market.session_stopped", extra={"session": name, "why": TOO_LATE})


def left_at_gate(clock: Clock) -> Callable[[Gates], None]:
    """Return what lets a session be left while its gate is open: whoever has time hands in."""

    def at_gate(these: Gates) -> None:
        if clock.now_ms() < these.closes_ms + SETTLING_MS:
            raise Interrupted(these.session)

    return at_gate


def _waits(rows: Sequence[SessionRow]) -> bool:
    """Tell whether a session has come as far as it may while its gate is open."""
    return any(row.row == "DA-2c" and row.has_ended for row in rows)


def _starts_ms(session: str) -> int:
    """Return when a session's hours begin; never for a name that is none."""
    try:
        return gates.named(session).interval.start_ms
    except Rejected:
        return 0
