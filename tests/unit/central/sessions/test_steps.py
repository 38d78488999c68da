"""Rows are logged when they begin, counted when they end well, and told when they do not."""

import logging

import pytest

from central.sessions.steps import Steps


def test_rows_are_gone_through_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="central")
    told: list[str] = []
    row = Steps("day-ahead 2026-06-18", told.append)
    with row("DA-3a"):
        pass
    with pytest.raises(ValueError, match="no"), row("DA-4a"):
        raise ValueError("no")
    assert row.done == ["DA-3a"]
    assert told == ["DA-3a", "DA-4a"]
    events = [(record.getMessage(), record.__dict__["step"]) for record in caplog.records]
    assert events == [
        ("session.step", "DA-3a"), ("session.step", "DA-4a"), ("session.step_failed", "DA-4a"),
    ]  # fmt: skip
