"""A desk of the DSO over the demo grid, its customers lent from a town, as large as wanted."""

from datetime import date
from functools import cache

import numpy as np

from central.dso.forecast.history import History
from central.dso.grid.demo import demo_grid
from central.dso.grid.model import Grid
from central.sessions.desk import Desk
from ledger.facts.interval import Interval
from tests.neighbourhood import Town, town
from tests.scd import HandClock

FIRST_DAY = date(2026, 4, 20)
DAYS = 62
DAY = date(2026, 6, 18)


@cache
def demo() -> Grid:
    """Return the demo grid."""
    return demo_grid()


@cache
def demo_town() -> Town:
    """Return a town with as many points of delivery as the demo grid."""
    return town(len(demo().pods), FIRST_DAY, DAYS, seed=3)


@cache
def demo_history(peak_share: float) -> History:
    """Return the town's history, each POD's peak scaled to a share of its contract."""
    grid, lent = demo(), demo_town().history
    contract_w = np.array([each.contract_w for each in grid.connections], dtype=np.float64)
    peak_w = np.maximum(np.abs(lent.power_w).max(axis=1), 1.0)
    scale = peak_share * contract_w / peak_w
    return History(grid.pods, lent.start_ms, lent.power_w * scale[:, None], lent.origin)


def desk(peak_share: float, clock: HandClock | None = None) -> Desk:
    """Return a desk whose customers peak at a share of their contracts."""
    history = demo_history(peak_share)

    def past(interval: Interval) -> History:
        first, end = (history.position(ms) for ms in (interval.start_ms, interval.end_ms))
        assert first >= 0, "the town is too young for this day"
        span = slice(first, end)
        return History(
            history.pods, interval.start_ms, history.power_w[:, span], history.origin[:, span]
        )

    return Desk(demo(), past, demo_town().weather, clock or HandClock(0))
