"""When sessions take documents and when they tell: gates in local time, by configuration.

```
 day ahead   the day before, 06:00 ─ takes ─ 10:00 ─ clears ─ 13:00 tells; trades the whole day

 real time   takes │ clears │ trades: four hours, of which the first piece is its own
                   │ takes  │ clears │ trades: …
                   └ a gate closes when the next one opens
```

A real-time session trades four hours, and so do the next ones; the last to trade a quarter-hour
is the one whose own it is. Own pieces tile the day, whatever its length.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from central.calendar import ROME, day_interval, day_of
from central.documents.header import Horizon
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

_HOUR_MS = 4 * QUARTER_MS
_MS_PER_S = 1_000
_TOLD = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The gates of one session [ms since 1970, UTC].

    Args:
        session: its name.
        horizon: which market.
        interval: the quarter-hours that it trades.
        own: those of them that no later session trades.
        opens_ms: from when on documents are taken.
        closes_ms: from when on no more.
        publishes_ms: when the outcome is told at the latest.
    """

    session: str
    horizon: Horizon
    interval: Interval
    own: Interval
    opens_ms: int
    closes_ms: int
    publishes_ms: int

    @property
    def takes(self) -> Interval:
        """Return when documents are taken."""
        return Interval(self.opens_ms, self.closes_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAheadHours:
    """Local times of the day before.

    Raises:
        Rejected: `bad_gates`: they are not in this order.
    """

    opens: time = time(6)
    closes: time = time(10)
    publishes: time = time(13)

    def __post_init__(self) -> None:
        """Refuse gates that close before they open."""
        _need(self.opens < self.closes <= self.publishes, "opens < closes <= publishes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTimePace:
    """How real-time sessions follow one another.

    Args:
        every_s: from one session to the next: a quarter-hour or an hour.
        reach_s: how far each trades.
        lead_s: from the gate's closure to the first quarter-hour traded.
        told_s: from the outcome to the first quarter-hour traded, at least.

    Raises:
        Rejected: `bad_gates`: no whole quarter-hours, or the times do not fit each other.
    """

    every_s: int = 900
    reach_s: int = 14_400
    lead_s: int = 900
    told_s: int = 300

    def __post_init__(self) -> None:
        """Refuse a pace that does not tile every market day."""
        every_ms, reach_ms = self.every_s * _MS_PER_S, self.reach_s * _MS_PER_S
        _need(every_ms in {QUARTER_MS, _HOUR_MS}, "every_s is 900 or 3600")
        _need(reach_ms % QUARTER_MS == 0, "reach_s is whole quarter-hours")
        _need(reach_ms >= every_ms, "reach_s is not below every_s")
        _need(0 <= self.told_s <= self.lead_s, "0 <= told_s <= lead_s")


def day_ahead(day: date, hours: DayAheadHours | None = None) -> Gates:
    """Return the gates of the market for a day: they lie on the day before."""
    hours = hours or DayAheadHours()
    before = day - timedelta(days=1)
    traded = day_interval(day)
    return Gates(
        session=f"day-ahead {day.isoformat()}", horizon=Horizon.DAY_AHEAD, interval=traded,
        own=traded, opens_ms=_local_ms(before, hours.opens),
        closes_ms=_local_ms(before, hours.closes), publishes_ms=_local_ms(before, hours.publishes),
    )  # fmt: skip


def real_time(day: date, pace: RealTimePace | None = None) -> Iterator[Gates]:
    """Yield the gates of the sessions whose own quarter-hours make up a day, in order."""
    pace = pace or RealTimePace()
    every_ms, reach_ms = pace.every_s * _MS_PER_S, pace.reach_s * _MS_PER_S
    traded = day_interval(day)
    for start_ms in range(traded.start_ms, traded.end_ms, every_ms):
        closes_ms = start_ms - pace.lead_s * _MS_PER_S
        yield Gates(
            session=f"real-time {_told(start_ms)}", horizon=Horizon.REAL_TIME,
            interval=Interval(start_ms, start_ms + reach_ms),
            own=Interval(start_ms, start_ms + every_ms), opens_ms=closes_ms - every_ms,
            closes_ms=closes_ms, publishes_ms=start_ms - pace.told_s * _MS_PER_S,
        )  # fmt: skip


def named(session: str) -> Gates:
    """Return the gates of the session of a name, as they usually are.

    Raises:
        Rejected: `unknown_session`: no session is ever called so.
    """
    horizon, _, when = session.partition(" ")
    try:
        if horizon == "day-ahead":
            made: Iterable[Gates] = [day_ahead(date.fromisoformat(when))]
        else:
            start = datetime.strptime(when, _TOLD).replace(tzinfo=UTC)
            made = real_time(day_of(int(start.timestamp()) * _MS_PER_S))
        return next(each for each in made if each.session == session)
    except (ValueError, OverflowError, StopIteration):
        raise Rejected(
            f"no session is called {session!r}",
            where="$.session",
            remedy="name it as docs/market-rules.md says: day-ahead 2026-10-25",
            reason="unknown_session",
        ) from None


def _told(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / _MS_PER_S, UTC).strftime(_TOLD)


def _local_ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, ROME).timestamp()) * _MS_PER_S


def _need(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like a sentence
    if not holds:
        raise Rejected(
            f"expected {otherwise}", where="gates", remedy="mend the gates", reason="bad_gates"
        )
