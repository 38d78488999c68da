"""Examples of RFC 9162 trees, and every edge."""

import pytest

from ledger import merkle
from ledger.errors import Rejected

# The test tree of the Certificate Transparency reference code, eight leaves.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_published_roots() -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    assert [merkle.root(hashes[: n + 1]).hex() for n in range(8)] == ROOTS


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root([]) == merkle.Tree().root() == merkle.EMPTY_ROOT


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    hashes = [bytes(32)] * size
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_proof(hashes, index)
    with pytest.raises(Rejected):
        merkle.root_from_inclusion(bytes(32), index, size, [])


def test_a_tree_cannot_be_asked_for_what_it_never_had() -> None:
    with pytest.raises(ValueError, match="no first 2"):
        merkle.Tree([bytes(32)]).root(2)
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.Tree([bytes(32)]).consistency(0)


def test_an_unchanged_log_needs_no_proof_and_takes_none() -> None:
    merkle.verify_consistency(1, bytes(32), 1, bytes(32), [])
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, bytes(32), [])
    for old_size, old_root, new_size, proof in [
        (1, bytes(32), 1, [bytes(32)]),
        (1, b"\x01" * 32, 1, []),
        (0, bytes(32), 5, []),
        (2, bytes(32), 1, []),
        (3, bytes(32), 5, []),
    ]:
        with pytest.raises(Rejected):
            merkle.verify_consistency(old_size, old_root, new_size, bytes(32), proof)
