"""The trees over what is stored: the log of windows, the registry, and each window's leaves."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from central.scd.ports import Evidence, Members
from central.scd.stored import StoredRegistration
from ledger.codec import encode_window_leaves
from ledger.codec.cbor import HASH_BYTES, loads_plain
from ledger.errors import Rejected
from ledger.merkle import Tree, leaf_hash, leaf_hashes, root

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
    return leaf_hashes(encode_window_leaves(window, node_count, dict(members)))


class RegistryTrail:
    """The registry's leaves, registration after registration.

    `arrival` is the one that was followed last.
    """

    def __init__(self) -> None:
        self.arrival = 0
        self._leaves: list[bytes] = []
        self._root: bytes | None = None

    def find(
        self, later: Sequence[StoredRegistration], node_count: int, wanted: bytes
    ) -> int | None:
        """Follow later registrations until the registry has this size and root.

        Return the arrival at which it has; None, at the end of them, if it never had.
        """
        if self._has(node_count, wanted):
            return self.arrival
        for stored in later:
            self._leaves[stored.node_index : stored.node_index + 1] = [leaf_hash(stored.body)]
            self.arrival, self._root = max(stored.arrival, self.arrival), None
            if self._has(node_count, wanted):
                return self.arrival
        return None

    def _has(self, node_count: int, wanted: bytes) -> bool:
        if len(self._leaves) != node_count:
            return False
        if self._root is None:
            self._root = root(self._leaves)
        return self._root == wanted


class LogBook:
    """Trees over stored evidence, grown as it grows; what was proved stays provable.

    Safe for use by several threads at once.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._lock = threading.Lock()
        self._log = Tree()
        self._trail: RegistryTrail | None = None
        self.registry_tree = lru_cache(_TREES_KEPT)(self._registry_tree)
        self.window_tree = lru_cache(_TREES_KEPT)(self._window_tree)

    def log(self) -> Tree:
        """Return the tree over all windows stored up to now."""
        with self._lock:
            while page := self._evidence.windows(len(self._log), _PAGE):
                self._log.extend([leaf_hash(window.entry) for window in page])
            return self._log

    def registry_arrival(self, node_count: int, wanted: bytes, *, after_arrival: int) -> int | None:
        """Return the registration with which the registry came to have this size and root.

        It is looked for from the registry as of `after_arrival` on; None if it never had.
        """
        with self._lock:
            if self._trail is None or self._trail.arrival != after_arrival:
                self._trail = RegistryTrail()
                self._trail.find(self._evidence.registrations(until_arrival=after_arrival), -1, b"")
            later = self._evidence.registration_history(after_arrival)
            found = self._trail.find(later, node_count, wanted)
            if found is None:
                # What was tried must not be taken for the registry as of some window.
                self._trail = None
            return found

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
