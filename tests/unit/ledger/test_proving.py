"""The recipe: what is true is VALID, each lie fails at its step, what is missing is not green."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger import codec, merkle, proving
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.errors import Rejected
from ledger.facts.record import Gap, GapCause, Reading
from ledger.proving import (
    Anchoring,
    LedgerTrust,
    RecordBundle,
    SpanBundle,
    Status,
    Trust,
    decode_bundle,
    encode_bundle,
    verify,
)
from ledger.signing import SigningKey, payload_of
from tests.segments import ORIGIN, TestLog, TestNode, header_of


@dataclass
class World:
    """Three nodes, four windows (node 1 late by one), everything kept."""

    nodes: list[TestNode]
    log: TestLog
    bodies: list[list[bytes]]
    entries: list[bytes]
    members: list[dict[int, list[bytes]]]

    def anchoring(self, window: int, node_index: int) -> Anchoring:
        leaves = [
            codec.encode_window_leaf(window, index, self.members[window].get(index, []))
            for index in range(len(self.nodes))
        ]
        hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
        registry = [merkle.leaf_hash(leaf) for leaf in self.log.registry()]
        size = len(self.log.tree)
        return Anchoring(
            window_leaf=leaves[node_index],
            window_path=tuple(merkle.inclusion_proof(hashes, node_index)),
            window_entry=self.entries[window],
            registry_path=tuple(merkle.inclusion_proof(registry, node_index)),
            log_path=tuple(self.log.tree.inclusion(window, size)),
            checkpoint=sign_checkpoint(
                Checkpoint(ORIGIN, size, self.log.tree.root()), self.log.key
            ),
            chain_part=None,
        )

    def record(self, window: int, node_index: int, index: int) -> RecordBundle:
        segment = codec.decode_segment(self.bodies[window][node_index])
        leaves = [
            merkle.leaf_hash(salt + record)
            for salt, record in zip(segment.salts, segment.records, strict=True)
        ]
        return RecordBundle(
            record=segment.records[index],
            salt=segment.salts[index],
            segment_path=tuple(merkle.inclusion_proof(leaves, index)),
            signed_header=segment.signed_header,
            registration=self.nodes[node_index].registration(),
            anchoring=self.anchoring(window, node_index),
        )

    def span(self, node_index: int, first: int, last: int) -> SpanBundle:
        signed = [
            codec.decode_segment(self.bodies[window][node_index]).signed_header
            for window in range(first, last + 1)
        ]
        return SpanBundle(
            headers=tuple(payload_of(each)[1] for each in signed),
            signed_header=signed[-1],
            registration=self.nodes[node_index].registration(),
            anchoring=self.anchoring(last, node_index),
        )

    def trust(self) -> Trust:
        head = f"{len(self.log.tree)} {self.log.tree.root().hex()}"
        return Trust(
            origin=ORIGIN,
            log_key=self.log.key.public.encode().hex(),
            ledger=LedgerTrust(heads=(head,)),
        )

    def verdict(self, bundle: RecordBundle | SpanBundle) -> proving.Verdict:
        return verify(encode_bundle(bundle), self.trust())


@pytest.fixture(scope="module")
def world() -> World:
    nodes = [TestNode(index) for index in range(3)]
    log = TestLog(nodes)
    made = World(nodes, log, [], [], [])
    for _ in range(4):
        made.bodies.append([node.segment(gaps={3: GapCause.METER_CRC}) for node in nodes])
        entry, listed = codec.decode(log.close(made.bodies[-1]))
        made.entries.append(entry)
        made.members.append(dict(listed))
    return made


def test_a_true_record_is_valid_step_by_step(world: World) -> None:
    verdict = world.verdict(world.record(2, 1, 5))
    assert (verdict.status, verdict.step) == (Status.VALID, "")
    assert [step.name for step in verdict.held] == [
        "bundle", "signature", "record", "key", "window", "registry", "checkpoint", "log",
        "ledger",
    ]  # fmt: skip
    assert isinstance(verdict.record, Reading)
    assert verdict.registration is not None
    assert verdict.registration.pod == world.nodes[1].pod


def test_every_record_of_every_node_is_valid(world: World) -> None:
    verdicts = [
        world.verdict(world.record(window, node, index)).status
        for window in range(4)
        for node in range(3)
        for index in range(15)
    ]
    assert verdicts == [Status.VALID] * 180


def test_a_gap_is_a_record_like_any_other(world: World) -> None:
    verdict = world.verdict(world.record(0, 0, 3))
    assert isinstance(verdict.record, Gap)


def test_a_span_accounts_for_every_slot(world: World) -> None:
    verdict = world.verdict(world.span(1, 0, 3))
    assert verdict.status is Status.VALID
    assert (verdict.reading_slots, verdict.gap_slots) == (56, 4)
    assert verdict.span is not None
    assert verdict.span.duration_ms == 240_000


def test_a_span_with_a_header_left_out_is_invalid(world: World) -> None:
    span = world.span(1, 0, 3)
    broken = replace(span, headers=(span.headers[0], *span.headers[2:]))
    assert world.verdict(broken).step == "span"
    assert world.verdict(replace(span, headers=span.headers[:-1])).step == "span"
    assert world.verdict(replace(span, headers=())).step == "span"


def with_anchoring(bundle: RecordBundle, **changed: Any) -> RecordBundle:  # noqa: ANN401 -- any field
    assert bundle.anchoring is not None
    return replace(bundle, anchoring=replace(bundle.anchoring, **changed))


def other_record(_: World, bundle: RecordBundle) -> RecordBundle:
    reading = codec.decode_record(bundle.record)
    assert isinstance(reading, Reading)
    tampered = replace(reading, power_w=reading.power_w + 1)
    return replace(bundle, record=codec.encode_record(tampered))


def other_key(_: World, bundle: RecordBundle) -> RecordBundle:
    header = payload_of(bundle.signed_header)[1]
    return replace(
        bundle, signed_header=SigningKey.generate().sign(header, b"certiflex/segment/v1")
    )


def revoked(world: World, bundle: RecordBundle) -> RecordBundle:
    return replace(bundle, registration=world.nodes[1].registration(valid_to_ms=1))


def other_registry(world: World, bundle: RecordBundle) -> RecordBundle:
    return replace(bundle, registration=world.nodes[1].registration(valid_from_ms=1))


def absent(_: World, bundle: RecordBundle) -> RecordBundle:
    return with_anchoring(bundle, window_leaf=codec.encode_window_leaf(2, 1, []))


def other_window(world: World, bundle: RecordBundle) -> RecordBundle:
    return with_anchoring(bundle, window_entry=world.entries[1])


def other_log_key(world: World, bundle: RecordBundle) -> RecordBundle:
    head = Checkpoint(ORIGIN, 4, world.log.tree.root())
    return with_anchoring(bundle, checkpoint=sign_checkpoint(head, SigningKey.generate("EdDSA")))


def other_log(world: World, bundle: RecordBundle) -> RecordBundle:
    head = Checkpoint(ORIGIN, 4, bytes(32))
    return with_anchoring(bundle, checkpoint=sign_checkpoint(head, world.log.key))


def other_salt(_: World, bundle: RecordBundle) -> RecordBundle:
    return replace(bundle, salt=bytes(16))


Lie = Callable[[World, RecordBundle], RecordBundle]
LIES: list[tuple[Lie, str]] = [
    (other_record, "record"),
    (other_salt, "record"),
    (other_key, "signature"),
    (revoked, "key"),
    (other_registry, "registry"),
    (absent, "window"),
    (other_window, "window"),
    (other_log_key, "checkpoint"),
    (other_log, "log"),
]


@pytest.mark.parametrize(("lie", "step"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_each_lie_fails_at_its_step(world: World, lie: Lie, step: str) -> None:
    verdict = world.verdict(lie(world, world.record(2, 1, 5)))
    assert (verdict.status, verdict.step) == (Status.INVALID, step)
    assert verdict.reason


def test_no_changed_byte_stays_valid(world: World) -> None:
    encoded = encode_bundle(world.record(2, 1, 5))
    for at in range(len(encoded)):
        for flip in (0x01, 0x80, 0xFF):
            changed = encoded[:at] + bytes([encoded[at] ^ flip]) + encoded[at + 1 :]
            assert verify(changed, world.trust()).status is not Status.VALID, at


def test_what_is_not_anchored_yet_is_not_green(world: World) -> None:
    bundle = replace(world.record(2, 1, 5), anchoring=None)
    verdict = world.verdict(bundle)
    assert (verdict.status, verdict.step) == (Status.INDETERMINATE, "window")


def test_a_head_that_the_verifier_has_not_seen_is_not_green(world: World) -> None:
    trust = replace(world.trust(), ledger=LedgerTrust())
    verdict = verify(encode_bundle(world.record(2, 1, 5)), trust)
    assert (verdict.status, verdict.step) == (Status.INDETERMINATE, "ledger")


def test_another_origin_is_another_log(world: World) -> None:
    verdict = verify(encode_bundle(world.record(2, 1, 5)), replace(world.trust(), origin="other"))
    assert (verdict.status, verdict.step) == (Status.INVALID, "signature")


def test_bytes_that_are_no_bundle_are_invalid(world: World) -> None:
    assert verify(b"", world.trust()).step == "bundle"
    with pytest.raises(Rejected):
        decode_bundle(codec.encode([1, [], b"", b"", None]))


def test_a_bundle_comes_back_from_its_bytes(world: World) -> None:
    for bundle in (world.record(0, 0, 0), world.span(2, 1, 3)):
        assert decode_bundle(encode_bundle(bundle)) == bundle


def test_headers_of_the_world_are_linked(world: World) -> None:
    first, second = (header_of(world.bodies[window][0]) for window in (0, 1))
    assert second.first_sequence == first.next_sequence


def test_a_trust_file_is_read_and_its_key_checked(world: World, tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    trust = world.trust()
    path.write_text(
        f'origin = "{ORIGIN}"\nlog_key = "{trust.log_key}"\n'
        f'[ledger]\nheads = ["{trust.ledger.heads[0]}"]\n'
    )
    assert Trust.load(path) == trust
    path.write_text(f'origin = "{ORIGIN}"\nlog_key = "00"\n')
    with pytest.raises(Rejected, match="no public key"):
        Trust.load(path)
