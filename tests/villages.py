"""A village behind a thin line: six points of delivery, a market day of it within a second.

In the evening more is drawn than the line bears, and no tap or switch helps.
"""

from dataclasses import replace
from datetime import date, timedelta
from functools import cache, partial

import numpy as np

from central.calendar import gate_ms
from central.dso.forecast.history import History
from central.dso.grid.model import Grid
from central.sessions.desk import Desk
from central.sessions.floor import Seat
from ledger.facts.interval import Interval
from tests.desks import DAY
from tests.floors import AGGREGATORS, Scene, availabilities, seat
from tests.grids import feeder
from tests.neighbourhood import Town, town
from tests.scd import HandClock

CONTRACT_W = 100_000
PEAK_SHARE, CALM_SHARE = 2.0, 0.5
_RATING_A = 6.0
_DAYS_BEFORE, _DAYS = 45, 47


@cache
def village() -> Grid:
    """Return the grid, behind the substation that the packaged TSO's case knows."""
    made = feeder(8, contract_w=CONTRACT_W, rating_a=_RATING_A)
    substations = tuple(replace(each, name="PS-ROMA-DEMO") for each in made.substations)
    return replace(made, taps=(), substations=substations)


@cache
def village_town(day: date) -> Town:
    """Return the weeks before a market day, and the day."""
    return town(len(village().pods), day - timedelta(days=_DAYS_BEFORE), _DAYS, seed=3)


@cache
def village_history(day: date, peak_share: float) -> History:
    """Return those weeks with each POD's peak scaled to a share of its contract."""
    lent = village_town(day).history
    peak_w = np.maximum(np.abs(lent.power_w).max(axis=1), 1.0)
    scale = peak_share * CONTRACT_W / peak_w
    return History(village().pods, lent.start_ms, lent.power_w * scale[:, None], lent.origin)


def village_seats() -> list[Seat]:
    """Return two aggregators that share the village."""
    return [seat(party, at, 2, village()) for at, party in enumerate(AGGREGATORS)]


def village_desk(day: date, peak_share: float, clock: HandClock) -> Desk:
    """Return the DSO's desk."""
    history = village_history(day, peak_share)

    def past(interval: Interval) -> History:
        span = slice(max(0, history.position(interval.start_ms)), history.position(interval.end_ms))
        start_ms = max(interval.start_ms, history.start_ms)
        return History(history.pods, start_ms, history.power_w[:, span], history.origin[:, span])

    return Desk(village(), past, village_town(day).weather, clock)


def village_scene(
    day: date = DAY, peak_share: float = PEAK_SHARE, *, owners_allow: bool = True
) -> Scene:
    """Return the village's floor a minute before the gate of a day closes; owners allow all."""
    made = Scene(
        peak_share=peak_share, desk_at=partial(village_desk, day),
        seats=village_seats(), clock=HandClock(gate_ms(day) - 60_000),
    )  # fmt: skip
    if owners_allow:
        made.file(availabilities(made.seats, day))
    return made
