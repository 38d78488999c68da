"""A session goes through each row once, whatever happens between two of them."""

import itertools
from dataclasses import replace

import pytest

from central.documents.header import Document
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.errors import StoreAway
from central.scd.documents import DocumentQuery
from central.scd.sessions import RowState
from central.sessions.durable import (
    MISSED,
    TOO_LATE,
    DurableSession,
    Ended,
    SessionMissed,
    SessionStopped,
)
from ledger.errors import InvariantBroken, Rejected
from ledger.signing import SigningKey
from tests.documents import ALERT, DSO, OFFER, REQUEST
from tests.fakes.scd_documents import FakeDocuments
from tests.fakes.scd_evidence import Failure
from tests.fakes.scd_sessions import FakeSessions
from tests.scd import HandClock

KEYS = {name: SigningKey.generate("EdDSA") for name in (DSO, OFFER.sender)}


class Bench:
    """One store, and as many processes over it as a test starts."""

    def __init__(self) -> None:
        self.documents = FakeDocuments()
        self.sessions = FakeSessions(self.documents)
        self.clock = HandClock(1_000)
        self.worked: list[str] = []

    def started(self) -> DurableSession:
        return DurableSession("day-ahead x", self.sessions, self.documents, KEYS, self.clock)

    def play(self, session: DurableSession) -> list[tuple[Document, ...]]:
        """Go through three rows."""

        def work(number: str, *made: Document) -> Ended:
            self.worked.append(number)
            return Ended(made)

        asked = session.row("DA-9a", lambda: work("DA-9a", self.made(REQUEST, session, "DA-9a")))
        offered = session.row("DA-5b", lambda: work("DA-5b", self.made(OFFER, session, "DA-5b")))
        acquired = session.row("DA-6b", lambda: Ended(taken=offered, told="one offer"))
        return [asked, offered, acquired]

    def made(self, like: FlexOffer | FlexRequest, session: DurableSession, number: str) -> Document:
        envelope = session.envelopes(number, like.sender)("market")
        return replace(like, **envelope.header(like.validity))


def test_every_row_is_gone_through_and_noted() -> None:
    bench = Bench()
    session = bench.started()
    asked, offered, acquired = bench.play(session)
    assert offered == acquired
    assert [row.row for row in bench.sessions.rows("day-ahead x")] == ["DA-9a", "DA-5b", "DA-6b"]
    assert [row.told for row in session.rows] == ["", "", "one offer"]
    assert len(bench.documents.documents(DocumentQuery())) == len(asked) + len(offered)


def test_an_alert_that_is_filed_is_in_the_log_and_one_read_back_is_not_told_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    for _ in range(2):
        session = bench.started()
        envelope = session.envelopes("DA-5a", DSO)("dso-operator")
        alert = replace(ALERT, **envelope.header(ALERT.validity))
        session.row("DA-5a", lambda alert=alert: Ended([alert]))  # type: ignore[misc]
    (told,) = (vars(each) for each in caplog.records if each.msg == "central.congestion")
    assert (told["mrid"], told["violations"]) == (alert.mrid, len(ALERT.violations))


@pytest.mark.parametrize(
    ("at", "how"), list(itertools.product(range(3), [Failure.LOST, Failure.KEPT]))
)
def test_after_a_kill_at_any_row_the_same_documents_are_there(at: int, how: Failure) -> None:
    untouched = Bench().play(Bench().started())
    bench = Bench()
    with pytest.raises(StoreAway):
        _until_killed(bench, at, how)
    bench.clock.at_ms += 5_000
    again = bench.play(bench.started())
    assert [[one.mrid for one in row] for row in again] == [
        [one.mrid for one in row] for row in untouched
    ]
    ended = [row.row for row in bench.sessions.rows("day-ahead x") if row.has_ended]
    assert ended == ["DA-9a", "DA-5b", "DA-6b"], "each once"
    assert len(bench.documents.documents(DocumentQuery(conflicts=True))) == 2


