"""A Shared Customer Database in memory that believes nothing, and fails honestly both ways."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import CentralAway, OtherWindow
from gateway.ports import Outcome, StagedWindow
from ledger import codec, merkle
from ledger.checkpoint import verify_checkpoint
from ledger.codec import (
    decode_header,
    decode_record,
    decode_registration,
    decode_segment,
    decode_window_entry,
    encode_window_leaf,
    header_hash,
)
from ledger.errors import Refused, Rejected
from ledger.facts.registry import Registration
from ledger.facts.segment import SegmentHeader
from ledger.signing import SEGMENT_CONTEXT, VerifyingKey, payload_of


@dataclass
class FakeCentral:
    """The port `Central`; what it holds is public, so that judges can look.

    `lose` names calls that fail before they do anything, `keep` calls that do everything and
    then fail; each name is used up by one failure.
    """

    origin: str
    log_key: VerifyingKey
    registrations: dict[int, bytes] = field(default_factory=dict)
    bodies: dict[tuple[int, int], bytes] = field(default_factory=dict)
    hashes: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    conflicts: list[bytes] = field(default_factory=list)
    live_records: list[tuple[int, bytes]] = field(default_factory=list)
    windows: list[bytes] = field(default_factory=list)
    window_of: dict[bytes, list[int]] = field(default_factory=dict)
    anchors: list[tuple[int, bytes]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    lose: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    refuse: set[bytes] = field(default_factory=set)
    is_away: bool = False

    async def registry(self, registrations: Sequence[bytes]) -> None:
        self._begin("registry")
        known = dict(self.registrations)
        for encoded in registrations:
            registration = decode_registration(encoded)
            if registration.node_index > len(known):
                raise Refused(f"node {registration.node_index} leaves a hole", reason="hole")
            known[registration.node_index] = encoded
        self.registrations = known
        self._end("registry")

    async def segments(self, segments: Sequence[bytes]) -> list[Outcome]:
        self._begin("segments")
        outcomes = [self._segment(body) for body in segments]
        self._end("segments")
        return outcomes

    async def live(self, records: Sequence[tuple[int, bytes]]) -> None:
        self._begin("live")
        for _, record in records:
            decode_record(record)
        self.live_records.extend(records)
        self._end("live")

    async def window(self, window: StagedWindow) -> None:
        self._begin("window")
        entry = decode_window_entry(window.entry)
        if entry.window != len(self.windows):
            raise OtherWindow("not the next window", where="fake", expected=len(self.windows))
        members = dict(window.members)
        missing = [h for hashes in members.values() for h in hashes if h not in self.hashes]
        if missing:
            raise Refused(f"{len(missing)} segments are not stored", reason="unknown_segment")
        nodes = range(len(self.registrations))
        leaves = [encode_window_leaf(entry.window, n, members.get(n, ())) for n in nodes]
        root = merkle.root(list(map(merkle.leaf_hash, leaves)))
        registry = [self.registrations[n] for n in nodes]
        registry_root = merkle.root(list(map(merkle.leaf_hash, registry)))
        if (entry.root, entry.registry_root, entry.node_count) != (root, registry_root, len(nodes)):
            raise Refused(f"window {entry.window} does not lead to its root", reason="wrong_root")
        self.windows.append(window.entry)
        for hashes in members.values():
            for digest in hashes:
                self.window_of.setdefault(digest, []).append(entry.window)
        self._end("window")

    async def anchor(self, checkpoint: str, chain_part: bytes) -> None:
        self._begin("anchor")
        head = verify_checkpoint(checkpoint, self.log_key)
        if head.origin != self.origin or head.size > len(self.windows):
            raise Refused("an anchor of windows that are not here", reason="unknown_window")
        root = merkle.root(list(map(merkle.leaf_hash, self.windows[: head.size])))
        if root != head.root:
            raise Refused("the anchor is about another log", reason="wrong_root")
        self.anchors.append((head.size, chain_part))
        self._end("anchor")

    def stored(self, node_index: int) -> list[int]:
        """Return the sequences stored of a node, in order."""
        return [
            sequence
            for (node, first), body in sorted(self.bodies.items())
            if node == node_index
            for sequence in range(first, first + len(decode_segment(body).records))
        ]

    def _segment(self, body: bytes) -> Outcome:
        header, digest = self._checked(body)
        if digest in self.refuse:
            return Outcome(digest, "rejected", "as the test wanted")
        place = (header.node_index, header.first_sequence)
        held = self.bodies.get(place)
        if held is None and not self._overlaps(header):
            self.bodies[place] = body
            self.hashes[digest] = place
            return Outcome(digest, "stored", "")
        if digest in self.hashes:
            return Outcome(digest, "duplicate", "")
        self.conflicts.append(body)
        return Outcome(digest, "conflict", "another content is here")

    def _overlaps(self, header: SegmentHeader) -> bool:
        return any(
            node == header.node_index
            and first < header.next_sequence
            and first + len(decode_segment(body).records) > header.first_sequence
            for (node, first), body in self.bodies.items()
        )

    def _checked(self, body: bytes) -> tuple[SegmentHeader, bytes]:
        """Return header and hash; what the gateway let through must be right in every respect."""
        segment = decode_segment(body)
        key_id, payload = payload_of(segment.signed_header)
        header = decode_header(payload)
        registration = decode_registration(self.registrations[header.node_index])
        _key(registration, key_id).verify(segment.signed_header, SEGMENT_CONTEXT)
        leaves = [
            merkle.leaf_hash(salt + record)
            for salt, record in zip(segment.salts, segment.records, strict=True)
        ]
        if merkle.root(leaves) != header.records_root or header.origin != self.origin:
            raise Rejected("a segment that nobody signed", reason="wrong_root")
        codec.read_rows(segment.records)
        return header, header_hash(payload)

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.is_away:
            raise CentralAway("away", where="fake")
        if call in self.lose:
            self.lose.remove(call)
            raise CentralAway(f"{call} was lost", where="fake")

    def _end(self, call: str) -> None:
        if call in self.keep:
            self.keep.remove(call)
            raise CentralAway(f"the answer to {call} was lost", where="fake")


def _key(registration: Registration, key_id: bytes) -> VerifyingKey:
    for key in registration.keys:
        verifying = VerifyingKey.decode(key.public_key)
        if verifying.key_id == key_id:
            return verifying
    raise Rejected("no such key", reason="unknown_key")
