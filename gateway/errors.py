"""Errors of the gateway, named after what is away or damaged.

CertiflexError
├── Rejected
│   ├── JournalDamaged     the journal's file is not what was written: restore it
│   ├── JournalTaken       another gateway works on the same journal
│   └── Refused
│       └── OtherWindow    the Shared Customer Database expects another window than this one
└── Unavailable
    ├── BrokerAway         the MQTT broker does not answer or refuses
    ├── CentralAway        the Shared Customer Database does not answer
    └── JournalBlocked     the journal's disk is full, locked or failing
"""

from ledger.errors import Refused, Rejected, Unavailable


class JournalDamaged(Rejected):
    """The journal's file is not what was written."""


class JournalTaken(Rejected):
    """Another gateway works on the same journal."""


class OtherWindow(Refused):
    """The Shared Customer Database expects window number `expected`."""

    def __init__(self, what: str, *, where: str, expected: int) -> None:
        super().__init__(what, where=where, reason="other_window")
        self.expected = expected


class BrokerAway(Unavailable):
    """The MQTT broker does not answer or refuses the connection."""


class CentralAway(Unavailable):
    """The Shared Customer Database does not answer."""


class JournalBlocked(Unavailable):
    """The journal's disk is full, locked or failing; nothing of the call was written."""
