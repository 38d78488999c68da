"""Proof bundles, and the numbered recipe by which anybody checks them, offline.

A bundle proves one record, or a span: that a node's slots from one instant to another are all
accounted for. Both end in the same chain of hands: header → window → log → ledger.

Nothing here asks a network, a database or a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ledger import codec, merkle
from ledger.checkpoint import Checkpoint, verify_checkpoint
from ledger.configuration import load
from ledger.contract import log_id
from ledger.errors import Rejected
from ledger.facts.document import DocumentEntry
from ledger.facts.interval import SLOT_MS, Interval
from ledger.facts.record import Record
from ledger.facts.registry import NodeKey, Registration
from ledger.facts.segment import SegmentHeader
from ledger.facts.window import WindowEntry
from ledger.receipts import anchored_event
from ledger.signing import SEGMENT_CONTEXT, VerifyingKey, payload_of

VERSION = 1

Path32 = tuple[bytes, ...]
"""A Merkle path: sibling hashes, lowest first."""


class Status(Enum):
    """What a verification can say; INDETERMINATE is never shown as if it were good."""

    VALID = "VALID"
    INVALID = "INVALID"
    INDETERMINATE = "INDETERMINATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """How a signed header is tied to the ledger; `chain_part` is None before finality."""

    window_leaf: bytes
    window_path: Path32
    window_entry: bytes
    registry_path: Path32
    log_path: Path32
    checkpoint: str
    chain_part: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBundle:
    """One record with everything that proves it; `anchoring` is None while none is there."""

    record: bytes
    salt: bytes
    segment_path: Path32
    signed_header: bytes
    registration: bytes
    anchoring: Anchoring | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBundle:
    """Every header of a node in a span, oldest first; the newest is signed and anchored."""

    headers: tuple[bytes, ...]
    signed_header: bytes
    registration: bytes
    anchoring: Anchoring | None


Bundle = RecordBundle | SpanBundle


@dataclass(frozen=True, slots=True)
class LedgerTrust:
    """What a verifier has seen on the ledger by itself.

    `heads` are anchored heads of the log, each ``"SIZE ROOT"``; `blocks` are hashes of blocks.
    Hexadecimal throughout.
    """

    contract: str = ""
    heads: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartyTrust:
    """Who signs documents of the market, and with which key: public, in hexadecimal."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier takes for granted: whose log it is, its key, and the ledger's word.

    `parties` are asked about for documents of the market only.
    """

    origin: str
    log_key: str
    ledger: LedgerTrust = LedgerTrust()
    parties: tuple[PartyTrust, ...] = ()

    def __post_init__(self) -> None:
        self.verifying_key()
        for party in self.parties:
            _public_key(party.key)

    def party_key(self, party: str) -> VerifyingKey | None:
        """Return the key of a party; None if it is not known here."""
        known = (each.key for each in self.parties if each.id == party)
        return next(map(_public_key, known), None)

    def verifying_key(self) -> VerifyingKey:
        """Return the key that signs the log's checkpoints.

        Raises:
            ValueError: `log_key` is no public key in hexadecimal.
        """
        return _public_key(self.log_key)

    @classmethod
    def load(cls, path: Path) -> "Trust":
        """Return what a trust file (TOML) says.

        Raises:
            Misconfigured: with every fault found.
        """
        return load(cls, path, program="trust", environ={}).value


def _public_key(encoded: str) -> VerifyingKey:
    try:
        return VerifyingKey.decode(bytes.fromhex(encoded))
    except Rejected as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the recipe that held."""

    number: int
    name: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: VALID, or the step that failed or could not be taken, and why."""

    status: Status
    held: tuple[Step, ...] = ()
    step: str = ""
    reason: str = ""
    registration: Registration | None = None
    record: Record | None = None
    entry: DocumentEntry | None = None
    span: Interval | None = None
    reading_slots: int = 0
    gap_slots: int = 0
    anchored_s: int | None = None


def encode_bundle(bundle: Bundle) -> bytes:
    """Return the bytes of a bundle (`docs/certification.md`)."""
    anchoring = None if bundle.anchoring is None else _anchoring_array(bundle.anchoring)
    if isinstance(bundle, RecordBundle):
        proved: list[Any] = [bundle.record, bundle.salt, bundle.segment_path]
    else:
        proved = [bundle.headers]
    return codec.encode([VERSION, proved, bundle.signed_header, bundle.registration, anchoring])


def decode_bundle(encoded: bytes) -> Bundle:
    """Return the bundle that the bytes stand for.

    Raises:
        Rejected: `not_canonical` or `wrong_shape`.
    """
    match codec.decode(encoded):
        case [1, [bytes(record), bytes(salt), [*path]], bytes(header), bytes(registration),
              anchoring]:  # fmt: skip
            return RecordBundle(
                record=record, salt=salt, segment_path=path_of(path), signed_header=header,
                registration=registration, anchoring=_anchoring(anchoring),
            )  # fmt: skip
        case [1, [[*headers]], bytes(header), bytes(registration), anchoring] if all(
            isinstance(each, bytes) for each in headers
        ):
            return SpanBundle(
                headers=tuple(headers), signed_header=header, registration=registration,
                anchoring=_anchoring(anchoring),
            )  # fmt: skip
        case _:
            raise Rejected("no proof bundle", reason="wrong_shape")


def verify(encoded: bytes, trust: Trust) -> Verdict:
    """Return whether a bundle proves what it says, to somebody with this trust.

    1. bundle: the bytes are a bundle in its one encoding.
    2. signature: the newest header is signed by a key of the registration.
    3. record: the record, salted, is at its place under the header's root;
       or span: each header continues the one before it, up to the signed one.
    4. key: the key was valid at the instants of what is proved.
    5. window: the header is in the node's leaf of the window, and the leaf under its root.
    6. registry: the registration is under the registry root of the same window.
    7. checkpoint: the log's key, which the verifier trusts, signed the checkpoint.
    8. log: the window is the log's entry of its own number, under the checkpoint's root.
    9. ledger: the checkpoint's head was accepted by the contract, by the verifier's own word on
       heads or blocks.

    Who else: that the key belongs to the meter is the registry's word (docs/trust.md).
    """
    return _ReadingsRecipe(trust).run(encoded)


class CannotTell(Exception):
    """Something that a step needs is not there."""


class Recipe:
    """The steps in order; what holds is kept, so that a verdict can be followed."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._held: list[Step] = []
        self._step = ""
        self._told: dict[str, Any] = {}

    def run(self, encoded: bytes) -> Verdict:
        """Return what comes of the steps."""
        try:
            self._take(encoded)
        except Rejected as failed:
            return self._verdict(Status.INVALID, str(failed))
        except CannotTell as unknown:
            return self._verdict(Status.INDETERMINATE, str(unknown))
        self._step = ""
        return self._verdict(Status.VALID, "")

    def _verdict(self, status: Status, reason: str) -> Verdict:
        return Verdict(
            status=status, held=tuple(self._held), step=self._step, reason=reason, **self._told
        )

    def _take(self, encoded: bytes) -> None:
        raise NotImplementedError

    def _checkpoint(self, note: str) -> Checkpoint:
        self._begin("checkpoint")
        head = verify_checkpoint(note, self._trust.verifying_key())
        need(head.origin == self._trust.origin, f"the checkpoint is of {head.origin}")
        self._holds(f"size {head.size}, signed by the trusted log key")
        return head

    def _ledger(self, chain_part: bytes | None, size: int, root: bytes) -> None:
        self._begin("ledger")
        event = None if chain_part is None else anchored_event(chain_part)
        if event is not None:
            need((event.size, event.root) == (size, root), "the event is about another head")
            need(event.log_id == log_id(self._trust.origin), "the event is another log's")
            self._told["anchored_s"] = event.block_time_s
        trust = self._trust.ledger
        if f"{size} {root.hex()}" in map(_normal, trust.heads):
            self._holds(f"head of size {size}, which you saw on the ledger")
        elif event is None:
            raise CannotTell("no word of the ledger yet; ask again when the window is final")
        elif event.block_hash.hex() in map(_normal, trust.blocks):
            ours = event.contract.hex() == _normal(trust.contract)
            need(ours, "the event is another contract's")
            self._holds(f"accepted in block {event.block_number}, which you saw on the ledger")
        else:
            raise CannotTell(
                f"block {event.block_number} (0x{event.block_hash.hex()}) is not among those you "
                "trust; look it up on the ledger and add it to your trust file"
            )

    def _begin(self, name: str) -> None:
        self._step = name

    def _holds(self, found: str) -> None:
        self._held.append(Step(number=len(self._held) + 1, name=self._step, found=found))


