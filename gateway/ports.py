"""What the gateway's tasks ask of the world: each port opens with what it guarantees."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from ledger.chain.values import (
    Anchor,
    Attempt,
    Final,
    Head,
    Order,
    Step,
)
from ledger.facts.segment import SegmentHeader


class Lane(IntEnum):
    """Who goes first: the newest minute, before anything that waited."""

    LIVE = 0
    BACKFILL = 1


# ── the way in: MQTT ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the broker; `token` is what the uplink needs to acknowledge it."""

    topic: str
    payload: bytes
    token: object = None


class Uplink(Protocol):
    """The way to and from the light nodes.

    A message that was handed out may come again, any number of times, until it is acknowledged
    and sometimes after. An acknowledgement only tells the broker to let go: it promises nothing
    to the node. Messages beyond what the uplink holds are let go of, counted, and come again
    because nobody signed a receipt for them. `publish` may lose what it takes.
    """

    async def segments(self, most: int) -> list[Message]:
        """Return the next messages of both segment lanes: at least one, at most `most`."""
        ...

    async def live(self, most: int) -> list[Message]:
        """Return the next unsigned live records: at least one, at most `most`."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget messages; harmless when the connection has changed since."""
        ...

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a message with QoS 1.

        Raises:
            Unavailable: the broker is away; nothing was sent.
        """
        ...


# ── the journal ─────────────────────────────────────────────────────────────────────────────


class LinkState(IntEnum):
    """How far a segment has come; ABSENT from the journal is no state."""

    ADMITTED = 0
    STORED = 1
    CONFLICT = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the journal remembers of an admitted segment, long after its bytes are delivered."""

    node_index: int
    first_sequence: int
    next_sequence: int
    header_hash: bytes
    previous_hash: bytes
    first_slot: int
    end_slot: int
    state: LinkState


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The known segments of a node around a place in its sequence.

    `overlapping` share at least one sequence with the place; `before` ends where it begins and
    `after` begins where it ends.
    """

    overlapping: tuple[Link, ...] = ()
    before: Link | None = None
    after: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A segment that is what its header says, signed by the node it names."""

    header: SegmentHeader
    header_hash: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that was not admitted, and why; `node_index` is None when none is enrolled."""

    node_index: int | None
    reason: str
    detail: str
    payload: bytes
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """Two signed headers of one node that cannot both be true; the held one came first."""

    kind: str
    held: Link
    other: Examined
    detected_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitView:
    """A node's signed word that it was shown another log than ours.

    `root` is our own at the size that its header claims, empty if the log was never so large.
    """

    segment: Examined
    root: bytes
    detected_ms: int


class AdmissionBatch(Protocol):
    """One group commit: reads see what the same batch has written."""

    def neighbours(self, node_index: int, first_sequence: int, next_sequence: int) -> Neighbours:
        """Return the known segments around `[first_sequence, next_sequence)` of a node."""
        ...

    def admit(self, segment: Examined, lane: Lane, now_ms: int) -> None:
        """Keep a new segment, to be delivered."""
        ...

    def deliver_again(self, segment: Examined, lane: Lane) -> None:
        """Queue a known segment once more, because the other side refused it before."""
        ...

    def keep_evidence(self, evidence: Equivocation) -> bool:
        """Keep both sides of a contradiction; False if this one was known before."""
        ...

    def keep_split_view(self, view: SplitView) -> bool:
        """Keep a claim against the log; False if the node's claim to this root was known before."""
        ...

    def quarantine(self, refusal: Refusal) -> bool:
        """Put a refused message aside; False if the same bytes of this node lie there already.

        What is put aside is bounded for each node and in total: the oldest gives way.
        """
        ...


class AdmissionJournal(Protocol):
    """Durable before visible: when a batch ends without an error it is on the disk, synced.

    Otherwise none of it is, and the journal is as before. One batch at a time; any thread.
    """

    def batch(self) -> AbstractContextManager[AdmissionBatch]:
        """Open a group commit.

        Raises:
            Unavailable: the disk is full or failing; nothing was written.
        """
        ...

    def backlog_bytes(self) -> int:
        """Return how much waits for delivery [bytes]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A segment on its way to the Shared Customer Database.

    `is_evidence` marks the second of two contradicting headers: it is told, never promised.
    """

    number: int
    node_index: int
    first_sequence: int
    count: int
    header_hash: bytes
    payload: bytes
    is_evidence: bool


class DeliveryJournal(Protocol):
    """What is to be delivered, until its outcome is durable here; at least once, any thread."""

    def outgoing(self, most: int) -> list[Outgoing]:
        """Return what waits for delivery, live lane first, oldest first."""
        ...

    def settle(self, outcomes: Sequence[tuple[Outgoing, str, str]], now_ms: int) -> None:
        """Write down outcome and reason of deliveries, durably, and drop the bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedWindow:
    """Window `number`, closed: its log entry and who is in it."""

    number: int
    entry: bytes
    closed_ms: int
    members: tuple[tuple[int, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A delivered segment that is to be in a window."""

    node_index: int
    first_sequence: int
    header_hash: bytes


