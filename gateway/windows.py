"""Closing a window: exactly one leaf for each enrolled node, in the log before anybody hears of it.

```
 close ──► stage (journal) ──► append (log) ──► publish (checkpoint) ──► tell, anchor
```

A crash before `stage` never closed the window. A crash after it leaves the window staged, and
the next start appends and publishes the very same bytes: `follow` is the only way into the log.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from gateway.ports import Member, WindowJournal, WindowLog
from gateway.registry import registry_root
from ledger import merkle
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.codec import encode_window_entry, encode_window_leaves
from ledger.errors import InvariantBroken, Unavailable
from ledger.facts.clock import Clock
from ledger.facts.segment import Head
from ledger.facts.window import WindowEntry
from ledger.patience import Patience
from ledger.signing import SigningKey

MOST_PER_LEAF = 4_096
_FORGOTTEN_AT_ONCE = 5_000
_FORGETTING_ROUNDS = 10

log = logging.getLogger("gateway")


class Forgetting(Protocol):
    """Drops, durably, what nobody needs any more; what is not certified always stays."""

    def prune(self, cutoff_ms: int, *, most: int) -> int:
        """Forget certified segments admitted before an instant; return how many."""
        ...

    def prune_windows(self, cutoff_ms: int) -> None:
        """Forget certified windows closed before an instant."""
        ...


class WindowCloser:
    """Closes a window at every multiple of `window_ms`, a little later, never in bursts."""

    def __init__(
        self,
        *,
        journal: WindowJournal,
        forgetting: Forgetting,
        log_: WindowLog,
        key: SigningKey,
        origin: str,
        clock: Clock,
        order: asyncio.Lock,
        closed: Callable[[], None],
        window_ms: int = 60_000,
        delay_ms: int = 10_000,
        keep_ms: int = 172_800_000,
    ) -> None:
        self._journal = journal
        self._forgetting = forgetting
        self._log = log_
        self._key = key
        self._origin = origin
        self._clock = clock
        self._order = order
        self._closed = closed
        self._window_ms = window_ms
        self._delay_ms = delay_ms
        self._keep_ms = keep_ms
        self._patience = Patience("journal.windows", log, longest_s=5.0)
        self._published: Head | None = None
        self._has_begun = False

    @property
    def head(self) -> Head | None:
        """Return size and root of the published log; None while it is empty."""
        return self._published

    async def run(self) -> None:
        """Close windows until cancelled.

        Raises:
            InvariantBroken: journal and log contradict each other.
        """
        await self._persist(self.begin)
        while True:
            due_ms = self._next_due_ms(self._clock.now_ms())
            await self._clock.sleep_until(due_ms)
            number = await asyncio.to_thread(self._journal.next_window)
            await self._persist(partial(self.close_window, number))
            await asyncio.to_thread(self._forget)

    def begin(self) -> None:
        """Take up the log where the last start left it: what is staged is appended now.

        Raises:
            InvariantBroken: journal and log contradict each other.
            Unavailable: the disk is away.
        """
        if self._has_begun:
            return
        size, staged = self._log.size, self._journal.next_window()
        if size > staged:
            raise InvariantBroken(
                f"the log has {size} windows, the journal knows {staged}",
                remedy="the journal was restored from an old backup: restore a newer one",
            )
        known = dict(self._journal.staged_from(size - 1)) if size else {}
        if size - 1 in known and known[size - 1] != self._log.entry(size - 1):
            raise InvariantBroken(f"window {size - 1} differs between log and journal")
        self._published = (size, self._log.root(size)) if size else None
        self.follow()
        self._has_begun = True

    async def close_window(self, number: int) -> None:
        """Close window `number`, if it is not closed already, and put it into the log.

        Raises:
            Unavailable: the disk is away; what was staged stays staged.
        """
        async with self._order:
            await asyncio.to_thread(self._stage, number)
        await asyncio.to_thread(self.follow)
        self._closed()

    def follow(self) -> None:
        """Append every staged window that the log lacks, in order, and publish the head.

        Raises:
            InvariantBroken: a staged window is missing.
            Unavailable: the disk is away; the next call goes on from there.
        """
        for number, entry in self._journal.staged_from(self._log.size):
            if number != self._log.size:
                raise InvariantBroken(f"window {self._log.size} is missing, {number} is there")
            self._log.append(entry)
        size = self._log.size
        if size and (self._published is None or self._published[0] != size):
            head = Checkpoint(self._origin, size, self._log.root(size))
            self._log.publish(sign_checkpoint(head, self._key))
            self._published = (size, head.root)

    def _stage(self, number: int) -> None:
        if self._journal.next_window() != number:
            # The stage was kept, though reported failed.
            return
        registry = self._journal.delivered_registrations()
        if not registry:
            # Nobody is enrolled, or nobody knows which registry the other side has.
            return
        members = _limited(self._journal.unwindowed())
        closed_ms = self._clock.now_ms()
        entry = WindowEntry(
            origin=self._origin,
            window=number,
            closed_ms=closed_ms,
            node_count=len(registry),
            root=window_root(number, len(registry), members),
            registry_root=registry_root(registry),
        )
        self._journal.stage(number, encode_window_entry(entry), closed_ms, members)
        log.info(
            "gateway.window_closed",
            extra={"window": number, "nodes": len(registry), "segments": len(members)},
        )

    def _next_due_ms(self, now_ms: int) -> int:
        start_ms = now_ms - self._delay_ms
        return start_ms - start_ms % self._window_ms + self._window_ms + self._delay_ms

    async def _persist(self, step: Callable[[], object]) -> None:
        """Take a step until the disk lets it through."""
        while True:
            try:
                outcome = step()
                if asyncio.iscoroutine(outcome):
                    await outcome
            except Unavailable as error:
                await self._patience.wait_out(error)
            else:
                self._patience.back()
                return

    def _forget(self) -> None:
        cutoff_ms = self._clock.now_ms() - self._keep_ms
        try:
            for _ in range(_FORGETTING_ROUNDS):
                if self._forgetting.prune(cutoff_ms, most=_FORGOTTEN_AT_ONCE) < _FORGOTTEN_AT_ONCE:
                    break
            self._forgetting.prune_windows(cutoff_ms)
        except Unavailable as error:
            log.info("gateway.not_forgotten", extra={"error": str(error)})


def window_root(number: int, node_count: int, members: Sequence[Member]) -> bytes:
    """Return the root over leaves 0 … `node_count` - 1: a node without members is ABSENT.

    Raises:
        InvariantBroken: a member's node is not among them.
    """
    present = {
        node: [member.header_hash for member in group]
        for node, group in groupby(members, key=attrgetter("node_index"))
    }
    if present and not 0 <= max(present) < node_count:
        raise InvariantBroken(f"node {max(present)} is in a window of {node_count} nodes")
    leaves = encode_window_leaves(number, node_count, present)
    return merkle.root(list(map(merkle.leaf_hash, leaves)))


def _limited(members: Sequence[Member]) -> list[Member]:
    """Return members without those that do not fit into their node's leaf: they come next."""
    limited: list[Member] = []
    for _, group in groupby(members, key=attrgetter("node_index")):
        limited.extend(list(group)[:MOST_PER_LEAF])
    return limited
