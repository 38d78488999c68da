"""A process that anchors the market log, and kills itself right after one of its calls."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def main(file: Path, point: int) -> None:
    """Anchor until it is final, or until death; print how many calls were made."""
    config = load(CentralConfig, file, program="central").value
    with opened(config) as central, central.anchorer() as anchorer:
        carrier = anchorer._carrier
        carrier._journal = Dying(carrier._journal, point)
        carrier._ledger = Dying(carrier._ledger, point)
        anchorer._pending_s = 0.02
        anchorer.settle(give_up_s=30)
    print(Dying.counted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
