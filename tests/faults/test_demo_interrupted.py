"""Ctrl-C at the terminal in the middle of the demo: all ends in seconds, and that is told."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import ROOT

CTRL_C = b"\x03"
WAIT_S, SOON_S, PATIENCE_S = 60.0, 8.0, 0.05
# A terminal of its own: what is typed into it reaches its foreground processes as signals do.
TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@dataclass
class Demo:
    """A demo at a terminal.

    Args:
        terminal: the process that holds it; it ends as the demo does.
        screen: what the terminal was sent.
    """

    terminal: "subprocess.Popen[bytes]"
    screen: Path

    @property
    def programs(self) -> list[psutil.Process]:
        """Return what the demo has started and what still lives of it."""
        inside = psutil.Process(self.terminal.pid).children()
        return [each for demo in inside for each in demo.children(recursive=True)]

    def program(self, words: str) -> psutil.Process:
        """Return a program by some words of its command line, once it has started."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            found[:] = [each for each in self.programs if words in " ".join(cmdline(each))]
            return bool(found)

        self.until(is_there)
        return found[0]

    def press_ctrl_c(self) -> None:
        """Type it."""
        assert self.terminal.stdin is not None
        self.terminal.stdin.write(CTRL_C)
        self.terminal.stdin.flush()

    def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as something holds."""
        deadline_s = time.monotonic() + WAIT_S
        while not holds():
            assert is_on(self.terminal), self.said()
            assert time.monotonic() < deadline_s, self.said()
            time.sleep(PATIENCE_S)

    def said(self) -> str:
        """Return what the terminal was sent, without what moves its cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.screen.read_text(errors="replace"))


def cmdline(process: psutil.Process) -> list[str]:
    """Return the command line of a process, nothing of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_on(terminal: "subprocess.Popen[bytes]") -> bool:
    """Tell whether somebody still works at a terminal."""
    return terminal.poll() is None


@contextmanager
def demo_at_terminal(folder: Path) -> Iterator[Demo]:
    """Yield a small demo at a terminal; none of it is left behind."""
    screen = folder / "screen"
    demo = [sys.executable, "-m", "hil", "demo", "--nodes", "6", "--directory", str(folder / "d")]
    with screen.open("wb") as output:
        terminal = subprocess.Popen(
            [sys.executable, "-c", TERMINAL, *demo],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield Demo(terminal, screen)
    finally:
        left = psutil.Process(terminal.pid).children(recursive=True) if is_on(terminal) else []
        terminal.kill()
        for each in left:
            each.kill()
        terminal.communicate()


def need_end(demo: Demo, programs: list[psutil.Process]) -> None:
    """Need an end within seconds, told as such, with no program left and no stack trace."""
    assert demo.terminal.wait(SOON_S) == 130
    said = demo.said()
    assert "Traceback" not in said
    assert said.rstrip().splitlines()[-1].startswith("interrupted: all has ended; logs in ")
    assert [each for each in programs if each.is_running()] == []


def test_ctrl_c_ends_the_demo_and_all_that_it_has_started(tmp_path: Path) -> None:
    with demo_at_terminal(tmp_path) as demo:
        demo.program("chain account new")
        programs = demo.programs
        assert len(programs) == 3, "commands that the stage is set by"
        demo.press_ctrl_c()
        need_end(demo, programs)


def test_ctrl_c_once_more_kills_what_does_not_end(tmp_path: Path) -> None:
    with demo_at_terminal(tmp_path) as demo:
        chain = demo.program("chain serve")
        demo.until(lambda: bool(chain.net_connections(kind="tcp")))
        programs = demo.programs
        chain.suspend()
        demo.press_ctrl_c()
        demo.until(lambda: "once more kills" in demo.said())
        time.sleep(1.0)
        assert chain.is_running(), "nothing was left to kill"
        demo.press_ctrl_c()
        need_end(demo, programs)
