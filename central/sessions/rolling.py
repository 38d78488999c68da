"""The market's clock: which session is due, for as long as the service runs.

```
 day ahead   lead before the gate ─ rows up to the TSO's ─│gate│─ the book, rounds ─ published
 real time   a quarter-hour before each quarter-hour, or each hour: the four hours from there on
```

Of several that are due the one goes first whose time is over first. What failed is tried again
until its time is over; what was left half-way is gone on with; what comes too late is missed, so
that nobody publishes it when later sessions have sold what it would sell. What has told its
outcome is gone on with however late it is. Hours that the last session would have been too slow
for are not begun:

```
 this one     │ 15 min ─────────────────────────────────────✕ missed: it took 15 min, and more
 the next     │ is not begun: 15 min are left                 … until an hour has passed
```
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Protocol

from central.calendar import day_of
from central.documents.header import Horizon
from central.market import gates
from central.market.gates import Gates
from central.scd.sessions import SessionRow
from central.sessions import real_time
from central.sessions.day_ahead import kept_gates
from central.sessions.durable import TOO_LATE, Interrupted, SessionMissed, SessionStopped
from central.sessions.states import SessionState, has_told, state_of
from ledger.errors import CertiflexError, Rejected, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS

log = logging.getLogger("central")

SETTLING_MS = 2_000
"""After a gate has closed, so that what was stamped before is stored."""
_RETRY_MS = 60_000
_DAY_MS = 86_400_000
_MS_PER_S = 1_000
_QUARTERS_PER_HOUR = 4
_REMEMBERED_MS = _QUARTERS_PER_HOUR * QUARTER_MS
"""So long a session's slowness keeps others from being begun; what was slow may be fast again."""
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

    def miss(self, session: str, why: str) -> None:
        """Let no further row of a session begin, since its time is over."""
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
    """A session, from when it may be run and by when it has to [ms since 1970, UTC].

    Others trade the same hours again where it is `one_of_many`: it need not be begun at all.
    """

    until_ms: int
    from_ms: int
    session: str
    run: Callable[[], None] = field(compare=False)
    one_of_many: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Pass:
    """How long a session of some hours took from its beginning, and when it was over [ms]."""

    took_ms: int = 0
    ended_ms: int = 0


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
    _half_told: set[str] = field(default_factory=set, init=False)
    _last: _Pass = field(default_factory=_Pass, init=False)

    def run(self) -> None:
        """Run sessions until told to end; none of them ends the service."""
        has_begun = False
        while not self.is_ending():
            try:
                self._close_late([*self._again_ms] if has_begun else self.sessions.names())
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
        for session in sorted(self._half_told):
            yield self._due(session, 0, _starts_ms(session), self._going_on(session))
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
            yield replace(self._due(session, begins_ms, start_ms, run), one_of_many=not rows)

    def _due(self, session: str, from_ms: int, until_ms: int, run: Callable[[], None]) -> Due:
        return Due(until_ms, max(from_ms, self._again_ms.get(session, 0)), session, run)

    def _going_on(self, session: str) -> Callable[[], None]:
        """Return what goes on with a session that has begun."""
        kept = gates.named(session)
        starts_ms = kept.interval.start_ms
        if kept.horizon is Horizon.REAL_TIME:
            return partial(self.sessions.real_time, starts_ms - QUARTER_MS)
        return partial(self.sessions.day_ahead, day_of(starts_ms))

    def _tell_missed(self, session: str) -> None:
        if session not in self._missed:
            self._missed.add(session)
            log.warning("market.session_missed", extra={
                "session": session, "why": "the service was not there when its gate closed",
            })  # fmt: skip

    # ── going through it ────────────────────────────────────────────────────────────────────

    def _go_through(self, due: Due) -> None:
        began_ms = self.clock.now_ms()
        if due.one_of_many and (why := self._too_slow(due.until_ms - began_ms, began_ms)):
            self._miss(due.session, why)
            return
        self._run(due)
        self._close_late([due.session])
        state = state_of(self.sessions.rows(due.session))
        now_ms = self.clock.now_ms()
        if due.one_of_many and state not in _UNDER_WAY:
            self._last = _Pass(now_ms - began_ms, now_ms)
        if state not in _UNDER_WAY:
            self._half_told.discard(due.session)
        log.info("market.session_state", extra={"session": due.session, "state": state.value})
        self._miss_passed(due.session, began_ms, now_ms)

    def _miss_passed(self, session: str, began_ms: int, now_ms: int) -> None:
        """Miss the hours that began while a session was under way, and that nobody has begun."""
        every_ms = self.pace.every_ms
        for start_ms in range(began_ms - began_ms % every_ms + every_ms, now_ms + 1, every_ms):
            passed = real_time.gates_of(start_ms - QUARTER_MS).session
            if not self.sessions.rows(passed):
                self._miss(passed, f"not begun: {session} was under way until its hours began")

    def _too_slow(self, left_ms: int, now_ms: int) -> str:
        """Return why hours are not begun to be traded, if the last ones tell; else nothing."""
        last = self._last
        if left_ms > last.took_ms or now_ms - last.ended_ms >= _REMEMBERED_MS:
            return ""
        return (
            f"not begun: {left_ms // _MS_PER_S} s before its hours, and the last session of hours "
            f"took {last.took_ms // _MS_PER_S} s"
        )

    def _run(self, due: Due) -> None:
        log.info("market.session_due", extra={"session": due.session})
        try:
            due.run()
        except Interrupted:
            log.info("market.session_left", extra={"session": due.session})
        except SessionStopped as error:
            log.warning("market.session_stopped", extra={
                "session": due.session, "why": str(error),
            })  # fmt: skip
        except SessionMissed as error:
            log.warning("market.session_missed", extra={
                "session": due.session, "why": str(error),
            })  # fmt: skip
        except CertiflexError as error:
            self._failed(due, str(error))
        except Exception as error:  # one session that breaks does not end those after it
            log.exception("market.session_broke", extra={"session": due.session})
            self._failed(due, repr(error))

    def _failed(self, due: Due, why: str) -> None:
        self._again_ms[due.session] = self.clock.now_ms() + _RETRY_MS
        log.warning("market.session_failed", extra={"session": due.session, "why": why})

    def _close_late(self, names: Sequence[str]) -> None:
        """Miss what was left half-way and whose hours have begun in the last days.

        What has told its outcome by then is bound by it: the rest of it is still to follow.
        """
        now_ms = self.clock.now_ms()
        for name in names:
            starts_ms = _starts_ms(name)
            if not now_ms - 2 * _DAY_MS < starts_ms <= now_ms:
                continue
            rows = self.sessions.rows(name)
            if state_of(rows) not in _UNDER_WAY:
                self._again_ms.pop(name, None)
            elif has_told(rows):
                self._half_told.add(name)
            else:
                self._again_ms.pop(name, None)
                self._miss(name, TOO_LATE)

    def _miss(self, session: str, why: str) -> None:
        self.sessions.miss(session, why)
        log.warning("market.session_missed", extra={"session": session, "why": why})


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
