"""Waiting for a peer that is away: said once when it goes, once when it is back, with jitter.

```
 peer     away──────────────────────────────────back
 tries    x  x     x         x                  o
 log      away                                  back
```
"""

import asyncio
import logging
import os

from ledger.errors import CertiflexError

_MOST_DOUBLINGS = 20
_LARGEST = 0xFFFF


class Patience:
    """Pauses between tries to reach one peer: doubling up to a bound, each drawn anew.

    Says once that the peer is away and once that it is back, however many tries lie between.

    Args:
        peer: what is waited for, as the events ``<program>.away`` and ``<program>.back`` name it.
        log: the program's own.
        longest_s: the bound.
        first_s: the longest pause after the first failure.
    """

    def __init__(
        self, peer: str, log: logging.Logger, *, longest_s: float = 30.0, first_s: float = 0.5
    ) -> None:
        self._peer = peer
        self._log = log
        self._longest_s = longest_s
        self._first_s = first_s
        self._failures = 0

    @property
    def is_away(self) -> bool:
        """Tell whether the last try failed."""
        return self._failures > 0

    def back(self) -> None:
        """Take note that the peer answered."""
        if self._failures:
            told = {"peer": self._peer, "tries": self._failures}
            self._log.info("%s.back", self._log.name, extra=told)
        self._failures = 0

    def away(self, error: CertiflexError) -> None:
        """Take note that the peer did not answer."""
        if not self._failures:
            told = {"peer": self._peer, "error": str(error)}
            self._log.warning("%s.away", self._log.name, extra=told)
        self._failures += 1

    async def pause(self) -> None:
        """Return when it is time to try again."""
        await asyncio.sleep(self.pause_s())

    async def wait_out(self, error: CertiflexError) -> None:
        """Take note that the peer did not answer, and return when it is time to try again."""
        self.away(error)
        await self.pause()

    def pause_s(self) -> float:
        """Return a pause [s] up to the present bound, never under a tenth of it."""
        doublings = min(max(self._failures - 1, 0), _MOST_DOUBLINGS)
        bound_s = min(self._first_s * 2.0**doublings, self._longest_s)
        return bound_s * (0.1 + 0.9 * _chance())


def _chance() -> float:
    """Return a number from 0 to 1, drawn so that no two nodes of a fleet draw alike."""
    return int.from_bytes(os.urandom(2), "big") / _LARGEST
