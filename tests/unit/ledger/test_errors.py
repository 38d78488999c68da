"""Errors tell where, what and what to do, in one line."""

from ledger.errors import CertiflexError, Rejected


def test_an_error_is_one_line_of_three_parts() -> None:
    error = CertiflexError("no\nroute", where="mqtt://x", remedy="start the broker")
    assert str(error) == "mqtt://x: no route; start the broker"
    assert str(CertiflexError("only what")) == "only what"


def test_a_rejection_has_a_reason_for_machines() -> None:
    assert Rejected("x").reason == "rejected"
    assert Rejected("x", reason="not_canonical").reason == "not_canonical"
