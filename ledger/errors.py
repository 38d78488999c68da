"""Errors that say who must act.

CertiflexError
├── Rejected          the input is wrong: quarantine it, tell the sender, never retry
│   └── Refused       the other side looked at our request and said no
├── Unavailable       a peer is away: retry with jitter, log once away and once back
└── InvariantBroken   we are wrong: stop, and recover at the next start
"""

_NAMED_WRONG = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class CertiflexError(Exception):
    """An error told in three parts: what is wrong, where, and what to do next.

    Args:
        what: what was expected and what was found, without a full stop.
        where: file and key, topic, address or record it was found at.
        remedy: the next thing to do or to type.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the error in one line: where, what, remedy."""
        told = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{told}; {self.remedy}" if self.remedy else told
        return " ".join(line.split())


class Rejected(CertiflexError):
    """The input is wrong and stays wrong: it is put aside and never tried again.

    Args:
        what: see `CertiflexError`.
        where: see `CertiflexError`.
        remedy: see `CertiflexError`.
        reason: a stable name for machines, for example ``not_canonical``.
    """

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", reason: str = "rejected"
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.reason = reason


class Refused(Rejected):
    """The other side understood our request and said no."""


class Unavailable(CertiflexError):
    """A peer, a disk or a bus is away for now; the same call may succeed later."""


class InvariantBroken(CertiflexError):
    """Something that cannot happen did: go no further, recover at the next start."""


def unreadable(file: object, error: OSError) -> CertiflexError:
    """Return what is told of a file that somebody named and that cannot be read.

    Whoever named it must look, if it is not there, is no file or may not be read; else the disk
    is away, and the same call may succeed later.
    """
    what = f"cannot be read ({error.strerror or type(error).__name__})"
    where, remedy = str(file), "check the path, and that it may be read"
    if isinstance(error, _NAMED_WRONG):
        return Rejected(what, where=where, remedy=remedy, reason="unreadable_file")
    return Unavailable(what, where=where, remedy=remedy)
