"""What certification costs: making, verifying and proving, beside the naive way."""

import json

import pytest

from ledger import codec, merkle
from ledger.facts.window import WindowEntry
from ledger.proving import Anchoring, RecordBundle, Status, Trust, encode_bundle, verify
from ledger.proving import LedgerTrust as Heads
from ledger.signing import SEGMENT_CONTEXT
from tests.bench.conftest import Figure, Figures, seconds_of
from tests.segments import ORIGIN, TestLog, TestNode

pytestmark = pytest.mark.bench

HASH = bytes(range(32))


@pytest.mark.parametrize("nodes", [100_000, 400_000, 1_600_000])
def test_window_tree(figures: Figures, nodes: int) -> None:
    members = {index: [HASH] for index in range(nodes)}

    def ours() -> bytes:
        return merkle.root(merkle.leaf_hashes(codec.encode_window_leaves(7, nodes, members)))

    def naive() -> bytes:
        def recursive(hashes: list[bytes]) -> bytes:
            if len(hashes) == 1:
                return hashes[0]
            k = 1 << (len(hashes) - 1).bit_length() - 1
            return merkle.node_hash(recursive(hashes[:k]), recursive(hashes[k:]))

        return recursive(
            [
                merkle.leaf_hash(codec.encode_window_leaf(7, index, members[index]))
                for index in range(nodes)
            ]
        )

    assert ours() == naive()
    repeats = 3 if nodes < 1_000_000 else 1
    figures.take(
        Figure(
            subject="ledger: window tree", size=f"{nodes:,} leaves", unit="s",
            ours=seconds_of(ours, repeats=repeats), peer=seconds_of(naive, repeats=repeats),
            peer_name="leaf by leaf, recursive", reach="1.6 M leaves in 5 s",
        )
    )  # fmt: skip


def anchored_bundle(nodes: int, windows: int) -> tuple[bytes, Trust]:
    """Return a bundle of a city: its window of `nodes` leaves is entry 0 of a log of `windows`."""
    node = TestNode(0, three_phase=True)
    segment = codec.decode_segment(node.segment())
    header = codec.header_hash(node.key.public.verify(segment.signed_header, SEGMENT_CONTEXT))
    log = TestLog([node])
    registration = node.registration()
    leaves = codec.encode_window_leaves(0, nodes, {0: [header]})
    window = merkle.Tree(merkle.leaf_hashes(leaves))
    registry = merkle.Tree([merkle.leaf_hash(registration), *[HASH] * (nodes - 1)])
    entry = codec.encode_window_entry(
        WindowEntry(
            origin=ORIGIN, window=0, closed_ms=1_782_000_000_000, node_count=nodes,
            root=window.root(), registry_root=registry.root(),
        )
    )  # fmt: skip
    log.tree = merkle.Tree([merkle.leaf_hash(entry), *[HASH] * (windows - 1)])
    note, _ = codec.decode(log.anchor())
    records = [
        merkle.leaf_hash(salt + record)
        for salt, record in zip(segment.salts, segment.records, strict=True)
    ]
    bundle = RecordBundle(
        record=segment.records[7], salt=segment.salts[7],
        segment_path=tuple(merkle.inclusion_proof(records, 7)),
        signed_header=segment.signed_header, registration=registration,
        anchoring=Anchoring(
            window_leaf=leaves[0], window_path=tuple(window.inclusion(0)),
            window_entry=entry, registry_path=tuple(registry.inclusion(0)),
            log_path=tuple(log.tree.inclusion(0)), checkpoint=note, chain_part=None,
        ),
    )  # fmt: skip
    trust = Trust(
        origin=ORIGIN, log_key=log.key.public.encode().hex(),
        ledger=Heads(heads=(f"{windows} {log.tree.root().hex()}",)),
    )  # fmt: skip
    return encode_bundle(bundle), trust


@pytest.mark.parametrize(
    ("nodes", "windows"), [(20, 1_000), (10_000, 50_000), (1_600_000, 529_000)]
)
def test_bundle(figures: Figures, nodes: int, windows: int) -> None:
    bundle, trust = anchored_bundle(nodes, windows)
    assert verify(bundle, trust).status is Status.VALID
    size = f"{nodes:,} nodes, {windows:,} windows"
    figures.take(
        Figure(
            subject="ledger: bundle size", size=size, unit="bytes", ours=len(bundle),
            reach="4 kB", note="Without the chain part, which adds header and receipt of a block",
        )
    )  # fmt: skip
    spent_s = seconds_of(lambda: verify(bundle, trust), repeats=200)
    figures.take(
        Figure(
            subject="ledger: verify a bundle", size=size, unit="ms", ours=spent_s * 1000,
            reach="2 ms, no network",
        )
    )  # fmt: skip


@pytest.mark.parametrize("records", [1, 15, 225])
def test_make(figures: Figures, records: int) -> None:
    node = TestNode(0, window_slots=records, three_phase=True)
    readings = codec.read_rows(codec.decode_segment(node.segment()).records)
    facts = [codec.record_of(row) for row in readings]
    secret = bytes(32)
    header = bytes(190)

    def ours() -> None:
        leaves = []
        for fact in facts:
            encoded = codec.encode_record(fact)
            leaves.append(merkle.leaf_hash(codec.leaf_salt(secret, fact.sequence) + encoded))
        node.key.sign(header + merkle.root(leaves), SEGMENT_CONTEXT)

    def naive() -> None:
        for row in readings:
            node.key.sign(json.dumps(row).encode(), SEGMENT_CONTEXT)

    figures.take(
        Figure(
            subject="ledger: make, hash and sign a reading", size=f"{records} in a segment",
            unit="µs per reading", ours=seconds_of(ours, repeats=50) / records * 1e6,
            peer=seconds_of(naive, repeats=20) / records * 1e6,
            peer_name="JSON, one signature each", reach="10 µs",
        )
    )  # fmt: skip
