"""Sessions in SQLite: what the port's suite cannot see, a file that is opened again."""

from pathlib import Path

import pytest

from central.scd.database import Database
from central.scd.sessions import RowState, SessionRow
from central.scd.sessions_store import SqliteSessions
from ledger.errors import Rejected

ROW = SessionRow(
    session="real-time 1", row="RT-7a", state=RowState.NOTHING, told="no limit breaks",
    ended_ms=1_750_000_000_000, documents=(bytes(32), bytes(range(32))),
)  # fmt: skip


def test_rows_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    first = Database(tmp_path / "evidence.db", create=True)
    SqliteSessions(first).commit_row(ROW)
    first.close()
    again = Database(tmp_path / "evidence.db")
    assert SqliteSessions(again).rows("real-time 1") == [ROW]
    again.close()


def test_two_processes_do_not_both_end_a_row(tmp_path: Path) -> None:
    one = Database(tmp_path / "evidence.db", create=True)
    other = Database(tmp_path / "evidence.db")
    SqliteSessions(one).commit_row(ROW)
    with pytest.raises(Rejected, match="RT-7a of session real-time 1 has ended before"):
        SqliteSessions(other).commit_row(ROW)
    one.close()
    other.close()
