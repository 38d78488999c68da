"""Waiting is told twice: when it begins and when it ends."""

import asyncio
import logging

import pytest

from ledger.errors import Unavailable
from lightnode.patience import Patience


async def test_away_is_told_once_and_back_once(caplog: pytest.LogCaptureFixture) -> None:
    patience = Patience("broker", longest_s=0.01)
    with caplog.at_level(logging.INFO, "lightnode"):
        patience.back()
        for _ in range(5):
            patience.away(Unavailable("gone", where="there"))
            await patience.pause()
        patience.back()
        patience.back()
    told = [(entry.getMessage(), vars(entry)["what"]) for entry in caplog.records]
    assert told == [("lightnode.away", "broker"), ("lightnode.back", "broker")]
    assert vars(caplog.records[0])["error"] == "there: gone"
    assert vars(caplog.records[1])["failures"] == 5


async def test_pauses_grow_up_to_a_bound_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    patience = Patience("broker", longest_s=60.0)
    for _ in range(40):
        patience.away(Unavailable("gone"))
        await patience.pause()
    assert 0.5 <= slept[0] <= 1.0
    assert all(30.0 <= delay_s <= 60.0 for delay_s in slept[10:])
    assert len(set(slept[10:])) > 20
