"""Servers that start as forks of a process which has imported what they need; see `faults.forked`.

Started and killed thirty times, a program spends most of that on its imports.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT, Process, Server

_LOOK_EVERY_S = 0.005


@dataclass(slots=True)
class Fork:
    """A process whose parent is another one; how it ended is not known, only that it has."""

    pid: int

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float | None = None) -> int:
        deadline_s = time.monotonic() + (timeout or float("inf"))
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline_s:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(_LOOK_EVERY_S)
        return ended

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Mother:
    """The process that the others are forks of."""

    def __init__(self, runner: "subprocess.Popen[str]") -> None:
        self._runner = runner

    def child(self, arguments: Sequence[str], log: Path) -> Fork:
        """Return a fork that runs the program with some arguments."""
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        order = {"arguments": [*arguments], "log": str(log)}
        self._runner.stdin.write(json.dumps(order) + "\n")
        self._runner.stdin.flush()
        return Fork(int(self._runner.stdout.readline()))


@contextlib.contextmanager
def mother(program: str, *needed: str) -> Iterator[Mother]:
    """Yield what starts a program as often as wanted; `needed` are modules that it imports late."""
    command = [sys.executable, "-m", "tests.faults.forked", program, *needed]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as runner:
        yield Mother(runner)


class ForkedServer(Server):
    """A server that starts as a fork."""

    def __init__(self, of: Mother, arguments: Sequence[str], *, port: int, log: Path) -> None:
        super().__init__(arguments, port=port, log=log)
        self._mother = of

    def _launched(self) -> Process:
        return self._mother.child(self._command, self.log)
