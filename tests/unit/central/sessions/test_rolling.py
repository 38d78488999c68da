"""The market's clock, on a clock that is wound: what is run when, and what ends nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from central.calendar import day_start_ms, gate_ms
from central.errors import StoreAway
from central.scd.sessions import RowState, SessionRow
from central.sessions.day_ahead import day_ahead
from central.sessions.durable import TOO_LATE, DurableSession, Interrupted
from central.sessions.real_time import gates_of, real_time
from central.sessions.rolling import SETTLING_MS, Pace, Rolling, left_at_gate
from central.sessions.states import SessionState, state_of
from ledger.errors import Unavailable
from ledger.facts.interval import QUARTER_MS
from tests.desks import DAY
from tests.floors import Scene
from tests.villages import village_scene

MINUTE_MS = 60_000
GATE_MS = gate_ms(DAY)
DAY_AHEAD = f"day-ahead {DAY.isoformat()}"
HOURLY = Pace(every_ms=4 * QUARTER_MS)


@dataclass
class Played:
    """Sessions of a scene, on its floor; what is run is noted with the time."""

    scene: Scene
    ran: list[tuple[str, int]] = field(default_factory=list)
    spoilt: Callable[[str], None] = lambda _: None

    def names(self) -> list[str]:
        return self.scene.sessions.sessions()

    def rows(self, session: str) -> Sequence[SessionRow]:
        return self.scene.sessions.rows(session)

    def day_ahead(self, day: date) -> None:
        self.note(f"day-ahead {day.isoformat()}")
        floor = replace(self.scene.floor(), at_gate=left_at_gate(self.scene.clock))
        day_ahead(floor, day)

    def real_time(self, now_ms: int) -> None:
        self.note(gates_of(now_ms).session)
        real_time(self.scene.floor(), now_ms, [], {})

    def miss(self, session: str, why: str) -> None:
        self.looked_at(session).miss(why)

    def looked_at(self, session: str) -> DurableSession:
        scene = self.scene
        return DurableSession(session, scene.sessions, scene.documents, {}, scene.clock)

    def note(self, session: str) -> None:
        self.ran.append((session, self.scene.clock.at_ms))
        self.spoilt(session)

    def states(self) -> dict[str, SessionState]:
        return {name: state_of(self.rows(name)) for name in self.names()}


@dataclass
class Briefly(Played):
    """Sessions that have one row each and cost nothing."""

    def day_ahead(self, day: date) -> None:
        self.note(f"day-ahead {day.isoformat()}")
        at_gate = self.scene.clock.at_ms >= gate_ms(day)
        self.end(f"day-ahead {day.isoformat()}", "DA-18a" if at_gate else "DA-2c")

    def real_time(self, now_ms: int) -> None:
        self.note(gates_of(now_ms).session)
        self.end(gates_of(now_ms).session, "RT-15a")

    def end(self, session: str, row: str) -> None:
        made = SessionRow(session=session, row=row, state=RowState.OK, told="", ended_ms=0)
        self.scene.sessions.commit_row(made)


def rolled(played: Played, from_ms: int, until_ms: int, pace: Pace | None = None) -> None:
    """Let the market's clock run from an instant to another; sessions take no time."""
    clock = played.scene.clock
    clock.at_ms = from_ms

    def nap(next_ms: int) -> None:
        assert next_ms > clock.at_ms, "it waits for something"
        clock.at_ms = next_ms

    Rolling(played, clock, nap, lambda: clock.at_ms >= until_ms, pace or Pace()).run()


def test_a_session_is_run_before_every_quarter_and_the_days_at_its_gate() -> None:
    played = Briefly(Scene())
    start_ms = day_start_ms(DAY) - 24 * 4 * QUARTER_MS
    rolled(played, start_ms, day_start_ms(DAY))
    hours = [(name, at_ms) for name, at_ms in played.ran if name.startswith("real-time")]
    assert len(hours) == 96
    assert [at_ms for _, at_ms in hours] == list(range(start_ms, day_start_ms(DAY), QUARTER_MS))
    days = [(name, at_ms - GATE_MS) for name, at_ms in played.ran if name.startswith("day")]
    assert days == [(DAY_AHEAD, -600_000), (DAY_AHEAD, SETTLING_MS)]


