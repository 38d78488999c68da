"""Bells that keep a ring."""

import asyncio

from gateway.bell import Bell


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
