"""Processes that anchor the market log, and kill themselves right after one of their calls.

Started once, it reads an order a line and lets a fork of itself follow it: a process like any
other, but for the seconds that imports take. Each answer is the exit status, negative for a
signal.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What is else imported on the way to a ledger, once instead of in every fork.
import ledger.chain.client  # noqa: F401
from central.config import CentralConfig
from central.service import opened
from ledger.configuration import load

_CALLS = {"advance", "begin_anchor", "keep_attempt", "chain_part", "end_anchor"}


class Dying:
    """Passes calls on to the journal or the ledger, and dies at one of them."""

    counted = 0

    def __init__(self, inner: object, point: int) -> None:
        self._inner = inner
        self._point = point

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever is there
        found = getattr(self._inner, name)
        return self._dying(found) if name in _CALLS else found

    def _dying(self, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **named: object) -> object:
            answer = call(*arguments, **named)
            Dying.counted += 1
            if Dying.counted == self._point:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return called


def anchor(file: Path, point: int) -> None:
    """Anchor until it is final, or until death; print how many calls were made."""
    config = load(CentralConfig, file, program="central").value
    with opened(config) as central, central.anchorer() as anchorer:
        carrier = anchorer._carrier
        carrier._journal = Dying(carrier._journal, point)
        carrier._ledger = Dying(carrier._ledger, point)
        anchorer._pending_s = 0.02
        anchorer.settle(give_up_s=30)
    print(Dying.counted)


def follow(order: dict[str, Any]) -> int:
    """Follow an order in a fork, and return how it ended."""
    child = os.fork()
    if child == 0:
        said = os.open(Path(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        status = 1
        try:
            anchor(Path(order["file"]), order["point"])
            status = 0
        except Exception:  # noqa: BLE001 -- told to whoever judges the process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(follow(json.loads(line)), flush=True)
