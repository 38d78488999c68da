"""Errors tell where, what and what to do, in one line."""

import errno
import os

import pytest

from ledger.errors import CertiflexError, Rejected, Unavailable, unreadable


def test_an_error_is_one_line_of_three_parts() -> None:
    error = CertiflexError("no\nroute", where="mqtt://x", remedy="start the broker")
    assert str(error) == "mqtt://x: no route; start the broker"
    assert str(CertiflexError("only what")) == "only what"


def test_a_rejection_has_a_reason_for_machines() -> None:
    assert Rejected("x").reason == "rejected"
    assert Rejected("x", reason="not_canonical").reason == "not_canonical"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES])
def test_of_a_file_that_cannot_be_read_whoever_named_it_is_told(number: int) -> None:
    error = unreadable("a.json", OSError(number, os.strerror(number)))
    assert isinstance(error, Rejected)
    assert str(error) == (
        f"a.json: cannot be read ({os.strerror(number)}); check the path, and that it may be read"
    )


def test_a_disk_that_fails_is_away_and_the_input_is_not_to_blame() -> None:
    error = unreadable("a.json", OSError(errno.EIO, "Input/output error"))
    assert isinstance(error, Unavailable)
    assert "Input/output error" in str(error)
    assert "(OSError)" in str(unreadable("a.json", OSError())), "some have no text"
