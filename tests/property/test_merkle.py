"""Every leaf proves and no other does; a tree that grew is the tree that was built."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import Rejected


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % i) for i in range(size)]


def definition_root(hashes: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    left, right = definition_root(hashes[:k]), definition_root(hashes[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def definition_path(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 9162 §2.1.3.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*definition_path(m, hashes[:k]), definition_root(hashes[k:])]
    return [*definition_path(m - k, hashes[k:]), definition_root(hashes[:k])]


def definition_subproof(m: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 9162 §2.1.4.1, word for word."""
    n = len(hashes)
    if m == n:
        return [] if whole else [definition_root(hashes)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*definition_subproof(m, hashes[:k], whole=whole), definition_root(hashes[k:])]
    return [
        *definition_subproof(m - k, hashes[k:], whole=False),
        definition_root(hashes[:k]),
    ]


@pytest.mark.parametrize("size", range(1, 40))
def test_roots_and_proofs_are_those_of_the_definition(size: int) -> None:
    hashes = leaves(size)
    tree = merkle.Tree(hashes)
    assert tree.root() == merkle.root(hashes) == definition_root(hashes)
    for index in range(size):
        assert tree.inclusion(index) == definition_path(index, hashes)
    for old in range(1, size + 1):
        assert tree.consistency(old) == definition_subproof(old, hashes, whole=True)


@given(size=st.integers(1, 300), data=st.data())
def test_every_leaf_proves_and_no_other_does(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(hashes, index)
    assert merkle.root_from_inclusion(hashes[index], index, size, proof) == merkle.root(hashes)
    if other != index:
        try:
            led_to = merkle.root_from_inclusion(hashes[other], other, size, proof)
        except Rejected:
            return
        assert led_to != merkle.root(hashes)


@given(size=st.integers(2, 300), data=st.data())
def test_a_changed_path_proves_nothing(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(hashes, index)
    for wrong in (proof[:-1], [*proof, bytes(32)], proof[::-1]):
        if wrong == proof:
            continue
        try:
            led_to = merkle.root_from_inclusion(hashes[index], index, size, wrong)
        except Rejected:
            continue
        assert led_to != merkle.root(hashes)


@given(steps=st.lists(st.integers(0, 70), min_size=1, max_size=8))
def test_a_grown_tree_is_the_built_tree(steps: list[int]) -> None:
    hashes = leaves(sum(steps))
    grown, at = merkle.Tree(), 0
    for step in steps:
        grown.extend(hashes[at : at + step])
        at += step
    assert [grown.root(n) for n in range(len(hashes) + 1)] == [
        merkle.root(hashes[:n]) for n in range(len(hashes) + 1)
    ]


@given(new=st.integers(1, 200), data=st.data())
def test_consistency_holds_for_what_grew_and_for_nothing_else(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, new))
    hashes = leaves(new)
    proof = merkle.consistency_proof(hashes, old)
    old_root, new_root = merkle.root(hashes[:old]), merkle.root(hashes)
    merkle.verify_consistency(old, old_root, new, new_root, proof)
    forked = [merkle.leaf_hash(b"forged"), *hashes[1:]]
    for wrong_old, wrong_new, wrong_proof in [
        (merkle.root(forked[:old]), new_root, proof),
        (old_root, merkle.root(forked), proof),
        (old_root, merkle.root(forked), merkle.consistency_proof(forked, old)),
        (old_root, new_root, [*proof, bytes(32)]),
        *([(old_root, new_root, proof[:-1])] if proof else []),
    ]:
        with pytest.raises(Rejected):
            merkle.verify_consistency(old, wrong_old, new, wrong_new, wrong_proof)
