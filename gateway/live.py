"""Unsigned live records, passed on for operators' screens: best effort, never kept."""

import asyncio
import logging

from gateway.ports import Central, Message, Uplink
from gateway.registry import Keyring
from gateway.tally import Tally
from ledger.codec import decode_record
from ledger.errors import Refused, Rejected, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.topics import node_of
from ledger.patience import Patience

_MOST = 500
_GATHER_S = 0.2

log = logging.getLogger("gateway")


class LivePassage:
    """Passes live records of enrolled nodes on, a few times a second."""

    def __init__(
        self, *, uplink: Uplink, central: Central, keyring: Keyring, clock: Clock, tally: Tally
    ) -> None:
        self._uplink = uplink
        self._central = central
        self._keyring = keyring
        self._clock = clock
        self._tally = tally
        self._patience = Patience("central.live", log, longest_s=10.0)

    async def run(self) -> None:
        """Pass on until cancelled; what cannot be passed on now is worth nothing later."""
        while True:
            records = self._known(await self._uplink.live(_MOST))
            try:
                if records:
                    await self._central.live(records)
            except (Unavailable, Refused) as error:
                await self._patience.wait_out(error)
                continue
            self._patience.back()
            self._tally.live_records += len(records)
            await asyncio.sleep(_GATHER_S)

    def _known(self, messages: list[Message]) -> list[tuple[int, bytes]]:
        now_ms = self._clock.now_ms()
        return [
            (node_index, message.payload)
            for message in messages
            if (node_index := self._checked(message, now_ms)) is not None
        ]

    def _checked(self, message: Message, now_ms: int) -> int | None:
        try:
            node_index = node_of(message.topic)
            decode_record(message.payload)
        except (ValueError, Rejected):
            self._tally.refused["live_record"] += 1
            return None
        return node_index if self._keyring.admits(node_index, now_ms) else None
