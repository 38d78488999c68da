"""Programs of `certiflex` as forks of a process that has imported what one of them needs.

    python -m tests.faults.forked PROGRAM [MODULE …]

A process like any other, but for the second that its imports take: what is killed thirty times
need not import thirty times. An order a line, `{"arguments": […], "log": FILE}`, is answered
with the number of the process that follows it.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def follow(program: Any, arguments: Sequence[str], log: Path) -> int:  # noqa: ANN401 -- a module
    """Let a fork run a program, and return its number."""
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, end in enumerate((nothing, said, said)):
        os.dup2(end, number)
    status = 1
    try:
        status = program.main(arguments)
    except BaseException:  # noqa: BLE001 -- as an interpreter ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main(program: str, needed: Sequence[str]) -> None:
    """Read orders and have them followed, until there are no more."""
    known = importlib.import_module(f"{program}.__main__")
    for name in needed:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has died is gone at once
    for line in sys.stdin:
        order = json.loads(line)
        print(follow(known, order["arguments"], Path(order["log"])), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
