"""Errors of the central side.

CertiflexError
├── Rejected
│   ├── NotTheNext        a window that does not follow the one stored last
│   ├── Contradicted      a claim that our own evidence does not bear out
│   ├── OtherContent      a document's name that stands for another content already
│   └── NotAllowed        something that the asker's role or party does not permit
├── Unavailable
│   └── StoreAway         the evidence database cannot be read or written for now
└── InvariantBroken
    └── DamagedStore      the evidence database is damaged: nothing is written to it any more
"""

from ledger.errors import InvariantBroken, Rejected, Unavailable


class NotTheNext(Rejected):
    """A window arrived that does not follow the one stored last.

    Args:
        expected: the number of the window that comes next.
        found: the number of the window that came.
    """

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(
            f"window {found} is not the next one; expected window {expected}",
            remedy=f"send the windows from {expected} on, in order",
            reason="not_the_next_window",
        )
        self.expected = expected
        self.found = found


class Contradicted(Rejected):
    """A claim was made that the stored evidence does not bear out."""


class OtherContent(Rejected):
    """A revision of a document is stored with another content; the new one is kept as evidence."""


class NotAllowed(Rejected):
    """The asker's role or party does not permit it."""


class StoreAway(Unavailable):
    """The evidence database cannot be read or written for now."""


class DamagedStore(InvariantBroken):
    """The evidence database is damaged; it is left as it is and nothing is written to it."""