@pytest.mark.parametrize(
    ("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)], ids=str
)
def test_days_of_the_clocks_change_have_all_their_sessions(day: date, quarters: int) -> None:
    played, start_ms = Briefly(Scene()), day_start_ms(day)
    end_ms = start_ms + quarters * QUARTER_MS
    rolled(played, start_ms, end_ms)
    assert len([name for name, _ in played.ran if name.startswith("real")]) == quarters
    (first, then) = [at_ms for name, at_ms in played.ran if name.startswith("day")]
    local_ten_ms = end_ms - 14 * 4 * QUARTER_MS
    assert (first, then) == (local_ten_ms - 600_000, local_ten_ms + SETTLING_MS)


def test_every_hour_it_is_the_quarter_before_the_hour() -> None:
    played = Briefly(Scene())
    rolled(played, GATE_MS + 1, GATE_MS + 3 * 4 * QUARTER_MS, HOURLY)
    assert [at_ms - GATE_MS for name, at_ms in played.ran if name.startswith("real")] == [
        (4 * hour + 3) * QUARTER_MS for hour in range(3)
    ]


def test_both_markets_are_traded_for_real_around_the_gate() -> None:
    played = Played(village_scene())
    rolled(played, GATE_MS - 11 * MINUTE_MS, GATE_MS + MINUTE_MS)
    assert played.states()[DAY_AHEAD] is SessionState.PUBLISHED
    rows = {row.row: row for row in played.rows(DAY_AHEAD)}
    assert rows["DA-2c"].ended_ms == GATE_MS - 600_000
    assert rows["DA-6b"].ended_ms == GATE_MS + SETTLING_MS
    assert rows["DA-6b"].told.partition(" ")[0] != "0"
    played.ran.clear()
    evening_ms = day_start_ms(DAY) + 72 * QUARTER_MS
    rolled(played, evening_ms, evening_ms + 2 * QUARTER_MS)
    hours = [name for name, _ in played.ran if name.startswith("real")]
    assert len(hours) == 2
    assert {played.states()[each] for each in hours} <= {
        SessionState.PUBLISHED, SessionState.NOTHING_TAKEN, SessionState.NOTHING_ASKED,
    }  # fmt: skip


@pytest.mark.parametrize("error", [Unavailable("SCADA is away"), ValueError("a fault of ours")])
def test_a_session_that_fails_ends_nothing_and_is_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    played = Briefly(Scene())
    failing = gates_of(GATE_MS + QUARTER_MS).session
    left = [error, error]

    def spoil(session: str) -> None:
        if session == failing and left:
            raise left.pop()

    played.spoilt = spoil
    with caplog.at_level(logging.INFO, logger="central"):
        rolled(played, GATE_MS + QUARTER_MS, GATE_MS + 3 * QUARTER_MS)
    tries = [at_ms - GATE_MS - QUARTER_MS for name, at_ms in played.ran if name == failing]
    assert tries == [0, MINUTE_MS, 2 * MINUTE_MS]
    assert played.states()[failing] is not SessionState.FAILED
    told = [r for r in caplog.records if r.getMessage() == "market.session_failed"]
    assert [r.__dict__["session"] for r in told] == [failing, failing]
    after = gates_of(GATE_MS + 2 * QUARTER_MS).session
    assert after in played.states()


def test_what_never_succeeds_is_missed_when_its_hours_begin() -> None:
    played = Briefly(Scene())
    failing = gates_of(GATE_MS + QUARTER_MS).session

    def spoil(session: str) -> None:
        if session == failing:
            row = SessionRow(
                session=session, row="RT-1a", state=RowState.FAILED, told="", ended_ms=0
            )
            played.scene.sessions.commit_row(row)
            raise Unavailable("the store is away")

    played.spoilt = spoil
    rolled(played, GATE_MS + QUARTER_MS, GATE_MS + 3 * QUARTER_MS)
    assert len([name for name, _ in played.ran if name == failing]) == 15
    assert played.states()[failing] is SessionState.MISSED
    assert played.rows(failing)[-1].told == TOO_LATE


def test_after_a_restart_what_was_left_is_gone_on_with_and_what_is_late_is_missed() -> None:
    played = Briefly(Scene())
    late, left = gates_of(GATE_MS - QUARTER_MS).session, gates_of(GATE_MS + 1).session
    for session in (late, left):
        played.end(session, "RT-1a")
    rolled(played, GATE_MS + 5 * MINUTE_MS, GATE_MS + 6 * MINUTE_MS)
    assert (left, GATE_MS + 5 * MINUTE_MS) in played.ran
    assert played.states()[late] is SessionState.MISSED


def test_a_day_whose_gate_closed_while_nobody_was_there_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    played = Briefly(Scene())
    with caplog.at_level(logging.WARNING, logger="central"):
        rolled(played, GATE_MS, GATE_MS + 2 * QUARTER_MS)
    assert DAY_AHEAD not in played.states()
    told = [r for r in caplog.records if r.getMessage() == "market.session_missed"]
    assert [r.__dict__["session"] for r in told] == [DAY_AHEAD]


def test_a_store_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    @dataclass
    class Away(Briefly):
        left: int = 3

        def rows(self, session: str) -> Sequence[SessionRow]:
            if self.left:
                self.left -= 1
                raise StoreAway("the disk is full")
            return super().rows(session)

    played = Away(Scene())
    late = gates_of(GATE_MS - 2 * QUARTER_MS).session
    played.end(late, "RT-1a")
    with caplog.at_level(logging.WARNING, logger="central"):
        rolled(played, GATE_MS + 1, GATE_MS + QUARTER_MS)
    assert [r.getMessage() for r in caplog.records].count("market.store_away") == 3
    assert played.ran == [(gates_of(GATE_MS).session, GATE_MS + 1 + 3 * MINUTE_MS)]
    assert played.states()[late] is SessionState.MISSED


# ── who is slow ─────────────────────────────────────────────────────────────────────────────


@dataclass
class Slow(Briefly):
    """Sessions of hours that take their time, and are missed where there is too little of it."""

    took_ms: int = 0

    def real_time(self, now_ms: int) -> None:
        self.note(gates_of(now_ms).session)
        hours = gates_of(now_ms)
        session = replace(self.looked_at(hours.session), until_ms=hours.closes_ms)
        for row in ("RT-1a", "RT-7a", "RT-14a"):
            self.scene.clock.at_ms += self.took_ms // 3
            session.note(row, "")
        session.until_ms += 86_400_000
        session.note("RT-15a", "")


def names(first_ms: int, count: int) -> list[str]:
    return [gates_of(first_ms + each * QUARTER_MS).session for each in range(count)]


def test_hours_that_the_last_session_was_too_slow_for_are_not_begun_for_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    played = Slow(Scene(), took_ms=18 * MINUTE_MS)
    start_ms = GATE_MS + QUARTER_MS
    with caplog.at_level(logging.WARNING, logger="central"):
        rolled(played, start_ms, start_ms + 7 * QUARTER_MS)
    hours = names(start_ms, 7)
    assert [name for name, _ in played.ran] == [hours[0], hours[6]]
    assert {played.states()[each] for each in hours} == {SessionState.MISSED}
    assert played.rows(hours[0])[-1].told == f"{TOO_LATE}: it had come as far as row RT-14a"
    assert [row.row for row in played.rows(hours[0])] == ["RT-1a", "RT-7a", "missed"]
    (row,) = played.rows(hours[1])
    assert row.told == (
        "not begun: 720 s before its hours, and the last session of hours took 1080 s"
    )
    told = [r for r in caplog.records if r.getMessage() == "market.session_missed"]
    assert {r.__dict__["session"] for r in told} >= set(hours)


def test_what_is_left_of_a_quarter_is_used_where_it_is_enough() -> None:
    played = Slow(Scene(), took_ms=6 * MINUTE_MS)
    start_ms = GATE_MS + QUARTER_MS + 10 * MINUTE_MS
    rolled(played, start_ms, start_ms + 2 * QUARTER_MS)
    first, second = names(start_ms, 2)
    assert played.states()[first] is SessionState.MISSED, "nobody could know"
    assert played.states()[second] is not SessionState.MISSED
    assert len(played.rows(second)) == 4


def test_hours_that_begin_while_another_session_is_under_way_are_missed_by_name() -> None:
    played = Briefly(Scene())

    def take_long(session: str) -> None:
        if session == DAY_AHEAD and played.scene.clock.at_ms > GATE_MS:
            played.scene.clock.at_ms += 35 * MINUTE_MS

    played.spoilt = take_long
    rolled(played, GATE_MS - MINUTE_MS, GATE_MS + 3 * QUARTER_MS)
    missed = [name for name, state in played.states().items() if state is SessionState.MISSED]
    assert missed == [gates_of(GATE_MS + QUARTER_MS).session]
    assert DAY_AHEAD in played.rows(missed[0])[-1].told


def test_what_has_told_its_outcome_is_ended_however_late_it_is() -> None:
    played = Briefly(Scene())
    told = gates_of(GATE_MS - QUARTER_MS).session
    for row in ("RT-1a", "RT-14a"):
        played.end(told, row)
    rolled(played, GATE_MS + 5 * MINUTE_MS, GATE_MS + 6 * MINUTE_MS)
    assert (told, GATE_MS + 5 * MINUTE_MS) in played.ran
    assert [row.row for row in played.rows(told)] == ["RT-1a", "RT-14a", "RT-15a"]
    assert played.states()[told] is not SessionState.MISSED


def test_a_stopped_session_is_let_be() -> None:
    played = Played(village_scene())
    session = gates_of(GATE_MS).session
    played.looked_at(session).stop("by hand")
    rolled(played, GATE_MS, GATE_MS + 1)
    assert session not in [name for name, _ in played.ran]


def test_told_to_end_it_ends_before_the_next_row() -> None:
    scene = village_scene()
    played = Played(scene)

    def interrupt(session: str) -> None:
        raise Interrupted(session)

    played.spoilt = interrupt
    ended = iter([False, True])
    scene.clock.at_ms = GATE_MS - 5 * MINUTE_MS
    Rolling(played, scene.clock, lambda _: None, lambda: next(ended)).run()
    assert len(played.ran) == 1
    assert played.states() == {}


def test_a_pace_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="every_ms"):
        Pace(every_ms=1)
    with pytest.raises(ValueError, match="lead_ms"):
        Pace(lead_ms=0)
