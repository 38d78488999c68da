"""The real process killed at every row of both markets' sessions, on real files.

Each row sees one kill right after it was kept, and one within its transaction where it files
documents. What is there at the end is what an undisturbed run publishes, each once.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from central.calendar import day_start_ms
from central.config import CentralConfig
from central.documents.encoding import opened as opened_document
from central.scd.documents import DocumentQuery
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import opened
from ledger.configuration import load
from tests.desks import DAY
from tests.floors import without_names
from tests.rooms import Room, Told
from tests.servers import ROOT
from tests.villages import village, village_history, village_seats

EVENING_S = 18 * 3_600 + 960
SHARE = 2.3
DAY_AHEAD = f"day-ahead {DAY.isoformat()}"
HOURS = f"real-time {DAY.isoformat()}T16:30Z"
RUNS = {DAY_AHEAD: ("--day", DAY.isoformat()), HOURS: ("--hours",)}


@dataclass
class Stage:
    """A room, and the process whose forks run the market in it."""

    room: Room
    runner: "subprocess.Popen[str]"

    def run(self, *arguments: str, die: str = "") -> int:
        """Return how a command ended; killed, the signal below 0."""
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        order = {
            "arguments": [*arguments, "-c", str(self.room.config)],
            "die": die,
            "log": str(self.room.folder / "said.log"),
        }
        self.runner.stdin.write(json.dumps(order) + "\n")
        self.runner.stdin.flush()
        return int(self.runner.stdout.readline())

    def seen(self, session: str) -> tuple[list[SessionRow], Counter[str]]:
        """Return a session's rows, and what all documents of the market say, from the files."""
        with opened(load(CentralConfig, self.room.config, program="central").value) as central:
            rows = SqliteSessions(central.database).rows(session)
            stored = central.documents.documents(DocumentQuery(limit=10_000, conflicts=True))
        return rows, Counter(without_names(opened_document(each.signed)[0]) for each in stored)


@pytest.fixture
def stages(tmp_path: Path, capsys: Told) -> Iterator[list[Stage]]:
    """Return two rooms that are alike: one for peace, one for the kills."""
    command = [sys.executable, "-m", "tests.faults.market_runner"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as runner:
        made = []
        for name in ("peace", "kills"):
            (tmp_path / name).mkdir()
            past = village_history(DAY, SHARE)
            room = Room(tmp_path / name, DAY, past, None, village_seats(), village())
            room.open(capsys)
            made.append(Stage(room, runner))
        yield made


def kill_at_every_row(stage: Stage, session: str, expected: list[SessionRow]) -> None:
    """Run a session through a kill after every row, and one within each that has documents."""
    rows, before = stage.seen(session)
    for row in expected:
        if row.documents:
            assert stage.run("market", "run", *RUNS[session], die="within") == -signal.SIGKILL
            assert stage.seen(session) == (rows, before), "nothing is half-published"
        assert stage.run("market", "run", *RUNS[session], die="kept") == -signal.SIGKILL
        more, after = stage.seen(session)
        assert more[:-1] == rows
        assert (more[-1].row, more[-1].state) == (row.row, row.state), "one row more, the next"
        assert len(more[-1].documents) >= sum((after - before).values())
        rows, before = more, after


@pytest.mark.timeout(300)
def test_killed_at_every_row_the_same_is_published_once(stages: list[Stage]) -> None:
    for session, arguments in RUNS.items():
        if session == HOURS:
            for each in stages:
                each.room.set_clock(day_start_ms(DAY) + EVENING_S * 1_000)
        peace, killed = stages
        assert peace.run("market", "run", *arguments) == 0
        rows, said = peace.seen(session)
        kill_at_every_row(killed, session, rows)
        assert killed.run("market", "run", *arguments) == 0
        assert killed.seen(session)[1] == said
        export, trust = (str(killed.room.folder / f"{session[:4]} {each}") for each in ("x", "t"))
        told = killed.run("market", "export", session, "--to", export, "--trust-to", trust)
        assert told == 0
        assert killed.run("market", "verify", export, "--trust", trust) == 0
