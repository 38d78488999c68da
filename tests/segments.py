"""Real signed segments, windows and checkpoints for tests, made as node and gateway make them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ledger import codec
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.codec import (
    encode,
    encode_header,
    encode_record,
    encode_registration,
    encode_segment,
    encode_window_entry,
    encode_window_leaf,
    header_hash,
    leaf_salt,
)
from ledger.facts.pod import Pod
from ledger.facts.record import Boot, Gap, GapCause, Quality, Reading, Record
from ledger.facts.registry import NodeKey, Registration
from ledger.facts.segment import NO_HASH, Head, Registers, Segment, SegmentHeader, bitmap
from ledger.facts.window import WindowEntry
from ledger.merkle import Tree, leaf_hash, root
from ledger.signing import SEGMENT_CONTEXT, SigningKey, payload_of

ORIGIN = "certiflex.example/test"
WINDOW_SLOTS = 15
FIRST_SLOT = 445_500_000  # 2026-06-21T00:00:00Z
FIRST_MS = FIRST_SLOT * 4_000

Power = Callable[[int], int]


def steady(power_w: int) -> Power:
    """Return a load that never changes."""
    return lambda _slot: power_w


def lively(seed: int) -> Power:
    """Return a load that takes and gives, the same for the same seed and slot."""
    return lambda slot: Random(seed * 1_000_003 + slot).randint(-3_000, 6_000)


@dataclass
class TestNode:
    """A light node without meter and broker: it signs what it is told happened."""

    __test__ = False

    index: int
    power: Power = field(default_factory=lambda: steady(1_800))
    origin: str = ORIGIN
    slot: int = FIRST_SLOT
    window_slots: int = WINDOW_SLOTS
    sequence: int = 0
    previous_hash: bytes = NO_HASH
    import_ws: int = 3_600_000
    export_ws: int = 7_200_000
    three_phase: bool = False
    key: SigningKey = field(default_factory=SigningKey.generate)
    checkpoint: Head | None = None

    @property
    def pod(self) -> Pod:
        return Pod(f"IT002E{self.index:08}")

    @property
    def secret(self) -> bytes:
        return self.index.to_bytes(32, "big")

    def registration(self, *, valid_from_ms: int = 0, valid_to_ms: int | None = None) -> bytes:
        key = NodeKey(
            public_key=self.key.public.encode(),
            valid_from_ms=valid_from_ms,
            valid_to_ms=valid_to_ms,
        )
        return encode_registration(
            Registration(node_index=self.index, pod=self.pod, meter="sdm630", keys=(key,))
        )

    def segment(self, *, gaps: Mapping[int, GapCause] | None = None, boots: bool = False) -> bytes:
        """Return the next window's segment; `gaps` names the slots (0 …) without a reading."""
        records: list[Record] = []
        if boots:
            records.append(self._boot())
        end = (self.slot // self.window_slots + 1) * self.window_slots
        for offset, slot in enumerate(range(self.slot, end)):
            cause = (gaps or {}).get(offset)
            records.append(self._reading(slot) if cause is None else self._gap(slot, cause))
        return self.sealed(records, end)

    def segments(self, count: int) -> list[bytes]:
        """Return the segments of the next `count` windows."""
        return [self.segment() for _ in range(count)]

    def outage(self, windows: int, cause: GapCause = GapCause.POWER_OFF) -> bytes:
        """Return one segment that only says that `windows` windows had no readings."""
        end = (self.slot // self.window_slots + windows) * self.window_slots
        gap = Gap(
            sequence=self._next(), slot=end - 1, offset_ms=0, from_slot=self.slot, to_slot=end,
            cause=cause,
        )  # fmt: skip
        self._run(self.slot, end)
        return self.sealed([gap], end)

    def sealed(self, records: Sequence[Record], end_slot: int) -> bytes:
        """Return a signed segment of records and remember its hash."""
        encoded = [encode_record(record) for record in records]
        salts = [leaf_salt(self.secret, record.sequence) for record in records]
        readings = [record for record in records if isinstance(record, Reading)]
        window = (end_slot - 1) // self.window_slots
        header = encode_header(
            SegmentHeader(
                origin=self.origin, node_index=self.index, window=window,
                window_slots=self.window_slots, first_sequence=records[0].sequence,
                count=len(records), first_slot=self.slot, end_slot=end_slot,
                reading_slots=bitmap([r.slot for r in readings], window, self.window_slots),
                previous_hash=self.previous_hash,
                records_root=root([leaf_hash(s + r) for s, r in zip(salts, encoded, strict=True)]),
                first_registers=_registers(readings[:1]), last_registers=_registers(readings[-1:]),
                checkpoint=self.checkpoint,
            )
        )  # fmt: skip
        self.slot, self.previous_hash = end_slot, header_hash(header)
        signed = self.key.sign(header, SEGMENT_CONTEXT)
        return encode_segment(
            Segment(signed_header=signed, records=tuple(encoded), salts=tuple(salts))
        )

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence - 1

    def _run(self, from_slot: int, to_slot: int) -> None:
        for slot in range(from_slot, to_slot):
            power_w = self.power(slot)
            self.import_ws += max(power_w, 0) * 4
            self.export_ws += max(-power_w, 0) * 4

    def _reading(self, slot: int) -> Reading:
        power_w, phases = self.power(slot), 3 if self.three_phase else 1
        reading = Reading(
            sequence=self._next(), slot=slot, offset_ms=12, latency_ms=31, power_w=power_w,
            reactive_power_var=power_w // 5, voltages_mv=(230_100,) * phases,
            currents_ma=(abs(power_w) * 1000 // 230,) * phases, frequency_mhz=50_012,
            import_wh=self.import_ws // 3600, export_wh=self.export_ws // 3600,
            quality=Quality.GOOD, clock_error_ms=3,
        )  # fmt: skip
        self._run(slot, slot + 1)
        return reading

    def _gap(self, slot: int, cause: GapCause) -> Gap:
        gap = Gap(
            sequence=self._next(), slot=slot, offset_ms=900, from_slot=slot, to_slot=slot + 1,
            cause=cause,
        )  # fmt: skip
        self._run(slot, slot + 1)
        return gap

    def _boot(self) -> Boot:
        return Boot(
            sequence=self._next(), slot=self.slot, offset_ms=0, boot_id=bytes(8),
            software="certiflex 0.1.0", profile="sdm630",
        )  # fmt: skip


@dataclass
class TestLog:
    """A gateway's log without a gateway: windows, their entries, and checkpoints."""

    __test__ = False

    nodes: Sequence[TestNode]
    origin: str = ORIGIN
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("EdDSA"))
    tree: Tree = field(default_factory=Tree)

    def registry(self) -> list[bytes]:
        return [node.registration() for node in self.nodes]

    def close(self, bodies: Iterable[bytes], *, closed_ms: int | None = None) -> bytes:
        """Return the next window, as it is handed to the SCD, over these segments."""
        members: dict[int, list[bytes]] = {}
        for body in bodies:
            header = header_of(body)
            digest = header_hash(payload_of(codec.decode_segment(body).signed_header)[1])
            members.setdefault(header.node_index, []).append(digest)
        window = len(self.tree)
        leaves = [
            leaf_hash(encode_window_leaf(window, index, members.get(index, [])))
            for index in range(len(self.nodes))
        ]
        entry = encode_window_entry(
            WindowEntry(
                origin=self.origin, window=window, node_count=len(self.nodes), root=root(leaves),
                closed_ms=FIRST_MS + (window + 1) * 60_000 if closed_ms is None else closed_ms,
                registry_root=root([leaf_hash(leaf) for leaf in self.registry()]),
            )
        )  # fmt: skip
        self.tree.append(leaf_hash(entry))
        return encode([entry, [[index, hashes] for index, hashes in sorted(members.items())]])

    def anchor(self, size: int | None = None, chain_part: bytes = b"") -> bytes:
        """Return a checkpoint, as it is handed to the SCD, over the first `size` windows."""
        size = len(self.tree) if size is None else size
        head = Checkpoint(self.origin, size, self.tree.root(size))
        return encode([sign_checkpoint(head, self.key), chain_part])


def header_of(body: bytes) -> SegmentHeader:
    """Return the header of an encoded segment, not verified."""
    return codec.decode_header(payload_of(codec.decode_segment(body).signed_header)[1])


def _registers(readings: Sequence[Reading]) -> Registers | None:
    return (readings[0].import_wh, readings[0].export_wh) if readings else None
