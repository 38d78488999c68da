"""What the light node's tasks need from the world, each with its guarantee first."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ledger.facts.receipt import StoredSegment
from ledger.facts.segment import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the meter said in one poll; positive power is taken from the grid."""

    power_w: int
    reactive_power_var: int
    voltages_mv: tuple[int, ...]
    currents_ma: tuple[int, ...]
    frequency_mhz: int
    import_wh: int
    export_wh: int


class Meter(Protocol):
    """Guarantee: what `read` returns was measured after `read` was called.

    A late or foreign answer, a broken frame, a value that is no number or that this meter cannot
    show is never returned: it becomes a fault with its cause. One `read` at a time; the caller
    owns the meter and its bus.
    """

    async def read(self, budget_s: float) -> Measurement:
        """Return a new measurement within the budget [s of the machine's own clock].

        Raises:
            MeterFault: none could be had, and why.
        """
        ...

    async def close(self) -> None:
        """Let go of the bus; a later `read` takes hold of it again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Where a node's chain of segments ends, so that the next one can be linked to it.

    `next_slot` is the first slot that no record covers yet, None before the first of all.
    """

    next_sequence: int = 0
    next_slot: int | None = None
    last_slot: int = 0
    previous_hash: bytes = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSegment:
    """A signed segment as it travels, with what it is known by."""

    first_sequence: int
    count: int
    header_hash: bytes
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the outbox holds: the chain's tail, and the records after it, oldest first."""

    tail: Tail
    open_records: tuple[bytes, ...]
    boot_id: bytes | None
    checkpoint: Head | None


class Outbox(Protocol):
    """Guarantee: what a call returned from survives kill -9 and loss of power, as a whole.

    A call that raises may have been kept or not: `load` tells. Nothing is forgotten but by
    `release`. A segment that the disk has spoilt is never handed out.
    """

    async def load(self) -> Kept:
        """Return the tail and the records that are not sealed yet.

        Raises:
            StoreFailed: the disk does not answer.
        """
        ...

    async def note_boot(self, boot_id: bytes) -> None:
        """Remember which start of the operating system this is.

        Raises:
            StoreFailed: see the guarantee.
        """
        ...

    async def append(self, sequence: int, record: bytes) -> None:
        """Keep one record.

        Raises:
            DiskFull: there is no room.
            StoreFailed: see the guarantee.
        """
        ...

    async def seal(self, segment: SealedSegment, tail: Tail) -> None:
        """Put a segment in the place of the open records that it holds.

        Raises:
            StoreFailed: see the guarantee.
        """
        ...

    async def release(self, stored: Sequence[StoredSegment], checkpoint: Head | None) -> int:
        """Forget these segments, as far as they match to the hash; return how many that were.

        Raises:
            StoreFailed: see the guarantee.
        """
        ...

    async def after(self, sequence: int, limit: int) -> list[SealedSegment]:
        """Return the oldest segments that start after a sequence.

        Raises:
            StoreFailed: the disk does not answer.
        """
        ...

    async def newest(self) -> SealedSegment | None:
        """Return the segment sealed last, if it is still here.

        Raises:
            StoreFailed: the disk does not answer.
        """
        ...

    async def waiting(self) -> int:
        """Return how many segments wait for their receipt.

        Raises:
            StoreFailed: the disk does not answer.
        """
        ...


class Session(Protocol):
    """Guarantee: none beyond that of a postcard. What was published may be lost or come twice.

    A message received is whole, and was published by somebody; it proves nothing else.
    """

    async def publish(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Hand a message to the broker.

        Raises:
            Unavailable: the broker is away.
        """
        ...

    def messages(self) -> AsyncIterator[bytes]:
        """Return the receipts as they come, until the broker goes away.

        Raises:
            Unavailable: the broker is away.
        """
        ...


class Broker(Protocol):
    """Guarantee: a session is connected and subscribed when it is entered."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Return a session; entering it connects.

        Raises:
            Unavailable: the broker cannot be reached.
            Refused: the broker does not let us in.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClockState:
    """What the operating system says about its clock.

    `error_ms` bounds the error; None when nobody knows it, as before the first synchronisation.
    """

    synchronised: bool
    error_ms: int | None


class ClockWatch(Protocol):
    """Guarantee: never says synchronised when the operating system does not."""

    def state(self) -> ClockState:
        """Return the state now; does not block."""
        ...


class Signer(Protocol):
    """Guarantee: the signature is that of the node's own key."""

    def sign(self, payload: bytes, context: bytes) -> bytes:
        """Return a COSE_Sign1 message over the payload in this context."""
        ...