class WindowJournal(Protocol):
    """Windows and anchors, each step durable before the next begins; any thread.

    Window numbers are dense from 0. A segment is in at most one window, and only when the
    Shared Customer Database has it. At most one anchor is under way.
    """

    def next_window(self) -> int:
        """Return the number that the next window gets."""
        ...

    def unwindowed(self) -> list[Member]:
        """Return the delivered segments that are in no window, by node and sequence."""
        ...

    def delivered_registrations(self) -> list[bytes] | None:
        """Return the registry as the Shared Customer Database has it, by node index.

        None while a registration was offered and nobody knows whether it arrived.
        """
        ...

    def stage(self, number: int, entry: bytes, closed_ms: int, members: Sequence[Member]) -> None:
        """Write down a closed window and its members, durably.

        Raises:
            InvariantBroken: it is not the next window, or a member is in a window already.
        """
        ...

    def staged_from(self, number: int) -> list[tuple[int, bytes]]:
        """Return number and entry of the staged windows from `number` on, in order."""
        ...

    def first_untold_window(self) -> StagedWindow | None:
        """Return the oldest window that the Shared Customer Database has not confirmed."""
        ...

    def window_told(self, number: int, *, told: bool = True) -> None:
        """Write down that the Shared Customer Database has, or lost, window `number`.

        Lost windows take all later ones with them.
        """
        ...

    def anchor_under_way(self) -> Anchor | None:
        """Return the anchor that is not final yet."""
        ...

    def anchored_size(self) -> int:
        """Return how many windows final submissions cover."""
        ...

    def void_anchor(self, number: int) -> None:
        """Give up an anchor that the ledger will never take: another one took its place."""
        ...

    def begin_anchor(self, order: Order, attempt: Attempt) -> None:
        """Write down, durably, an order together with its first attempt."""
        ...

    def keep_attempt(self, number: int, attempt: Attempt) -> None:
        """Write down, durably, one more attempt of an anchor."""
        ...

    def next_nonce(self) -> int | None:
        """Return the nonce after the highest ever kept; None when none was."""
        ...

    def end_anchor(self, number: int | None, order: Order, final: Final, part: bytes) -> None:
        """Write down, durably, that an order is final; `number` is None if it had no attempt."""
        ...

    def uncertified_anchors(self) -> list[Anchor]:
        """Return the final submissions not yet told to the Shared Customer Database, in order."""
        ...

    def certified(self, anchor: Anchor) -> None:
        """Drop the stage of the windows that an anchor covers: everybody has them."""
        ...


class RegistryJournal(Protocol):
    """The registry of nodes: versions grow by one with each change, whoever made it."""

    def registry_version(self) -> int:
        """Return the version now, also when another process changed it."""
        ...

    def registrations_since(self, version: int) -> list[bytes]:
        """Return the registrations that changed after a version, by node index."""
        ...

    def undelivered_registrations(self) -> list[tuple[int, bytes]]:
        """Return index and registration of every node that changed since it was delivered."""
        ...

    def registrations_offered(self, offered: Sequence[tuple[int, bytes]]) -> None:
        """Write down, durably, what is about to be handed to the Shared Customer Database."""
        ...

    def registrations_delivered(self, delivered: Sequence[tuple[int, bytes]]) -> None:
        """Write down, durably, what the Shared Customer Database has confirmed."""
        ...


# ── the way out: Shared Customer Database, log, ledger ──────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one segment: `stored`, `duplicate`, `conflict` or `rejected`, and why."""

    header_hash: bytes
    outcome: str
    reason: str


class Central(Protocol):
    """The Shared Customer Database: an answer means that it is durable there.

    No answer means nothing: it may be there or not, and the same call later folds. Every call
    raises `Unavailable` when it is away and `Refused` when it says no.
    """

    async def registry(self, registrations: Sequence[bytes]) -> None:
        """Hand over registrations, dense by index; known ones are replaced."""
        ...

    async def segments(self, segments: Sequence[bytes]) -> list[Outcome]:
        """Hand over segments and return one outcome for each, in order."""
        ...

    async def live(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Hand over unsigned live records, each with its node: best effort."""
        ...

    async def window(self, window: StagedWindow) -> None:
        """Hand over a window and its members.

        Raises:
            OtherWindow: it expects another window.
        """
        ...

    async def anchor(self, checkpoint: str, chain_part: bytes) -> None:
        """Tell that all windows below the checkpoint's size are final on the ledger."""
        ...


class WindowLog(Protocol):
    """The gateway's log: entry k is window k. An append that returned is on the disk, synced.

    One that raised left the log as it was. What was appended and not published may be gone
    after the next opening, and is appended again.
    """

    @property
    def size(self) -> int:
        """Return the number of entries."""
        ...

    def append(self, entry: bytes) -> int:
        """Add one entry, and return its index.

        Raises:
            Unavailable: the disk refuses; the log is as it was.
        """
        ...

    def entry(self, index: int) -> bytes:
        """Return one entry."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` entries, all by default."""
        ...

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the first `size` entries continue the first `old_size`."""
        ...

    def publish(self, note: str) -> None:
        """Replace the public checkpoint, durably and in one step.

        Raises:
            Unavailable: the disk refuses; the old checkpoint stands.
        """
        ...


class Ledger(Protocol):
    """The contract on the chain: accepts only what continues what it has.

    Calls may take as long as their time-out, so they run in a thread. `advance` sends nothing
    that it did not return as `Prepared` in an earlier call: durable here before visible there.
    """

    def head(self, log_id: bytes) -> Head:
        """Return the anchored head; sequence 0 and size 0 when nothing is anchored."""
        ...

    def registry_root(self, log_id: bytes) -> bytes:
        """Return the anchored registry root, zeros when there is none."""
        ...

    def account_nonce(self) -> int:
        """Return how many transactions of the account the latest block knows."""
        ...

    def advance(
        self, order: Order, attempts: Sequence[Attempt], *, next_nonce: int, now_ms: int
    ) -> Step:
        """Take an order one step further; call again until it is `Final`."""
        ...

    def chain_part(self, tx_hash: bytes) -> bytes | None:
        """Return what an offline verifier needs from the chain; None if the node lacks it."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...