class _ReadingsRecipe(Recipe):
    """The steps of `verify`."""

    def _take(self, encoded: bytes) -> None:
        self._begin("bundle")
        bundle = decode_bundle(encoded)
        registration = codec.decode_registration(bundle.registration)
        self._told["registration"] = registration
        self._holds(f"{len(encoded)} bytes for {registration.pod}")

        self._begin("signature")
        key, header_bytes = _opened(bundle.signed_header, registration)
        header = codec.decode_header(header_bytes)
        need(header.origin == self._trust.origin, f"the header is of {header.origin}")
        need(header.node_index == registration.node_index, "the header is another node's")
        self._holds(f"node {header.node_index} signed {header.count} records")

        if isinstance(bundle, RecordBundle):
            instants = self._record(bundle, header)
        else:
            instants = self._span(bundle, header, header_bytes)

        self._begin("key")
        need(all(map(key.is_valid_at, instants)), "the key was not valid at that time")
        self._holds("valid at the time")

        self._begin("window")
        if bundle.anchoring is None:
            raise CannotTell("not anchored yet; ask again in two windows")
        entry = self._window(bundle.anchoring, header, codec.header_hash(header_bytes))
        self._registry(bundle.anchoring, bundle.registration, registration, entry)
        size, root = self._log(bundle.anchoring, entry)
        self._ledger(bundle.anchoring.chain_part, size, root)

    def _record(self, bundle: RecordBundle, header: SegmentHeader) -> list[int]:
        self._begin("record")
        record = codec.decode_record(bundle.record)
        index = record.sequence - header.first_sequence
        need(0 <= index < header.count, f"sequence {record.sequence} is not in the segment")
        leaf = merkle.leaf_hash(bundle.salt + bundle.record)
        root = merkle.root_from_inclusion(leaf, index, header.count, bundle.segment_path)
        need(root == header.records_root, "the record is not what the node signed")
        self._told["record"] = record
        self._holds(f"record {record.sequence} of slot {record.slot}")
        return [record.time_ms]

    def _span(self, bundle: SpanBundle, newest: SegmentHeader, newest_bytes: bytes) -> list[int]:
        self._begin("span")
        need(bundle.headers[-1:] == (newest_bytes,), "the newest header is not the signed one")
        headers = [codec.decode_header(each) for each in bundle.headers]
        for older, newer, linked in zip(headers, headers[1:], bundle.headers, strict=False):
            need(_continues(older, newer, linked), f"a break before {newer.first_sequence}")
        span = Interval(headers[0].first_slot * SLOT_MS, newest.end_slot * SLOT_MS)
        readings = sum(int.from_bytes(each.reading_slots, "little").bit_count() for each in headers)
        slots = newest.end_slot - headers[0].first_slot
        self._told |= {"span": span, "reading_slots": readings, "gap_slots": slots - readings}
        self._holds(f"{slots} slots without a break: {readings} readings")
        return [max(span.start_ms, span.end_ms - 1)]

    def _window(
        self, anchoring: Anchoring, header: SegmentHeader, header_hash: bytes
    ) -> WindowEntry:
        self._begin("window")
        entry = codec.decode_window_entry(anchoring.window_entry)
        window, node_index, hashes = codec.decode_window_leaf(anchoring.window_leaf)
        need(entry.origin == self._trust.origin, f"the window is of {entry.origin}")
        need(window == entry.window, "the leaf is of another window")
        need(node_index == header.node_index, "the leaf is another node's")
        need(header_hash in hashes, "the window does not hold this segment")
        root = merkle.root_from_inclusion(
            merkle.leaf_hash(anchoring.window_leaf),
            node_index,
            entry.node_count,
            anchoring.window_path,
        )
        need(root == entry.root, "the leaf is not under the window's root")
        self._holds(f"window {entry.window} of {entry.node_count} nodes")
        return entry

    def _registry(
        self, anchoring: Anchoring, leaf: bytes, registration: Registration, entry: WindowEntry
    ) -> None:
        self._begin("registry")
        root = merkle.root_from_inclusion(
            merkle.leaf_hash(leaf),
            registration.node_index,
            entry.node_count,
            anchoring.registry_path,
        )
        need(root == entry.registry_root, "the registration is not the registry's")
        self._holds(f"{registration.pod} is node {registration.node_index}")

    def _log(self, anchoring: Anchoring, entry: WindowEntry) -> tuple[int, bytes]:
        head = self._checkpoint(anchoring.checkpoint)
        self._begin("log")
        leaf = merkle.leaf_hash(anchoring.window_entry)
        root = merkle.root_from_inclusion(leaf, entry.window, head.size, anchoring.log_path)
        need(root == head.root, "the window is not the log's entry of its number")
        self._holds(f"entry {entry.window} of {head.size}")
        return head.size, head.root


