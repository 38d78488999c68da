"""Waiting without polling: a bell that cuts a wait short."""

import asyncio


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
