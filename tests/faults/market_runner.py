"""Processes that run `certiflex central`, and kill themselves at one of a session's rows.

Started once, it reads an order a line and lets a fork of itself follow it: a process like any
other, but for the seconds that imports take. Each answer is the exit status, negative for a
signal.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What a verb imports when it runs, once instead of in every fork.
import pyarrow.dataset  # noqa: F401

import central.markets.running  # noqa: F401
from central.__main__ import main
from central.scd import documents_store, sessions_store
from central.scd.documents import CheckedDocument
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions


def die_in_next_row(*, kept: bool) -> None:
    """Die at the next row that ends: in its transaction, or right after it was kept.

    Within means when the last document of the row is written, and nothing committed; of a row
    without documents, when it would have begun.
    """
    commit, write = SqliteSessions.commit_row, documents_store.commit_on
    left = 0

    def row_committed(
        self: SqliteSessions, row: SessionRow, documents: Sequence[CheckedDocument] = ()
    ) -> None:
        nonlocal left
        left = len(documents)
        if not kept and not left:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, row, documents)
        os.kill(os.getpid(), signal.SIGKILL)

    def written(*arguments: Any) -> Any:  # noqa: ANN401 -- passed on
        nonlocal left
        outcome = write(*arguments)
        left -= 1
        if not kept and not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    SqliteSessions.commit_row = row_committed  # type: ignore[method-assign]
    vars(sessions_store)["commit_on"] = written


def follow(order: dict[str, Any]) -> int:
    """Follow an order in a fork, and return how it ended."""
    child = os.fork()
    if child == 0:
        said = os.open(Path(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if order["die"]:
            die_in_next_row(kept=order["die"] == "kept")
        status = main(order["arguments"])
        sys.stdout.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(follow(json.loads(line)), flush=True)