def _until_killed(bench: Bench, at: int, how: Failure) -> None:
    commit = bench.sessions.commit_row
    session = bench.started()
    counted = itertools.count()

    def counting(*arguments: object) -> None:
        if next(counted) == at:
            bench.sessions.failures = [how]
        commit(*arguments)  # type: ignore[arg-type]

    bench.sessions.commit_row = counting  # type: ignore[assignment]
    try:
        bench.play(session)
    finally:
        bench.sessions.commit_row = commit  # type: ignore[method-assign]
        bench.sessions.failures = []


def test_what_ended_is_read_back_and_not_worked_out_again() -> None:
    bench = Bench()
    first = bench.play(bench.started())
    bench.clock.at_ms += 60_000
    assert bench.play(bench.started()) == first
    assert bench.worked == ["DA-9a", "DA-5b"]


def test_a_row_that_fails_is_noted_and_gone_through_again() -> None:
    bench = Bench()

    def fail() -> Ended:
        raise Rejected("no past to forecast from", where="demo grid")

    with pytest.raises(Rejected):
        bench.started().row("DA-3a", fail)
    (row,) = bench.sessions.rows("day-ahead x")
    assert (row.state, row.told) == (RowState.FAILED, "demo grid: no past to forecast from")
    bench.started().note("DA-3a", "now there is")
    assert [one.state for one in bench.sessions.rows("day-ahead x")] == ["failed", "ok"]


def test_a_stopped_session_goes_no_further_in_any_process() -> None:
    bench = Bench()
    running = bench.started()
    running.note("DA-3a", "")
    bench.started().stop("the grid is rebuilt")
    with pytest.raises(SessionStopped, match="the grid is rebuilt"):
        running.note("DA-4a", "")
    running.note("DA-3a", "what ended may be read back all the same")
    bench.started().stop("again is no fault")


def test_a_party_that_is_not_played_here_cannot_be_signed_for() -> None:
    bench = Bench()
    session = DurableSession("x", bench.sessions, bench.documents, {}, bench.clock)
    with pytest.raises(Rejected, match="key_file"):
        session.row("DA-9a", lambda: Ended([REQUEST]))
    assert bench.documents.documents(DocumentQuery()) == []


def test_a_document_that_is_lost_is_told_not_made_again() -> None:
    bench = Bench()
    bench.play(bench.started())
    bench.documents.restore([])
    with pytest.raises(InvariantBroken, match="which is not there"):
        bench.play(bench.started())


# ── a session whose time is over ────────────────────────────────────────────────────────────


def timed(bench: Bench, until_ms: int) -> DurableSession:
    return replace(bench.started(), until_ms=until_ms)


def test_no_row_begins_when_the_time_is_over() -> None:
    bench = Bench()
    session = timed(bench, bench.clock.at_ms + 1)
    session.note("DA-1a", "in time")
    bench.clock.at_ms += 1
    with pytest.raises(SessionMissed, match="as far as row DA-9a"):
        bench.play(session)
    assert bench.worked == []
    assert [row.row for row in bench.sessions.rows("day-ahead x")] == ["DA-1a", MISSED]


def test_a_row_that_is_under_way_when_the_time_is_over_files_nothing() -> None:
    bench = Bench()
    session = timed(bench, bench.clock.at_ms + 10)

    def slow() -> Ended:
        bench.clock.at_ms += 10
        return Ended([bench.made(REQUEST, session, "DA-9a")])

    with pytest.raises(SessionMissed, match=TOO_LATE):
        session.row("DA-9a", slow)
    (row,) = bench.sessions.rows("day-ahead x")
    assert (row.row, row.documents) == (MISSED, ())
    assert bench.documents.documents(DocumentQuery()) == []


def test_a_session_that_was_missed_is_so_for_every_process() -> None:
    bench = Bench()
    going_on = bench.started()
    bench.started().miss("the others were faster")
    with pytest.raises(SessionMissed, match="missed: the others were faster"):
        bench.play(going_on)
    bench.started().miss("again is no fault")
    assert len(bench.sessions.rows("day-ahead x")) == 1


def test_what_must_follow_follows_when_the_time_is_put_off() -> None:
    bench = Bench()
    session = timed(bench, bench.clock.at_ms + 1)
    session.note("DA-1a", "in time")
    bench.clock.at_ms += 1
    session.until_ms += 1
    assert len(bench.play(session)) == 3
