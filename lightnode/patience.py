"""Waiting for what is away: told once when it goes and once when it is back, with jitter."""

import asyncio
import logging
import os

from ledger.errors import CertiflexError

_FIRST_PAUSE_S = 0.5
_LARGEST = 0xFFFF

log = logging.getLogger("lightnode")


class Patience:
    """Pauses that double up to a bound, each drawn between half of itself and the whole.

    Args:
        name: what is waited for, as the events ``lightnode.away`` and ``lightnode.back`` name it.
        longest_s: the bound.
    """

    def __init__(self, name: str, *, longest_s: float) -> None:
        self._name = name
        self._longest_s = longest_s
        self._failures = 0

    def away(self, error: CertiflexError) -> None:
        """Take note of a failure; the first one in a row is told."""
        if not self._failures:
            log.warning("lightnode.away", extra={"what": self._name, "error": str(error)})
        self._failures += 1

    def back(self) -> None:
        """Take note that all is well; told if it was not."""
        if self._failures:
            log.info("lightnode.back", extra={"what": self._name, "failures": self._failures})
        self._failures = 0

    async def pause(self) -> None:
        """Wait before the next try."""
        doubled_s = _FIRST_PAUSE_S * 2.0 ** min(self._failures, 16)
        await asyncio.sleep(min(doubled_s, self._longest_s) * _jitter())


def _jitter() -> float:
    """Return a number between a half and one, never the same on a whole fleet."""
    return 0.5 + int.from_bytes(os.urandom(2), "big") / _LARGEST / 2
