"""Each way in which a session ends has its own name."""

from dataclasses import replace

import pytest

from central.scd.sessions import RowState, SessionRow
from central.sessions.durable import MISSED, STOPPED
from central.sessions.states import (
    MEANING,
    SessionState,
    has_told,
    in_round,
    is_tso_silent,
    round_free,
    state_at,
    state_of,
)

OK, NOTHING, FAILED = RowState.OK, RowState.NOTHING, RowState.FAILED


def rows(**ended: RowState) -> list[SessionRow]:
    names = {"tso": "DA-2c", "dso_asked": "DA-10a", "tso_asked": "DA-3c", "offered": "DA-6b",
             "assessed": "DA-14a", "approved": "DA-16a", "again": "DA-16a (2)",
             "told": "DA-17a", "published": "DA-18a", "forecast": "DA-3a",
             "stopped": STOPPED, "missed": MISSED}  # fmt: skip
    return [
        SessionRow(session="s", row=names[name], state=state, told="", ended_ms=0)
        for name, state in ended.items()
    ]


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        (rows(), SessionState.OPEN),
        (rows(forecast=OK), SessionState.OPEN),
        (rows(forecast=FAILED), SessionState.FAILED),
        (rows(dso_asked=OK, offered=OK, approved=OK, told=OK), SessionState.OPEN),
        (rows(forecast=OK, stopped=OK), SessionState.STOPPED),
        (rows(forecast=FAILED, missed=OK), SessionState.MISSED),
        (rows(missed=OK), SessionState.MISSED),
        (
            rows(dso_asked=NOTHING, tso_asked=NOTHING, offered=OK, published=OK),
            SessionState.NOTHING_ASKED,
        ),
        (rows(dso_asked=OK, tso_asked=NOTHING, offered=NOTHING, published=OK),
         SessionState.NO_OFFERS),
        (rows(dso_asked=OK, offered=OK, assessed=NOTHING, approved=NOTHING, published=OK),
         SessionState.NOTHING_TAKEN),
        (rows(dso_asked=NOTHING, tso_asked=OK, offered=OK, assessed=OK, approved=NOTHING,
              published=OK), SessionState.NOTHING_BEARABLE),
        (rows(dso_asked=OK, offered=OK, approved=OK, again=NOTHING, published=OK),
         SessionState.NOTHING_BEARABLE),
        (rows(dso_asked=OK, offered=OK, approved=NOTHING, again=OK, published=OK),
         SessionState.PUBLISHED),
        (rows(dso_asked=OK, offered=OK, approved=OK, published=OK), SessionState.PUBLISHED),
    ],
)  # fmt: skip
def test_the_state_follows_from_the_rows(ended: list[SessionRow], state: SessionState) -> None:
    assert state_of(ended) is state
    assert MEANING[state]


def test_a_row_that_failed_and_then_ended_is_no_failure() -> None:
    assert state_of([*rows(forecast=FAILED), *rows(forecast=OK)]) is SessionState.OPEN


def test_a_silent_tso_is_seen() -> None:
    assert is_tso_silent(rows(tso=NOTHING))
    assert not is_tso_silent(rows(tso=OK))
    assert is_tso_silent(rows(tso=NOTHING, tso_asked=NOTHING))
    assert not is_tso_silent(rows(tso=NOTHING, tso_asked=OK)), "it has asked by the API"


def test_rounds_have_names_of_their_own() -> None:
    assert [in_round("DA-11a", each) for each in (1, 2)] == ["DA-11a", "DA-11a (2)"]
    assert round_free("DA-11a (2)") == round_free("DA-11a") == "DA-11a"


def test_an_outcome_that_is_told_binds() -> None:
    assert has_told(rows(forecast=OK, told=OK))
    assert not has_told(rows(forecast=OK, told=FAILED))
    assert not has_told(rows(forecast=OK))


def test_hours_that_began_without_an_outcome_are_seen_to_be_missed() -> None:
    hours, start_ms = "real-time 2026-05-28T19:00Z", 1_779_994_800_000
    left = [replace(each, session=hours) for each in rows(forecast=FAILED)]
    assert state_at(left, start_ms - 1) is SessionState.FAILED
    assert state_at(left, start_ms) is SessionState.MISSED
    told = [replace(each, session=hours, row="RT-14a") for each in rows(told=OK)]
    assert state_at(told, start_ms) is SessionState.OPEN, "the plans are to follow"
    of_a_day = [replace(each, session="day-ahead 2026-05-28") for each in rows(forecast=OK)]
    assert state_at(of_a_day, start_ms) is SessionState.OPEN
    assert state_at([], start_ms) is SessionState.OPEN
