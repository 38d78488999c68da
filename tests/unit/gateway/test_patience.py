"""Bells that keep a ring, and pauses that grow, with one line for away and one for back."""

import asyncio
import logging

import pytest

from gateway.patience import Bell, Patience
from ledger.errors import Unavailable


async def test_a_ring_before_the_wait_is_kept_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert await bell.wait(10)
    assert not await bell.wait(0.001)


async def test_a_ring_ends_the_wait() -> None:
    bell = Bell()
    waiting = asyncio.ensure_future(bell.wait(10))
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(1):
        assert await waiting


async def test_away_and_back_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    patience = Patience("broker", first_s=0.0001)
    patience.back()
    for _ in range(3):
        await patience.away(Unavailable("gone"))
        assert patience.is_away
    patience.back()
    patience.back()
    assert not patience.is_away
    assert [record.getMessage() for record in caplog.records] == ["gateway.away", "gateway.back"]
    assert vars(caplog.records[1])["tries"] == 3


async def test_pauses_grow_with_jitter_up_to_their_bound() -> None:
    patience = Patience("broker", first_s=0.001, longest_s=0.004)
    for bound_s in (0.001, 0.002, 0.004, 0.004):
        await patience.away(Unavailable("gone"))
        pauses = [patience.pause_s() for _ in range(200)]
        assert bound_s / 10 <= min(pauses) < bound_s / 2 < max(pauses) <= bound_s
