"""Functions that a worker can name: what a zone's task does, in the ways that matter."""

import os
import signal
import time


def squared(number: int) -> int:
    return number * number


def process_of(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def refused_from_three(number: int) -> int:
    if number >= 3:
        raise ValueError(f"no {number}")
    return number


def killed(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
