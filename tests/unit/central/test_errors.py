"""Errors say who must act, and carry what a program needs to act."""

from central.errors import (
    Contradicted,
    DamagedStore,
    NotAllowed,
    NotTheNext,
    OtherContent,
    StoreAway,
)
from ledger.errors import InvariantBroken, Rejected, Unavailable


def test_each_error_says_who_must_act() -> None:
    assert issubclass(NotTheNext, Rejected)
    assert issubclass(Contradicted, Rejected)
    assert issubclass(OtherContent, Rejected)
    assert issubclass(NotAllowed, Rejected)
    assert issubclass(StoreAway, Unavailable)
    assert issubclass(DamagedStore, InvariantBroken)


def test_what_comes_next_is_told() -> None:
    error = NotTheNext(expected=4, found=9)
    assert (error.expected, error.found, error.reason) == (4, 9, "not_the_next_window")
    assert str(error) == (
        "window 9 is not the next one; expected window 4; send the windows from 4 on, in order"
    )
