"""Errors say who must act."""

import pytest

from gateway.errors import (
    BrokerAway,
    CentralAway,
    JournalBlocked,
    JournalDamaged,
    JournalTaken,
    OtherWindow,
)
from ledger.errors import CertiflexError, Refused, Rejected, Unavailable


@pytest.mark.parametrize(
    ("kind", "acts"),
    [
        (BrokerAway, Unavailable),
        (CentralAway, Unavailable),
        (JournalBlocked, Unavailable),
        (JournalDamaged, Rejected),
        (JournalTaken, Rejected),
    ],
)
def test_every_error_has_its_place_in_the_tree(
    kind: type[CertiflexError], acts: type[CertiflexError]
) -> None:
    assert isinstance(kind("what", where="where"), acts)


def test_another_window_says_which() -> None:
    error = OtherWindow("no", where="there", expected=4)
    assert isinstance(error, Refused)
    assert (error.expected, error.reason) == (4, "other_window")
