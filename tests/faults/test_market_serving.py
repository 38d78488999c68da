"""The real service on a clock that is wound up: ended by SIGTERM, started again, it goes on."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from central.calendar import gate_ms
from central.config import CentralConfig
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import opened
from central.sessions.states import SessionState, state_of
from ledger.configuration import load
from tests.desks import DAY
from tests.rooms import Room, Told
from tests.servers import ROOT
from tests.villages import PEAK_SHARE, village, village_history, village_seats

DAY_AHEAD = f"day-ahead {DAY.isoformat()}"
SAID = "served.log"
WAIT_S, PATIENCE_S = 60.0, 0.1


@contextmanager
def served(room: Room) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the service; it is told to end, and ends well."""
    command = [sys.executable, "-m", "central", "market", "serve", "-c", str(room.config)]
    with (room.folder / SAID).open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
        process.terminate()
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait(WAIT_S)


def until(room: Room, holds: Callable[[list[SessionRow]], bool]) -> list[SessionRow]:
    """Return the day's rows as soon as something holds of them."""
    config = load(CentralConfig, room.config, program="central").value
    deadline_s = time.monotonic() + WAIT_S
    with opened(config) as central:
        while not holds(rows := SqliteSessions(central.database).rows(DAY_AHEAD)):
            assert time.monotonic() < deadline_s, (room.folder / SAID).read_text()
            time.sleep(PATIENCE_S)
    return rows


@pytest.mark.timeout(180)
def test_the_service_ends_after_a_row_and_goes_on_when_started_again(
    tmp_path: Path, capsys: Told
) -> None:
    past = village_history(DAY, PEAK_SHARE)
    room = Room(tmp_path, DAY, past, None, village_seats(), village())
    room.open(capsys)
    room.set_clock(gate_ms(DAY) - 120_000)
    with served(room):
        until(room, lambda rows: len(rows) >= 1)
    left = until(room, lambda _: True)
    assert state_of(left) is SessionState.OPEN, "in the middle, and nothing failed"
    with served(room):
        until(room, lambda rows: any(row.row == "DA-2c" for row in rows))
        held = until(room, lambda _: True)
    assert held[-1].row == "DA-2c", "the gate is open: whoever has time hands in"
    assert held[: len(left)] == left
    room.set_clock(gate_ms(DAY) + 3_000)
    with served(room):
        rows = until(room, lambda rows: state_of(rows) is not SessionState.OPEN)
    assert state_of(rows) is SessionState.PUBLISHED
    assert len({row.row for row in rows}) == len(rows)
    said = (room.folder / SAID).read_text()
    assert said.count("market.serving") == said.count("market.ended") == 3
    for step in ("DA-1a", "DA-6b", "DA-18a"):
        assert f'session.step step={step} session="{DAY_AHEAD}"' in said
    assert f'market.session_state session="{DAY_AHEAD}" state=published' in said
    assert "real-time" in said, "the hours are traded too"
    assert "Traceback" not in said
