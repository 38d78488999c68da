"""Functions that a worker can name: what a zone's task does, in the ways that matter."""

import os
import signal
import time
from pathlib import Path


def squared(number: int) -> int:
    return number * number


def process_of(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def threads_for_linear_algebra(_: int) -> int:
    before = len(list(Path("/proc/self/task").iterdir()))
    import numpy as np  # noqa: PLC0415 -- as a worker does: with its first task

    square = np.ones((600, 600))
    assert (square @ square)[0, 0] == 600
    return 1 + len(list(Path("/proc/self/task").iterdir())) - before


def refused_from_three(number: int) -> int:
    if number >= 3:
        raise ValueError(f"no {number}")
    return number


def killed(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
