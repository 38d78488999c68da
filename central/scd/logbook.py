"""The trees over what is stored: the log of windows, the registry, and each window's leaves."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from central.scd.ports import Evidence, Members
from ledger.codec import encode_window_leaf
from ledger.codec.cbor import HASH_BYTES, loads_plain
from ledger.errors import Rejected
from ledger.merkle import Tree, leaf_hash

_PAGE = 10_000
_TREES_KEPT = 16


def read_window(body: bytes) -> tuple[bytes, Members]:
    """Return the entry and the members of a window as it arrived.

    Raises:
        Rejected: `not_canonical` (no CBOR) or `wrong_shape`.
    """
    match loads_plain(body):
        case [bytes(entry), [*pairs]]:
            return entry, [_member(pair) for pair in pairs]
        case _:
            raise Rejected("expected a window entry and its members", reason="wrong_shape")


def _member(pair: Any) -> tuple[int, list[bytes]]:  # noqa: ANN401 -- checks what it is given
    match pair:
        case [int(node_index), [*hashes]] if all(
            isinstance(digest, bytes) and len(digest) == HASH_BYTES for digest in hashes
        ):
            return node_index, hashes
        case _:
            raise Rejected("expected a node index and header hashes", reason="wrong_shape")


def window_leaves(window: int, node_count: int, members: Members) -> list[bytes]:
    """Return the leaf hashes of a window: one for each enrolled node, present or absent."""
    present = dict(members)
    return [
        leaf_hash(encode_window_leaf(window, index, present.get(index, ())))
        for index in range(node_count)
    ]


class LogBook:
    """Trees over stored evidence, grown as it grows; what was proved stays provable.

    Safe for use by several threads at once.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._lock = threading.Lock()
        self._log = Tree()
        self._registry_arrival = 0
        self._registry: list[bytes] = []
        self.registry_tree = lru_cache(_TREES_KEPT)(self._registry_tree)
        self.window_tree = lru_cache(_TREES_KEPT)(self._window_tree)

    def log(self) -> Tree:
        """Return the tree over all windows stored up to now."""
        with self._lock:
            while page := self._evidence.windows(len(self._log), _PAGE):
                self._log.extend([leaf_hash(window.entry) for window in page])
            return self._log

    def registry_arrival(self, node_count: int, root: bytes, *, after_arrival: int) -> int | None:
        """Return the registration with which the registry came to have this size and root.

        It is looked for from the registry as of `after_arrival` on; None if it never had.
        """
        with self._lock:
            if self._registry_arrival != after_arrival:
                known = self._evidence.registrations(until_arrival=after_arrival)
                self._registry = [leaf_hash(stored.body) for stored in known]
                self._registry_arrival = after_arrival
            if self._has(node_count, root):
                return self._registry_arrival
            for stored in self._evidence.registration_history(after_arrival):
                self._registry[stored.node_index : stored.node_index + 1] = [leaf_hash(stored.body)]
                self._registry_arrival = stored.arrival
                if self._has(node_count, root):
                    return self._registry_arrival
            # Nothing matched: what was tried must not be taken for the registry as of then.
            self._registry_arrival = -1
            return None

    def _has(self, node_count: int, root: bytes) -> bool:
        return len(self._registry) == node_count and Tree(self._registry).root() == root

    def _registry_tree(self, arrival: int) -> tuple[Tree, Sequence[bytes]]:
        """Return the registry as of an arrival: its tree and its leaves."""
        leaves = [stored.body for stored in self._evidence.registrations(until_arrival=arrival)]
        return Tree([leaf_hash(leaf) for leaf in leaves]), leaves

    def _window_tree(self, window: int, node_count: int) -> tuple[Tree, Members]:
        """Return a window's tree and its members.

        Raises:
            LookupError: there is no such window.
        """
        body = self._evidence.window_body(window)
        if body is None:
            raise LookupError(window)
        _, members = read_window(body)
        return Tree(window_leaves(window, node_count, members)), members
