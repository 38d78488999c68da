"""Waiting without polling: bells that cut a wait short, pauses that grow while a peer is away.

```
 peer     away──────────────────────────────────back
 tries    x  x     x         x                  o
 log      away                                  back
```
"""

import asyncio
import logging
import random

from ledger.errors import CertiflexError

log = logging.getLogger("gateway")


class Bell:
    """Wakes one waiting task; a ring while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the present wait, or the next one at once."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> bool:
        """Tell whether the bell rang; False after `timeout_s` of silence."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Patience:
    """Pauses between tries to reach one peer: doubling, with full jitter, bounded.

    Says once that the peer is away and once that it is back, however many tries lie between.
    """

    def __init__(self, peer: str, *, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        self._peer = peer
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    @property
    def is_away(self) -> bool:
        """Tell whether the last try failed."""
        return self._failures > 0

    def back(self) -> None:
        """Take note that the peer answered."""
        if self._failures:
            log.info("gateway.back", extra={"peer": self._peer, "tries": self._failures})
        self._failures = 0

    async def away(self, error: CertiflexError) -> None:
        """Take note that the peer did not answer, and return when it is time to try again."""
        if not self._failures:
            log.warning("gateway.away", extra={"peer": self._peer, "error": str(error)})
        self._failures += 1
        await asyncio.sleep(self.pause_s())

    def pause_s(self) -> float:
        """Return a random pause [s] up to the present bound, never under a tenth of it."""
        bound_s = min(self._first_s * 2 ** min(self._failures - 1, 20), self._longest_s)
        return random.uniform(bound_s / 10, bound_s)  # noqa: S311 -- jitter keeps no secret
