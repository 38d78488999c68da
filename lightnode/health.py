"""How the node is: a small file for people and programs, written once a minute."""

import contextlib
import ctypes
import gc
import json
import logging
from pathlib import Path
from typing import Any

from ledger.facts.clock import Clock
from lightnode.errors import StoreFailed
from lightnode.ports import Outbox
from lightnode.sampling import Tally
from lightnode.uplink import Uplink

_FILE = "health.json"
_SCHEMA = "certiflex/lightnode-health/v1"
_PERIOD_MS = 60_000
# Starting up leaves garbage; after that there is little.
_TRIMMED_AT = frozenset({0, 1, 2})
_TRIMMED_EVERY = 240

log = logging.getLogger("lightnode")


class Health:
    """Writes ``health.json`` in the node's folder.

    Args:
        folder: the node's own.
        clock: tells when.
        tally: what was sampled.
        uplink: what was delivered.
        outbox: what waits.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, tally: Tally, uplink: Uplink, outbox: Outbox
    ) -> None:
        self._file = folder / _FILE
        self._clock = clock
        self._tally = tally
        self._uplink = uplink
        self._outbox = outbox

    async def run(self) -> None:
        """Write until cancelled; a disk that cannot be written is no reason to stop."""
        minutes = 0
        while True:
            with contextlib.suppress(OSError, StoreFailed):
                self._write(await self.state())
            if minutes in _TRIMMED_AT or minutes % _TRIMMED_EVERY == 0:
                trim_memory()
            minutes += 1
            now_ms = self._clock.now_ms()
            await self._clock.sleep_until(now_ms - now_ms % _PERIOD_MS + _PERIOD_MS)

    async def state(self) -> dict[str, Any]:
        """Return how the node is.

        Raises:
            StoreFailed: the outbox does not answer.
        """
        tally = self._tally
        return {
            "schema": _SCHEMA,
            "time_ms": self._clock.now_ms(),
            "last_slot": tally.last_slot,
            "readings": tally.readings,
            "gap_slots": dict(tally.gap_slots),
            "segments_waiting": await self._outbox.waiting(),
            "segments_released": self._uplink.released,
            "broker_connected": self._uplink.is_connected,
            "clock_synchronised": tally.clock_synchronised,
            "clock_error_ms": tally.clock_error_ms,
        }

    def _write(self, state: dict[str, Any]) -> None:
        sheet = self._file.with_suffix(".new")
        sheet.write_text(json.dumps(state) + "\n", encoding="utf-8")
        sheet.replace(self._file)


def trim_memory() -> None:
    """Give memory that is no longer used back to the system, where the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
