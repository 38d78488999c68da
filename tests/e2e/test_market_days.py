"""Market days of 92, 96 and 100 quarter-hours: traded, real time over the change too, checked."""

from datetime import date
from pathlib import Path

import pytest

from central.calendar import day_interval, day_start_ms, quarter_count
from central.documents.encoding import opened
from central.documents.outcome import MarketOutcome, Stage
from central.market.rules import Rules
from central.scd.documents import DocumentQuery
from central.sessions.day_ahead import day_ahead
from central.sessions.real_time import real_time
from central.sessions.states import SessionState, state_of
from central.sessions.verifying import verified
from ledger.facts.interval import QUARTER_MS
from tests.exports import exported
from tests.floors import Scene
from tests.villages import village, village_scene

SPRING, SUMMER, AUTUMN = date(2026, 3, 29), date(2026, 6, 18), date(2026, 10, 25)
LENGTHS = {SPRING: 92, SUMMER: 96, AUTUMN: 100}
NIGHT_QUARTERS, EVENING_HOUR = 3, 19


@pytest.fixture(scope="module", params=LENGTHS, ids=str)
def traded(request: pytest.FixtureRequest) -> tuple[date, Scene, list[str]]:
    """Return a day, its scene, and its sessions: the day, the hours over 02:00, the evening."""
    day: date = request.param
    scene = village_scene(day)
    sessions = [day_ahead(scene.floor(), day).name]
    evening_ms = day_interval(day).end_ms - (24 - EVENING_HOUR) * 4 * QUARTER_MS
    for now_ms in (day_start_ms(day) + NIGHT_QUARTERS * QUARTER_MS, evening_ms):
        scene.clock.at_ms = now_ms
        sessions.append(real_time(scene.floor(), now_ms, [], {}).name)
    return day, scene, sessions


def outcome(scene: Scene, session: str) -> MarketOutcome:
    stored = scene.documents.documents(DocumentQuery(ii=("I-08",), limit=1_000))
    (found,) = [
        document
        for document, _ in (opened(each.signed) for each in stored)
        if isinstance(document, MarketOutcome) and document.stage is Stage.FINAL
        and document.session == session and document.receiver == "dso"
    ]  # fmt: skip
    return found


def test_the_whole_day_is_traded(traded: tuple[date, Scene, list[str]]) -> None:
    day, scene, sessions = traded
    assert quarter_count(day) == LENGTHS[day]
    told = {row.row: row.told for row in scene.sessions.rows(sessions[0])}
    assert told["DA-4a"] == f"{LENGTHS[day]} quarter-hours"
    found = outcome(scene, sessions[0])
    assert found.validity == day_interval(day)
    assert found.awards, "something was taken"
    # What the day has called may be all that its offers let be called.
    assert {state_of(scene.sessions.rows(each)) for each in sessions} <= {
        SessionState.PUBLISHED, SessionState.NOTHING_ASKED, SessionState.NOTHING_TAKEN,
    }  # fmt: skip


def test_the_hours_over_the_change_of_the_clock_are_four(
    traded: tuple[date, Scene, list[str]],
) -> None:
    day, scene, sessions = traded
    for session in sessions[1:]:
        hours = outcome(scene, session).validity
        assert (hours.end_ms - hours.start_ms) // QUARTER_MS == 16
    night = outcome(scene, sessions[1]).validity
    assert night.start_ms == day_start_ms(day) + (NIGHT_QUARTERS + 1) * QUARTER_MS


def test_every_session_is_recomputed_to_the_same_bytes(
    traded: tuple[date, Scene, list[str]], tmp_path: Path
) -> None:
    _, scene, sessions = traded
    for number, session in enumerate(sessions):
        span = outcome(scene, session).validity
        export = exported(scene, session, span, tmp_path / str(number))
        found = verified(export, village(), Rules())
        assert (session, found.difference, found.wanting) == (session, "", "")
        assert found.outcomes == 2 + len(scene.seats)
