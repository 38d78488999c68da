"""The real-time market of the demo grid: what the day has left, and no more."""

import pytest

from central.calendar import day_start_ms
from central.documents.encoding import opened
from central.documents.outcome import MarketOutcome, Stage
from central.scd.documents import DocumentQuery
from central.scd.documents_entries import SealReason
from central.sessions.day_ahead import day_ahead
from central.sessions.real_time import gates_of, real_time
from central.sessions.states import SessionState, state_of
from ledger.facts.interval import QUARTER_MS
from tests.desks import DAY
from tests.floors import Scene, availabilities

EVENING_MS = day_start_ms(DAY) + 74 * QUARTER_MS
NAME = gates_of(EVENING_MS).session
ROWS = [
    "RT-1a", "RT-2a", "RT-3a", "RT-4a", "RT-4a to SCADA", "RT-5a", "RT-6a", "RT-7a",
    "RT-1c", "RT-2c", "RT-3c", "RT-8a", "RT-9a", "RT-10a", "RT-11a", "RT-12a", "RT-13a-profile",
    "RT-13a-approved", "RT-14a",
    "RT-15a",
]  # fmt: skip


@pytest.fixture(scope="module")
def traded() -> Scene:
    scene = Scene()
    scene.file(availabilities(scene.seats))
    day_ahead(scene.floor(), DAY)
    scene.clock.at_ms = EVENING_MS
    real_time(scene.floor(), EVENING_MS, [], {})
    return scene


def finals(scene: Scene) -> dict[str, MarketOutcome]:
    stored = scene.documents.documents(DocumentQuery(ii=("I-08",), limit=100))
    found = [opened(each.signed)[0] for each in stored]
    return {
        each.session: each
        for each in found
        if isinstance(each, MarketOutcome) and each.stage is Stage.FINAL and each.receiver == "dso"
    }


def test_every_row_is_gone_through_in_order(traded: Scene) -> None:
    rows = traded.sessions.rows(NAME)
    assert [row.row for row in rows] == ROWS
    assert state_of(rows) is SessionState.PUBLISHED
    assert traded.seals[-2:] == [
        (SealReason.GATE_CLOSURE, NAME),
        (SealReason.PUBLICATION, NAME),
    ]


def test_nothing_that_the_day_sold_is_sold_again(traded: Scene) -> None:
    sold = {
        name: {(each.pod, q.start_ms) for each in outcome.awards for q in each.quarters}
        for name, outcome in finals(traded).items()
    }
    day, hours = sold[f"day-ahead {DAY.isoformat()}"], sold[NAME]
    assert hours, "something was taken"
    assert day.isdisjoint(hours)


def test_a_session_of_four_hours_speaks_of_them_only(traded: Scene) -> None:
    outcome = finals(traded)[NAME]
    start_ms = EVENING_MS + QUARTER_MS
    assert (outcome.validity.start_ms, outcome.validity.end_ms) == (
        start_ms, start_ms + 16 * QUARTER_MS,
    )  # fmt: skip


def test_a_session_that_has_ended_is_read_back(traded: Scene) -> None:
    before = traded.documents.snapshot()
    real_time(traded.floor(), EVENING_MS, [], {})
    assert traded.documents.snapshot() == before
