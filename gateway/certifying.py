"""Telling the Shared Customer Database about registry, windows and anchors, in the one order.

```
 registry v ──► windows closed under v ──► registry v+1 ──► …
                windows < size ──► anchor of size
```

The database checks a window against the registry as it knows it at that moment, so no window may
be closed under a registry that it does not have, and none may be told late.
"""

import asyncio
import logging

from gateway.bell import Bell
from gateway.errors import OtherWindow
from gateway.ports import Central, RegistryJournal, WindowJournal
from ledger.chain.values import Anchor, Submission
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.errors import InvariantBroken, Refused, Unavailable
from ledger.patience import Patience
from ledger.signing import SigningKey

_REGISTRATIONS_AT_ONCE = 2_000
_LONGEST_WAIT_S = 5.0

log = logging.getLogger("gateway")


class Certifier:
    """The only one who tells registry, windows and anchors."""

    def __init__(
        self,
        *,
        windows: WindowJournal,
        registry: RegistryJournal,
        central: Central,
        key: SigningKey,
        origin: str,
        bell: Bell,
    ) -> None:
        self._windows = windows
        self._registry = registry
        self._central = central
        self._key = key
        self._origin = origin
        self._bell = bell
        self._telling = asyncio.Lock()
        self.order = asyncio.Lock()
        self.patience = Patience("central.windows", log)

    async def run(self) -> None:
        """Tell what is to be told until cancelled."""
        while True:
            try:
                await self.tell_registry()
                await self.tell_windows()
                await self.tell_anchors()
            except (Unavailable, Refused) as error:
                await self.patience.wait_out(error)
                continue
            self.patience.back()
            await self._bell.wait(_LONGEST_WAIT_S)

    async def tell_registry(self) -> None:
        """Hand over changed registrations, after every window that was closed before them."""
        if not await asyncio.to_thread(self._registry.undelivered_registrations):
            return
        async with self._telling:
            while changed := await asyncio.to_thread(self._registry.undelivered_registrations):
                part = changed[:_REGISTRATIONS_AT_ONCE]
                # From here until the answer is durable, no window can be closed: a crash in
                # between leaves open which registry the other side has.
                async with self.order:
                    await self._tell_windows()
                    await asyncio.to_thread(self._registry.registrations_offered, part)
                    await self._central.registry([encoded for _, encoded in part])
                    await asyncio.to_thread(self._registry.registrations_delivered, part)
                log.info("gateway.registry_told", extra={"nodes": len(part)})

    async def tell_windows(self) -> None:
        """Hand over closed windows, in order."""
        async with self._telling:
            await self._tell_windows()

    async def tell_anchors(self) -> None:
        """Tell final anchors, each after all its windows; then their stage is dropped."""
        async with self._telling:
            for anchor in await asyncio.to_thread(self._windows.uncertified_anchors):
                await self._tell_windows()
                await self._central.anchor(self._note(anchor), anchor.chain_part or b"")
                await asyncio.to_thread(self._windows.certified, anchor)
                log.info("gateway.certified", extra={"anchor": anchor.number, "gas": anchor.gas})

    async def _tell_windows(self) -> None:
        while window := await asyncio.to_thread(self._windows.first_untold_window):
            try:
                await self._central.window(window)
            except OtherWindow as other:
                await self._agree(window.number, other)
            else:
                await asyncio.to_thread(self._windows.window_told, window.number)

    async def _agree(self, number: int, other: OtherWindow) -> None:
        """Take over what the other side expects: an answer was lost, or a backup restored."""
        if other.expected == number:
            raise other
        if other.expected > number:
            if other.expected > await asyncio.to_thread(self._windows.next_window):
                raise other
            log.info("gateway.window_known", extra={"window": number, "expected": other.expected})
            await asyncio.to_thread(self._windows.window_told, number)
            return
        log.warning("gateway.windows_lost", extra={"from": other.expected, "window": number})
        await asyncio.to_thread(self._windows.window_told, other.expected, told=False)

    def _note(self, anchor: Anchor) -> str:
        if not isinstance(anchor.order, Submission):
            raise InvariantBroken("an anchor of windows is no submission")
        head = Checkpoint(self._origin, anchor.order.size, anchor.order.root)
        return sign_checkpoint(head, self._key)
