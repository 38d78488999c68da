"""Following the registry: what a command changes in the journal holds within a second."""

import asyncio
import logging
from collections.abc import Callable

from gateway.bell import Bell
from gateway.ports import RegistryJournal
from gateway.registry import Keyring
from ledger.codec import decode_registration
from ledger.errors import Unavailable
from ledger.patience import Patience

_LOOK_S = 0.5

log = logging.getLogger("gateway")


class RegistryFollower:
    """Keeps the keyring what the journal says, also while commands change it."""

    def __init__(
        self, *, journal: RegistryJournal, keyring: Keyring, changed: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._keyring = keyring
        self._changed = changed
        self._version = 0
        self._bell = Bell()
        self._patience = Patience("journal.registry", log, longest_s=1.0)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.follow)
            except Unavailable as error:
                await self._patience.wait_out(error)
                continue
            self._patience.back()
            await self._bell.wait(_LOOK_S)

    def follow(self) -> None:
        """Take over what has changed since the last call.

        Raises:
            Unavailable: the journal is away.
        """
        # The version first: what changes in between is seen again next time, never missed.
        version = self._journal.registry_version()
        if version == self._version:
            return
        registrations = self._journal.registrations_since(self._version)
        self._keyring.update(map(decode_registration, registrations))
        self._version = version
        log.info("gateway.registry", extra={"version": version, "nodes": len(self._keyring)})
        self._changed()
