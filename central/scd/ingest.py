"""What the gateway hands in: checked against itself and against evidence, stored, then told.

Nothing here believes the gateway: a segment's parts must agree, a window's root must be the
root over stored segments, a checkpoint's root the root over stored windows.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from central.errors import Contradicted, NotTheNext
from central.scd.checking import check
from central.scd.live import LiveBoard
from central.scd.logbook import LogBook, read_window, window_leaves
from central.scd.ports import Evidence, Members
from central.scd.stored import CheckedSegment, Outcome
from ledger.checkpoint import verify_checkpoint
from ledger.codec import decode_registration, decode_window_entry
from ledger.codec.cbor import decode
from ledger.errors import Rejected
from ledger.facts.clock import Clock
from ledger.facts.window import WindowEntry
from ledger.merkle import root
from ledger.signing import VerifyingKey

log = logging.getLogger("central")


class Told(NamedTuple):
    """What became of one segment, for the gateway; `header_hash` is empty if there is none."""

    header_hash: bytes
    outcome: Outcome
    reason: str


class Ingest:
    """The way into the Shared Customer Database.

    Args:
        evidence: where everything is kept.
        board: where live records are shown.
        clock: stamps what arrives.
        origin: names the log that everything must be of.
        log_key: the key that signs the log's checkpoints.
    """

    def __init__(
        self,
        evidence: Evidence,
        logbook: LogBook,
        board: LiveBoard,
        clock: Clock,
        *,
        origin: str,
        log_key: VerifyingKey,
    ) -> None:
        self._evidence = evidence
        self._logbook = logbook
        self._board = board
        self._clock = clock
        self._origin = origin
        self._log_key = log_key
        self._enrolled_count = len(evidence.registrations())

    def registry(self, bodies: Sequence[bytes]) -> None:
        """Store registrations; each is of a node known or of the next one.

        Raises:
            Rejected: one of them is none, or leaves a node out.
            StoreAway: nothing was stored, or all.
        """
        decoded = [decode_registration(body) for body in bodies]
        enrolled_count = self._enrolled_count
        for registration in decoded:
            if registration.node_index > enrolled_count:
                raise Rejected(
                    f"registration {registration.node_index} leaves out {enrolled_count}",
                    remedy=f"send the registrations from {enrolled_count} on",
                    reason="registry_not_dense",
                )
            enrolled_count = max(enrolled_count, registration.node_index + 1)
        rows = [
            (registration.node_index, registration.pod.code, body)
            for registration, body in zip(decoded, bodies, strict=True)
        ]
        self._evidence.commit_registrations(rows, self._clock.now_ms())
        self._enrolled_count = enrolled_count

    def segments(self, bodies: Sequence[bytes]) -> list[Told]:
        """Store segments; return what became of each, after it is durable.

        Raises:
            StoreAway: nothing was stored, or all: hand them in again.
        """
        judged = [self._judged(body) for body in bodies]
        sound = [each for each in judged if isinstance(each, CheckedSegment)]
        outcomes = iter(self._evidence.commit_segments(sound, self._clock.now_ms()))
        return [self._told(each, outcomes) for each in judged]

    def live(self, node_index: int, record: bytes) -> None:
        """Show a live record.

        Raises:
            Rejected: it is no record, or of no enrolled node.
        """
        if node_index >= self._enrolled_count:
            raise Rejected(f"node {node_index} is not enrolled", reason="unknown_node")
        self._board.show(node_index, record)

    def window(self, body: bytes) -> None:
        """Store the next window, if the root of its entry is the root over stored segments.

        Raises:
            NotTheNext: another window comes next.
            Contradicted: evidence gives another root, or lacks a segment.
            Rejected: it is no window of this log.
        """
        encoded, members = read_window(body)
        entry = decode_window_entry(encoded)
        expected = self._evidence.window_count()
        if entry.window < expected and self._is_stored(entry.window, encoded):
            # The answer to the first time was lost on its way: nothing to do.
            return
        if entry.window != expected:
            raise NotTheNext(expected=expected, found=entry.window)
        _check_members(entry, members)
        if entry.origin != self._origin:
            raise Rejected(f"of log {entry.origin!r}, not {self._origin!r}", reason="wrong_origin")
        if root(window_leaves(entry.window, entry.node_count, members)) != entry.root:
            raise _contradicted(entry, "the root is not the root over its members", "wrong_root")
        self._evidence.commit_window(
            entry.window, registry_arrival=self._registry_arrival(entry), entry=encoded,
            closed_ms=entry.closed_ms, members=members, body=body,
            arrived_ms=self._clock.now_ms(),
        )  # fmt: skip

    def anchor(self, body: bytes) -> int:
        """Store a checkpoint, if its root is the root over stored windows; return its size.

        Raises:
            Contradicted: evidence gives another root, or fewer windows.
            Rejected: it is no checkpoint that the log's key has signed.
        """
        note = read_anchor(body)[0]
        head = verify_checkpoint(note, self._log_key)
        if head.origin != self._origin:
            raise Rejected(f"of log {head.origin!r}, not {self._origin!r}", reason="wrong_origin")
        tree = self._logbook.log()
        if head.size > len(tree):
            raise Contradicted(
                f"the checkpoint covers {head.size} windows; {len(tree)} are stored",
                remedy=f"send the windows from {len(tree)} on first",
                reason="windows_missing",
            )
        if tree.root(head.size) != head.root:
            raise Contradicted(
                f"the checkpoint's root over {head.size} windows is not that of the stored ones",
                remedy="compare the gateway's log with GET /v1/windows",
                reason="wrong_root",
            )
        self._evidence.commit_anchor(head.size, body, self._clock.now_ms())
        return head.size

    def _judged(self, body: bytes) -> CheckedSegment | Rejected:
        try:
            segment = check(body, self._origin)
        except Rejected as error:
            return error
        if segment.node_index >= self._enrolled_count:
            return Rejected(f"node {segment.node_index} is not enrolled", reason="unknown_node")
        return segment

    def _told(self, judged: CheckedSegment | Rejected, outcomes: Iterator[Outcome]) -> Told:
        if isinstance(judged, Rejected):
            log.warning("central.segment_rejected", extra={"reason": judged.reason})
            return Told(b"", Outcome.REJECTED, f"{judged.reason}: {judged}")
        outcome = next(outcomes)
        if outcome is Outcome.CONFLICT:
            log.error(
                "central.segment_conflict",
                extra={"node": judged.node_index, "sequence": judged.first_sequence},
            )
        return Told(judged.header_hash, outcome, "")

    def _is_stored(self, window: int, entry: bytes) -> bool:
        stored = self._evidence.windows(window, 1)
        return bool(stored) and stored[0].entry == entry

    def _registry_arrival(self, entry: WindowEntry) -> int:
        before = self._evidence.windows(entry.window - 1, 1) if entry.window else []
        arrival = self._logbook.registry_arrival(
            entry.node_count,
            entry.registry_root,
            after_arrival=before[0].registry_arrival if before else 0,
        )
        if arrival is None:
            raise _contradicted(
                entry, "the registry root is not that of stored registrations", "wrong_registry"
            )
        return arrival


def read_anchor(body: bytes) -> tuple[str, bytes]:
    """Return the checkpoint note and the chain part of an anchor as it arrived.

    Raises:
        Rejected: `not_canonical` or `wrong_shape`.
    """
    match decode(body):
        case [str(note), bytes(chain_part)]:
            return note, chain_part
        case _:
            raise Rejected("expected a checkpoint note and a chain part", reason="wrong_shape")


def _check_members(entry: WindowEntry, members: Members) -> None:
    present = [node_index for node_index, _ in members]
    if present != sorted(set(present)) or (present and not 0 <= present[-1] < entry.node_count):
        raise _contradicted(entry, "its members are not ascending node indexes", "wrong_members")
    if any(not hashes or len(set(hashes)) != len(hashes) for _, hashes in members):
        raise _contradicted(
            entry, "a member is there without or twice with a segment", "wrong_members"
        )


def _contradicted(entry: WindowEntry, what: str, reason: str) -> Contradicted:
    return Contradicted(what, where=f"window {entry.window}", reason=reason)
