"""A clock wound by hand: nobody wakes before somebody winds it."""

import asyncio
from collections.abc import Callable


class HandClock:
    """The port `Clock`; `wind` lets time pass."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._wound = asyncio.Event()
        self.sleepers = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms

    def wind(self, by_ms: int) -> None:
        """Let time pass and wake who waited for it."""
        self._now_ms += by_ms
        self._wound.set()

    async def sleep_until(self, unix_ms: int) -> None:
        self.sleepers += 1
        while self._now_ms < unix_ms:
            self._wound.clear()
            await self._wound.wait()
        self.sleepers -= 1


async def until(holds: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Return as soon as something holds that tasks under test bring about; fail if they do not."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 -- what is watched rings no bell
            await asyncio.sleep(0.001)
