"""The node's one sequence: every record gets its number here, is kept, and only then is shown.

The slots are dense because nothing else writes: a record that does not start where the last one
ended is refused, and what could not be written is remembered as a hole until it can.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import codec
from ledger.errors import InvariantBroken
from ledger.facts.record import Gap, GapCause, Record
from ledger.facts.segment import MAX_RECORDS, Head
from lightnode.errors import StoreFailed
from lightnode.ports import Outbox, Tail
from lightnode.sealing import Seal, after

_MOST_HOLES = 1_000

log = logging.getLogger("lightnode")


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that has no number and no time yet."""

    kind: Callable[..., Record]
    fields: dict[str, Any]


class Recorder:
    """Numbers, keeps and seals records, and shows them when they are durable.

    Args:
        outbox: where they are kept.
        seal: signs the segments.
        show: is given each record once it is kept.
        announce: is called when a segment is ready to go.
    """

    def __init__(
        self,
        outbox: Outbox,
        seal: Seal,
        *,
        show: Callable[[bytes], None],
        announce: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._seal = seal
        self._show = show
        self._announce = announce
        self._lock = asyncio.Lock()
        self._sealed = Tail()
        self._tail = Tail()
        self._open: list[bytes] = []
        self._open_covers = False
        self._checkpoint: Head | None = None
        self._known = False

    async def tail(self) -> Tail:
        """Return where the sequence stands, read back from the outbox if that is in doubt.

        Raises:
            StoreFailed: the outbox does not answer.
        """
        async with self._lock:
            await self._look()
            return self._tail

    def saw_checkpoint(self, checkpoint: Head) -> None:
        """Put a log head that the node has seen into every header from now on."""
        self._checkpoint = checkpoint

    async def add(self, moment_ms: tuple[int, int], draft: Draft) -> Record:
        """Keep a record made at (slot, offset [ms]), and return it with its number.

        Raises:
            DiskFull: there is no room for it.
            StoreFailed: the outbox failed; whether the record was kept, `tail` tells.
            InvariantBroken: it does not follow on the last one.
        """
        async with self._lock:
            await self._look()
            slot, offset_ms = moment_ms
            record = draft.kind(
                sequence=self._tail.next_sequence, slot=slot, offset_ms=offset_ms, **draft.fields
            )
            encoded = codec.encode_record(record)
            rows = codec.read_rows([encoded])
            self._check_law(record, codec.row_span(rows[0]))
            await self._close_window(slot)
            await self._kept(self._outbox.append(record.sequence, encoded))
            self._open.append(encoded)
            self._tail = after(self._tail, rows)
            self._open_covers |= codec.row_span(rows[0]) is not None
            self._show(encoded)
            await self._close_if_full()
            return record

    async def note_boot(self, boot_id: bytes) -> None:
        """Remember which start of the operating system has been told of.

        Raises:
            StoreFailed: the outbox failed.
        """
        async with self._lock:
            await self._outbox.note_boot(boot_id)

    async def seal_open(self) -> None:
        """Seal what is open, as at the end of the program.

        Raises:
            StoreFailed: the outbox failed; the records are kept, and sealed at the next start.
        """
        async with self._lock:
            await self._look()
            if self._open and self._tail.next_slot is not None:
                await self._close()

    async def _look(self) -> None:
        """Read the outbox back, if a call to it has failed: it may have kept what it refused."""
        if self._known:
            return
        kept = await self._outbox.load()
        rows = _rows(kept.open_records)
        self._sealed, self._open = kept.tail, list(kept.open_records)
        self._tail = after(kept.tail, rows)
        self._open_covers = any(codec.row_span(row) for row in rows)
        self._checkpoint = self._checkpoint or kept.checkpoint
        self._known = True

    async def _close_window(self, slot: int) -> None:
        """Seal the open records if the next one belongs to a later window, or finds no room.

        Records that cover no slot may wait for the first one that does.
        """
        window_of = self._seal.identity.window_of
        is_over = self._open_covers and window_of(slot) != window_of(self._tail.last_slot)
        if is_over or len(self._open) >= MAX_RECORDS:
            await self._close()

    async def _close_if_full(self) -> None:
        """Seal at once when the window's last slot is covered; a failure is made good later."""
        next_slot, window_of = self._tail.next_slot, self._seal.identity.window_of
        if next_slot is None or window_of(next_slot) == window_of(self._tail.last_slot):
            return
        try:
            await self._close()
        except StoreFailed as error:
            log.warning("lightnode.seal_failed", extra={"error": str(error)})

    async def _close(self) -> None:
        sealed, tail = self._seal.segment(self._open, self._sealed, self._checkpoint)
        await self._kept(self._outbox.seal(sealed, tail))
        self._sealed = self._tail = tail
        self._open, self._open_covers = [], False
        log.debug(
            "lightnode.sealed",
            extra={"sequence": sealed.first_sequence, "count": sealed.count},
        )
        self._announce()

    async def _kept(self, call: Any) -> None:  # noqa: ANN401 -- any call of the outbox
        """Wait for the outbox; whatever ends the call early leaves its outcome in doubt."""
        self._known = False
        await call
        self._known = True

    def _check_law(self, record: Record, span: tuple[int, int] | None) -> None:
        expected = self._tail.next_slot
        if record.slot < self._tail.last_slot:
            raise InvariantBroken(f"slot {record.slot} after slot {self._tail.last_slot}")
        if span and expected is not None and span[0] != expected:
            raise InvariantBroken(f"slots from {span[0]}, where {expected} comes next")


class Holes:
    """Slots that ended without a record, and why, until the gaps can be written."""

    def __init__(self) -> None:
        self._until: list[tuple[int, GapCause]] = []

    def note(self, until_slot: int, cause: GapCause) -> None:
        """Remember that all slots up to `until_slot` that have no cause yet have this one."""
        if self._until and until_slot <= self._until[-1][0]:
            return
        last_cause = self._until[-1][1] if self._until else None
        if last_cause == cause or len(self._until) >= _MOST_HOLES:
            self._until[-1] = (until_slot, self._until[-1][1])
        else:
            self._until.append((until_slot, cause))

    def gaps(self, from_slot: int) -> list[Draft]:
        """Return the gaps from a slot on, in order."""
        drafts = []
        for until_slot, cause in self._until:
            if until_slot > from_slot:
                drafts.append(
                    Draft(Gap, {"from_slot": from_slot, "to_slot": until_slot, "cause": cause})
                )
                from_slot = until_slot
        return drafts

    def forget(self, until_slot: int) -> None:
        """Drop what is written up to a slot."""
        self._until = [hole for hole in self._until if hole[0] > until_slot]


def _rows(records: Sequence[bytes]) -> list[codec.Row]:
    return codec.read_rows(records) if records else []
