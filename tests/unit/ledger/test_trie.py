"""Tries against an implementation not written here; proofs that hold for one value only."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from ledger import rlp, trie
from ledger.errors import Rejected
from ledger.keccak import keccak256

maps = st.dictionaries(st.binary(max_size=4), st.binary(min_size=1, max_size=60), max_size=24)


@given(maps)
def test_the_root_is_ethereums(values: Mapping[bytes, bytes]) -> None:
    reference = HexaryTrie({})
    for key, value in values.items():
        reference[key] = value
    root, _ = trie.built(values)
    assert root == reference.root_hash


@given(maps, st.binary(max_size=4))
def test_every_value_proves_and_nothing_else_does(
    values: Mapping[bytes, bytes], other: bytes
) -> None:
    root, nodes = trie.built(values)
    for key, value in values.items():
        assert trie.proved_value(root, key, trie.proof(nodes, root, key)) == value
    if other not in values:
        with pytest.raises(Rejected):
            trie.proved_value(root, other, trie.proof(nodes, root, other))


RECEIPTS = {rlp.encode(rlp.encode_integer(n)): bytes([n % 250 + 1]) * 300 for n in range(300)}
ROOT, NODES = trie.built(RECEIPTS)


@pytest.mark.parametrize("index", [0, 1, 127, 128, 299])
def test_a_proof_that_is_touched_proves_nothing(index: int) -> None:
    key = rlp.encode(rlp.encode_integer(index))
    proof = trie.proof(NODES, ROOT, key)
    assert trie.proved_value(ROOT, key, proof) == RECEIPTS[key]
    broken = [
        proof[:-1],
        proof[1:],
        (),
        (*proof, proof[-1]),
        (*proof, b""),
        proof[::-1],
        (proof[0][:-1] + b"\x00", *proof[1:]),
    ]
    for wrong in broken:
        with pytest.raises(Rejected):
            trie.proved_value(ROOT, key, wrong)
    with pytest.raises(Rejected):
        trie.proved_value(bytes(32), key, proof)
    with pytest.raises(Rejected):
        trie.proved_value(ROOT, key + b"\x01", proof)


@pytest.mark.parametrize(
    "node",
    [
        b"a string",
        [],
        [b"\x20", b"v", b"w"],
        [b"\x40", b"v"],
        [b"", b"v"],
        [b"\x00", bytes(32)],
        [[b"\x20"], b"v"],
        [b"\x20", b""],
        [b"\x20", [b"v"]],
    ],
    ids=["text", "empty", "three", "flag", "no path", "idle extension", "list", "void", "nested"],
)  # fmt: skip
def test_what_is_no_node_is_refused(node: rlp.Item) -> None:
    encoded = rlp.encode(node)
    root = keccak256(encoded)
    with pytest.raises(Rejected):
        trie.proved_value(root, b"", [encoded])


def test_the_empty_trie() -> None:
    root, nodes = trie.built({})
    assert (root, nodes) == (trie.EMPTY_ROOT, {})
    assert trie.proof(nodes, root, b"k") == ()