def need(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like a sentence
    """Refuse what does not hold.

    Raises:
        Rejected: `does_not_hold`.
    """
    if not holds:
        raise Rejected(otherwise, reason="does_not_hold")


def _opened(signed_header: bytes, registration: Registration) -> tuple[NodeKey, bytes]:
    """Return the registered key that signed the header, and the header's bytes."""
    key_id, _ = payload_of(signed_header)
    for key in registration.keys:
        verifying = VerifyingKey.decode(key.public_key)
        if verifying.key_id == key_id:
            return key, verifying.verify(signed_header, SEGMENT_CONTEXT)
    raise Rejected("signed with a key that is not registered", reason="wrong_key")


def _continues(older: SegmentHeader, newer: SegmentHeader, older_bytes: bytes) -> bool:
    return (
        newer.previous_hash == codec.header_hash(older_bytes)
        and newer.first_sequence == older.next_sequence
        and newer.first_slot == older.end_slot
        and newer.node_index == older.node_index
    )


def _normal(trusted: str) -> str:
    return " ".join(trusted.lower().split()).removeprefix("0x")


def _anchoring_array(anchoring: Anchoring) -> list[Any]:
    return [
        anchoring.window_leaf, anchoring.window_path, anchoring.window_entry,
        anchoring.registry_path, anchoring.log_path, anchoring.checkpoint, anchoring.chain_part,
    ]  # fmt: skip


def _anchoring(array: Any) -> Anchoring | None:  # noqa: ANN401 -- checks what it is given
    match array:
        case None:
            return None
        case [bytes(leaf), [*window_path], bytes(entry), [*registry_path], [*log_path], str(note),
              bytes() | None as chain_part]:  # fmt: skip
            return Anchoring(
                window_leaf=leaf, window_path=path_of(window_path), window_entry=entry,
                registry_path=path_of(registry_path), log_path=path_of(log_path), checkpoint=note,
                chain_part=chain_part,
            )  # fmt: skip
        case _:
            raise Rejected("no anchoring", reason="wrong_shape")


def path_of(hashes: Sequence[Any]) -> Path32:
    """Return a Merkle path.

    Raises:
        Rejected: `wrong_shape`.
    """
    if not all(isinstance(each, bytes) and len(each) == merkle.HASH_BYTES for each in hashes):
        raise Rejected("a path is made of hashes of 32 bytes", reason="wrong_shape")
    return tuple(hashes)
