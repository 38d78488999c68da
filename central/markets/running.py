"""A session gone through by hand, from wherever it was left."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from central.calendar import ROME, day_of
from central.config import configured
from central.market.gates import Gates
from central.markets.floors import opened_floor, run_hours
from central.markets.telling import seen_of, tell
from central.sessions.day_ahead import day_ahead, gates_of
from central.sessions.rolling import SETTLING_MS
from central.sessions.states import SessionState, state_of
from ledger.command import Exit
from ledger.errors import Rejected
from ledger.facts.clock import Clock

_MS_PER_DAY = 86_400_000
_MS_PER_S = 1_000
_OPEN_FOR_MS = 3_600_000


def run(arguments: argparse.Namespace) -> int:
    """Go through the session of the time asked for, and tell what came of it.

    Raises:
        Rejected: its gate has closed before it began.
        CertiflexError: a row failed.
    """
    config = configured(arguments.config)
    with opened_floor(config, progress=_progress(arguments)) as (made, central):
        floor = replace(made, at_gate=waiting(central.clock) if arguments.wait else lambda _: None)
        now_ms = central.clock.now_ms()
        if arguments.hours:
            name = run_hours(floor, central, now_ms)
        else:
            day = arguments.day or day_of(now_ms + _MS_PER_DAY)
            closes_ms = now_ms + _OPEN_FOR_MS if arguments.now else None
            if not floor.sessions.rows(gates_of(day).session):
                _need_open(day, now_ms, closes_ms)
            name = day_ahead(floor, day, gate_closure_ms=closes_ms).name
        seen = seen_of(central, name)
    tell(arguments, seen)
    return Exit.OK if state_of(seen.rows) is SessionState.PUBLISHED else Exit.FALSE


def waiting(clock: Clock) -> Callable[[Gates], None]:
    """Return what waits for a gate to close, and for what was stamped before to be stored."""

    def wait(gates: Gates) -> None:
        asyncio.run(clock.sleep_until(gates.closes_ms + SETTLING_MS))

    return wait


def _need_open(day: date, now_ms: int, closes_ms: int | None) -> None:
    gates = gates_of(day, closes_ms)
    if now_ms >= gates.closes_ms:
        closed = datetime.fromtimestamp(gates.closes_ms / _MS_PER_S, UTC).astimezone(ROME)
        raise Rejected(
            f"the gate of {day.isoformat()} closed at {closed:%Y-%m-%d %H:%M}",
            where="day-ahead market",
            remedy="run a later day, or this one with --now",
            reason="gate_closed",
        )


def _progress(arguments: argparse.Namespace) -> Callable[[str], None]:
    if arguments.json or not sys.stderr.isatty():
        return lambda _: None
    return lambda row: print(f"\r\x1b[K{row} …", end="", file=sys.stderr, flush=True)
