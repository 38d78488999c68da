"""Clocks: never early, and the same in every process that shares origin and rate."""

import time

import pytest

from ledger.facts.clock import Clock, ClockSettings, ScaledClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), ScaledClock(time.time_ns() // 10**6, 20.0)])
async def test_a_sleep_is_never_early(clock: Clock) -> None:
    due_ms = clock.now_ms() + 50
    await clock.sleep_until(due_ms)
    assert clock.now_ms() >= due_ms


async def test_a_sleep_into_the_past_returns_at_once() -> None:
    clock = SystemClock()
    before_ms = clock.monotonic_ms()
    await clock.sleep_until(clock.now_ms() - 1_000_000)
    assert clock.monotonic_ms() - before_ms < 1_000


def test_scaled_clocks_of_one_origin_agree_and_run_fast() -> None:
    origin_ms = time.time_ns() // 10**6 - 1_000
    one, other = ScaledClock(origin_ms, 60.0), ScaledClock(origin_ms, 60.0)
    assert abs(one.now_ms() - other.now_ms()) < 60 * 100
    assert 59_000 <= one.now_ms() - origin_ms < 120_000
    assert one.monotonic_ms() <= one.monotonic_ms()


def test_a_clock_cannot_stand_still() -> None:
    with pytest.raises(ValueError, match="above 0"):
        ScaledClock(0, 0.0)


def test_only_another_rate_needs_another_clock() -> None:
    assert isinstance(ClockSettings(origin_ms=5).clock(), SystemClock)
    assert ClockSettings(origin_ms=5, rate=2.0).clock() == ScaledClock(5, 2.0)
    with pytest.raises(ValueError, match="above 0"):
        ClockSettings(rate=-1.0)
