"""Merkle Patricia tries, Ethereum's maps with a root: a proof checked, and one made.

A way to a value is the key in nibbles (hexadecimal digits). A branch takes one of them, a leaf
or an extension several at once. A node of 32 bytes or more is named by its hash, a smaller one
stands in its parent itself.

Source: Ethereum yellow paper, appendices C and D.
"""

from collections.abc import Iterable, Mapping, Sequence

from ledger import rlp
from ledger.errors import Rejected
from ledger.keccak import keccak256

EMPTY_ROOT = keccak256(rlp.encode(b""))

_HASH_BYTES = 32
_BRANCH, _SHORT_NODE = 17, 2
_NIBBLES = "0123456789abcdef"


def proved_value(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """Return what a Merkle Patricia trie holds under a key, as the proof shows.

    Raises:
        Rejected: `bad_proof` or `not_canonical`.
    """
    unused = list(proof)
    reference: rlp.Item = root
    nibbles, is_value = key.hex(), False
    while not is_value:
        reference, nibbles, is_value = descended(_opened(reference, unused), nibbles)
    if unused or not isinstance(reference, bytes) or not reference:
        raise Rejected("the proof does not end at a value", reason="bad_proof")
    return reference


def _opened(reference: rlp.Item, unused: list[bytes]) -> list[rlp.Item]:
    """Return the node that a parent refers to, by its hash or, below 32 bytes, by itself."""
    node = reference
    if isinstance(reference, bytes):
        if len(reference) != _HASH_BYTES or not unused:
            raise Rejected("the proof ends before the value", reason="bad_proof")
        encoded = unused.pop(0)
        if keccak256(encoded) != reference:
            raise Rejected("a node of the proof has another hash", reason="bad_proof")
        node = rlp.decode(encoded)
    if not isinstance(node, list):
        raise Rejected("a byte string is no node of a trie", reason="bad_proof")
    return node


def descended(node: list[rlp.Item], nibbles: str) -> tuple[rlp.Item, str, bool]:
    """Return what a node refers to on the way, the way that is left, and whether it is a value."""
    if len(node) == _BRANCH:
        if not nibbles:
            return node[-1], "", True
        return node[int(nibbles[0], 16)], nibbles[1:], False
    if len(node) != _SHORT_NODE:
        raise Rejected(f"{len(node)} items are no node of a trie", reason="bad_proof")
    shared, is_leaf = _hex_prefix(node[0])
    rest = nibbles.removeprefix(shared)
    if len(rest) + len(shared) != len(nibbles) or (is_leaf and rest) or not (is_leaf or shared):
        raise Rejected("the proof leads to another key", reason="bad_proof")
    return node[1], rest, is_leaf


def _hex_prefix(encoded: rlp.Item) -> tuple[str, bool]:
    """Return the nibbles of a leaf or an extension, and whether it is a leaf."""
    digits = encoded.hex() if isinstance(encoded, bytes) else ""
    match digits[:1], digits[1:2]:
        case ("0" | "2") as kind, "0":
            return digits[2:], kind == "2"
        case ("1" | "3") as kind, _:
            return digits[1:], kind == "3"
    raise Rejected("no path of a trie", reason="bad_proof")


def built(values: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the root of the trie over a map, and its nodes by their hashes."""
    nodes: dict[bytes, bytes] = {}
    if not values:
        return EMPTY_ROOT, nodes
    pairs = sorted((key.hex(), value) for key, value in values.items())
    encoded = rlp.encode(_built(pairs, nodes))
    root = keccak256(encoded)
    nodes[root] = encoded
    return root, nodes


def proof(nodes: Mapping[bytes, bytes], root: bytes, key: bytes) -> tuple[bytes, ...]:
    """Return the named nodes from the root to the value under a key.

    Where the trie has no such key, they lead as far as there is a way: that shows its absence.
    """
    path: list[bytes] = []
    reference: rlp.Item = root
    nibbles, is_value = key.hex(), False
    try:
        while not is_value:
            if isinstance(reference, bytes):
                path.append(nodes[reference])
                reference = rlp.decode(path[-1])
            node = reference if isinstance(reference, list) else []
            reference, nibbles, is_value = descended(node, nibbles)
    except (KeyError, Rejected):
        return tuple(path)
    return tuple(path)


def _built(pairs: list[tuple[str, bytes]], nodes: dict[bytes, bytes]) -> rlp.Item:
    """Return the node over sorted pairs of nibbles and value."""
    if len(pairs) == 1:
        return [_prefixed(pairs[0][0], is_leaf=True), pairs[0][1]]
    shared = _shared(pairs[0][0], pairs[-1][0])
    if shared:
        rest = [(nibbles[len(shared) :], value) for nibbles, value in pairs]
        return [_prefixed(shared, is_leaf=False), _reference(rest, nodes)]
    ends = [value for nibbles, value in pairs if not nibbles]
    return [*_children(pairs, nodes), ends[0] if ends else b""]


def _shared(first: str, last: str) -> str:
    """Return what two ways begin with; of sorted ones, all between them do too."""
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return min(first, last, key=len) if length is None else first[:length]


def _children(pairs: Iterable[tuple[str, bytes]], nodes: dict[bytes, bytes]) -> list[rlp.Item]:
    below: dict[str, list[tuple[str, bytes]]] = {nibble: [] for nibble in _NIBBLES}
    for nibbles, value in pairs:
        if nibbles:
            below[nibbles[0]].append((nibbles[1:], value))
    return [_reference(found, nodes) if found else b"" for found in below.values()]


def _reference(pairs: list[tuple[str, bytes]], nodes: dict[bytes, bytes]) -> rlp.Item:
    node = _built(pairs, nodes)
    encoded = rlp.encode(node)
    if len(encoded) < _HASH_BYTES:
        return node
    name = keccak256(encoded)
    nodes[name] = encoded
    return name


def _prefixed(nibbles: str, *, is_leaf: bool) -> bytes:
    kind = 2 * is_leaf + len(nibbles) % 2
    return bytes.fromhex(f"{kind}{nibbles}" if len(nibbles) % 2 else f"{kind}0{nibbles}")
