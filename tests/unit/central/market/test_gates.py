"""Gates: local times on the day before, sessions that follow one another through any day."""

from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from central.calendar import day_interval, gate_ms, quarter_count
from central.market.gates import DayAheadHours, RealTimePace, day_ahead, named, real_time
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS

ROME = ZoneInfo("Europe/Rome")
SPRING, USUAL, AUTUMN = date(2027, 3, 28), date(2026, 11, 26), date(2026, 10, 25)


def local(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(ROME).replace(tzinfo=None)


@pytest.mark.parametrize("day", [SPRING, USUAL, AUTUMN])
def test_the_day_ahead_gates_are_local_times_of_the_day_before(day: date) -> None:
    gates = day_ahead(day)
    assert gates.interval == gates.own == day_interval(day)
    assert gates.closes_ms == gate_ms(day)
    assert local(gates.opens_ms).time() == time(6)
    assert local(gates.publishes_ms).time() == time(13)
    assert local(gates.closes_ms).date() < day
    assert gates.session == f"day-ahead {day}"


def test_the_day_before_a_change_of_clocks_has_its_own_offset() -> None:
    after = day_ahead(date(2027, 3, 29))  # its gates lie on the day of 92 quarters
    assert local(after.closes_ms) == datetime(2027, 3, 28, 10)
    assert after.closes_ms - day_ahead(SPRING).closes_ms == 23 * 3_600_000


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (USUAL, 96), (AUTUMN, 100)])
@pytest.mark.parametrize("every_s", [900, 3_600])
def test_own_pieces_tile_the_day_and_gates_do_not_overlap(
    day: date, count: int, every_s: int
) -> None:
    sessions = list(real_time(day, RealTimePace(every_s=every_s)))
    own = [ms for each in sessions
           for ms in range(each.own.start_ms, each.own.end_ms, QUARTER_MS)]  # fmt: skip
    whole = day_interval(day)
    assert own == list(range(whole.start_ms, whole.end_ms, QUARTER_MS))
    assert len(own) == count == quarter_count(day)
    assert all(one.closes_ms == other.opens_ms for one, other in pairwise(sessions))
    assert len({each.session for each in sessions}) == len(sessions)
    for each in sessions:
        assert each.interval.duration_ms == 4 * 3_600_000
        assert each.opens_ms < each.closes_ms <= each.publishes_ms <= each.own.start_ms
        assert each.opens_ms in each.takes
        assert each.closes_ms not in each.takes


@pytest.mark.parametrize(
    "times", [{"opens": time(10)}, {"publishes": time(9, 59)}], ids=["opens late", "told early"]
)
def test_hours_that_do_not_fit_are_refused(times: dict[str, time]) -> None:
    with pytest.raises(Rejected) as caught:
        DayAheadHours(**times)
    assert caught.value.reason == "bad_gates"


@pytest.mark.parametrize(
    "times_s",
    [
        {"every_s": 1_800},
        {"reach_s": 1_000},
        {"every_s": 3_600, "reach_s": 900},
        {"told_s": 901},
        {"told_s": -1},
    ],
    ids=str,
)
def test_a_pace_that_does_not_fit_is_refused(times_s: dict[str, int]) -> None:
    with pytest.raises(Rejected) as caught:
        RealTimePace(**times_s)
    assert caught.value.reason == "bad_gates"


@pytest.mark.parametrize("day", [SPRING, USUAL, AUTUMN])
def test_a_session_is_found_by_its_name(day: date) -> None:
    for gates in [day_ahead(day), *real_time(day)]:
        assert named(gates.session) == gates


@pytest.mark.parametrize(
    "name",
    ["", "day-ahead", "day-ahead 2026-02-30", "day-ahead 20261025", "real-time 2026-10-25T00:05Z",
     "real-time 2026-10-25", "Day-ahead 2026-10-25", "day-ahead 2026-10-25 ",
     "day-ahead 9999-12-31", "day-ahead 0001-01-01", "real-time 9999-12-31T23:00Z"],
)  # fmt: skip
def test_what_is_no_session_is_refused_by_name(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        named(name)
    assert (caught.value.reason, caught.value.where) == ("unknown_session", "$.session")
