"""What nodes have seen of the log, against the log: whoever shows two histories is found here.

Each receipt shows its node the log's size and root, and the node signs the largest that it has
seen into its next headers. The gateway's own word comes back from every meter in this way, and
one of them that does not fit says that somebody signs with our key, or took our log back, or
that the node does not tell the truth. Its signed header is the evidence, whichever it is.
"""

from typing import Protocol

from gateway.ports import Examined, SplitView

_MOST_ROOTS = 4_096
_NEVER_SO_LARGE = b""


class Rooted(Protocol):
    """A log as far as it is published or will be."""

    @property
    def size(self) -> int:
        """Return the number of entries."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` entries, all by default."""
        ...


class Witness:
    """Compares claims with a log; the roots that are asked for most are kept, and never change."""

    def __init__(self, log_: Rooted) -> None:
        self._log = log_
        self._roots: dict[int, bytes] = {}

    def split_view(self, segment: Examined, now_ms: int) -> SplitView | None:
        """Return what a segment's claim contradicts; None if it bears the log out or has none."""
        claim = segment.header.checkpoint
        if claim is None:
            return None
        size, root = claim
        held = self._roots.get(size) or self._root(size)
        return None if held == root else SplitView(segment=segment, root=held, detected_ms=now_ms)

    def _root(self, size: int) -> bytes:
        if size > self._log.size:
            return _NEVER_SO_LARGE
        if len(self._roots) >= _MOST_ROOTS:
            self._roots.clear()
        root = self._roots[size] = self._log.root(size)
        return root
