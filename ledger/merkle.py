r"""Merkle trees of RFC 9162 §2: hashes, roots, inclusion and consistency, each proof checked.

```
            root = [0,7)                 A tree of n leaves splits at k, the largest power of
           /            \                two below n: the left part is complete and never
        [0,4)          [4,7)             changes again when the tree grows.
       /     \         /    \
    [0,2)   [2,4)   [4,6)   [6,7)        Level l, index i covers leaves [i·2^l, (i+1)·2^l).
```

Every edge is decided: the empty tree has the root SHA-256(""), a proof for an index outside the
tree is refused, and so is one hash too many or too few.

Source: RFC 9162 §2.1.1 … §2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Sequence

from ledger.errors import Rejected

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32

_sha256 = hashlib.sha256


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 ‖ leaf)."""
    return _sha256(b"\x00" + leaf).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Return the hash of each leaf."""
    return [_sha256(b"\x00" + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return _sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree over leaf hashes; the empty tree's is SHA-256("")."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) & 1 else []
        level = _parents(level) + odd
    return level[0]


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the path from leaf `index` to the root, lowest sibling first.

    Raises:
        ValueError: there is no such leaf.
    """
    return Tree(hashes).inclusion(index, len(hashes))


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the first `old_size` leaves are still the beginning of the tree.

    Raises:
        ValueError: the old tree is empty or larger than the new one.
    """
    return Tree(hashes).consistency(old_size, len(hashes))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a leaf hash at `index` in a tree of `size` leads to.

    Raises:
        Rejected: `bad_proof`: no such index, or a path of another length.

    Source: RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        raise Rejected(f"leaf {index} is not in a tree of {size}", reason="bad_proof")
    position, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Rejected("the inclusion proof is too long", reason="bad_proof")
        if position & 1 or position == last:
            digest = node_hash(sibling, digest)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise Rejected("the inclusion proof is too short", reason="bad_proof")
    return digest


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree grew from an older one and changed nothing of it.

    Every tree is a continuation of the empty one and of itself, with an empty proof.

    Raises:
        Rejected: `bad_proof`.

    Source: RFC 9162 §2.1.4.2.
    """
    if not 0 <= old_size <= new_size:
        raise Rejected(f"a log of {old_size} cannot shrink to {new_size}", reason="bad_proof")
    if old_size in {0, new_size}:
        same = old_root == (EMPTY_ROOT if old_size == 0 else new_root)
        if proof or not same:
            raise Rejected("an unchanged log has an empty proof, one root", reason="bad_proof")
        return
    if _roots_from_consistency(old_size, old_root, new_size, proof) != (old_root, new_root):
        raise Rejected("the newer log does not continue the older one", reason="bad_proof")


def _roots_from_consistency(
    old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    if not path:
        raise Rejected("the consistency proof is empty", reason="bad_proof")
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Rejected("the consistency proof is too long", reason="bad_proof")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise Rejected("the consistency proof is too short", reason="bad_proof")
    return old, new


class Tree:
    """A tree that grows and proves; complete subtrees are hashed once and kept.

    Sizes up to the present one can be asked for: what the tree was stays provable.
    """

    def __init__(self, hashes: Sequence[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        self.extend(hashes)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend([leaf])

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes, and hash every subtree that they complete."""
        self._levels[0].extend(leaves)
        below = self._levels[0]
        for level in range(1, len(below).bit_length()):
            if level == len(self._levels):
                self._levels.append([])
            nodes = self._levels[level]
            fresh = below[2 * len(nodes) : len(below) & ~1]
            nodes.extend(_parents(fresh))
            below = nodes

    def leaves(self) -> Sequence[bytes]:
        """Return all leaf hashes."""
        return self._levels[0]

    def tail_leaves(self, count: int) -> list[bytes]:
        """Return the last `count` leaf hashes."""
        return self._levels[0][len(self) - count :]

    def subtrees(self, level: int, start: int, end: int) -> list[bytes]:
        """Return the hashes of the complete subtrees [start, end) of 2^level leaves each."""
        return self._levels[level][start:end]

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, all of them by default.

        Raises:
            ValueError: the tree has fewer leaves.
        """
        return self._range_root(0, self._checked(size))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the path of leaf `index` in the tree of the first `size` leaves.

        Raises:
            ValueError: there is no such leaf.
        """
        end = self._checked(size)
        if not 0 <= index < end:
            msg = f"leaf {index} is not in a tree of {end}"
            raise ValueError(msg)
        path: list[bytes] = []
        start = 0
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old_size: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the first `size` leaves continue the first `old_size`.

        Raises:
            ValueError: the old tree is empty or larger than the new one.
        """
        end = self._checked(size)
        if not 0 < old_size <= end:
            msg = f"no consistency proof from {old_size} to {end} leaves"
            raise ValueError(msg)
        path: list[bytes] = []
        start, old_is_whole = 0, True
        while old_size < end:
            middle = start + _split(end - start)
            if old_size <= middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start, old_is_whole = middle, False
        if not old_is_whole:
            path.append(self._range_root(start, end))
        return path[::-1]

    def _checked(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            msg = f"a tree of {len(self)} leaves has no first {size}"
            raise ValueError(msg)
        return size

    def _range_root(self, start: int, end: int) -> bytes:
        """Return the root of leaves [start, end), where `start` is a border of its subtree."""
        if start == end:
            return EMPTY_ROOT
        digest: bytes | None = None
        while end > start:
            level = _largest_subtree(start, end)
            end -= 1 << level
            subtree = self._levels[level][end >> level]
            digest = subtree if digest is None else node_hash(subtree, digest)
        return digest if digest is not None else EMPTY_ROOT


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is above 1."""
    return 1 << (size - 1).bit_length() - 1


def _largest_subtree(start: int, end: int) -> int:
    """Return the level of the complete subtree that ends at `end` and does not pass `start`."""
    return ((end - start) & -(end - start)).bit_length() - 1


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the hash over each pair of nodes; an odd one at the end has no parent here."""
    one_by_one = iter(nodes)
    return [
        _sha256(b"\x01" + left + right).digest()
        for left, right in zip(one_by_one, one_by_one, strict=False)
    ]
