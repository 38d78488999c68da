"""The market by itself: each session run as it falls due, until the process is told to end."""

import argparse
import logging
import signal
import threading
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from central.config import configured
from central.markets.floors import opened_floor, run_hours
from central.markets.looking import session_of
from central.scd.sessions import SessionRow
from central.scd.sessions_store import SqliteSessions
from central.service import Central, opened
from central.sessions.day_ahead import day_ahead
from central.sessions.rolling import Pace, Rolling, left_at_gate
from ledger.command import Exit
from ledger.facts.interval import QUARTER_MS

log = logging.getLogger("central")

_MS_PER_S = 1_000
_NAP_S = 0.2
_QUARTERS_PER_HOUR = 4


def serve(arguments: argparse.Namespace) -> int:
    """Run each session as it falls due, until SIGTERM; a row that is under way is ended first.

    Raises:
        Rejected: something in the configuration is wrong.
        Unavailable: something that it names cannot be read.
    """
    config = configured(arguments.config)
    ending = threading.Event()
    with opened_floor(config):
        pass  # what is wrong with the configuration is told at once
    if arguments.dry_run:
        return Exit.OK
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    clock, chosen = config.clock.clock(), config.market

    def nap(until_ms: int) -> None:
        while clock.now_ms() < until_ms and not ending.wait(_NAP_S):
            pass

    quarters = 1 if chosen.real_time_every == "quarter" else _QUARTERS_PER_HOUR
    pace = Pace(quarters * QUARTER_MS, chosen.day_ahead_lead_s * _MS_PER_S)
    log.info("market.serving", extra={
        "real_time_every": chosen.real_time_every, "day_ahead_lead_s": chosen.day_ahead_lead_s,
    })  # fmt: skip
    with opened(config) as central:
        served = _Served(arguments.config, central, ending)
        Rolling(served, clock, nap, ending.is_set, pace).run()
    log.info("market.ended")
    return Exit.OK


@dataclass(frozen=True)
class _Served:
    """Sessions as the service runs them: each on a floor of its own, so that files may change."""

    file: Path | None
    central: Central
    ending: threading.Event

    def names(self) -> list[str]:
        return SqliteSessions(self.central.database).sessions()

    def rows(self, session: str) -> list[SessionRow]:
        return SqliteSessions(self.central.database).rows(session)

    def day_ahead(self, day: date) -> None:
        config = configured(self.file)
        with opened_floor(config, is_ending=self.ending.is_set) as (floor, central):
            day_ahead(replace(floor, at_gate=left_at_gate(central.clock)), day)

    def real_time(self, now_ms: int) -> None:
        with opened_floor(configured(self.file), is_ending=self.ending.is_set) as (floor, central):
            run_hours(floor, central, now_ms)

    def miss(self, session: str, why: str) -> None:
        session_of(self.central, session).miss(why)
