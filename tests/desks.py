"""A desk of the DSO over the demo grid, its customers lent from a town, as large as wanted."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np

from central.documents.header import Horizon
from central.dso.assessment import Assessment
from central.dso.forecast.history import History
from central.dso.forecast.method import Method
from central.dso.forecast.result import Forecast
from central.dso.grid.demo import demo_grid
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.powerflow import PowerFlow, Setting
from central.dso.remedies.plan import Plan
from central.dso.requesting import Need
from central.sessions.desk import Desk, Expected, Terms
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
    return RememberingDesk(
        demo(), _past(peak_share), demo_town().weather, clock or HandClock(0),
        peak_share=peak_share,
    )  # fmt: skip


@cache
def _past(peak_share: float) -> Callable[[Interval], History]:
    history = demo_history(peak_share)

    def past(interval: Interval) -> History:
        first, end = (history.position(ms) for ms in (interval.start_ms, interval.end_ms))
        assert first >= 0, "the town is too young for this day"
        span = slice(first, end)
        return History(
            history.pods, interval.start_ms, history.power_w[:, span], history.origin[:, span]
        )

    return past


Kind = TypeVar("Kind")

_REMEMBERED: dict[Hashable, Any] = {}
_NAMES: dict[int, Hashable] = {}


@dataclass(frozen=True)
class RememberingDesk(Desk):
    """A desk over the demo grid that works the same thing out once, whoever asks in this process.

    Only what nothing but its arguments decides is kept: forecasts, scenarios, states, plans, needs.
    """

    peak_share: float = field(kw_only=True)

    def forecast_day(self, day: date) -> Forecast:
        return self._once(("day", day), lambda: Desk.forecast_day(self, day))

    def forecast_hours(self, now_ms: int) -> Forecast:
        return self._once(("hours", now_ms), lambda: Desk.forecast_hours(self, now_ms))

    def expected(self, forecast: Forecast, horizon: Horizon) -> Expected:
        return self._once(
            ("expected", _name(forecast), horizon), lambda: Desk.expected(self, forecast, horizon)
        )

    def assess(self, expected: Expected, setting: Setting, *, outages: bool = False) -> Assessment:
        return self._once(
            ("assess", _name(expected), _name(setting), outages),
            lambda: Desk.assess(self, expected, setting, outages=outages),
        )

    def own_means(
        self, expected: Expected, setting: Setting, progress: Callable[[str], None]
    ) -> Plan:
        key = "own means", _name(expected), _name(setting)
        told: list[str] = []
        plan, words = self._once(
            key, lambda: (Desk.own_means(self, expected, setting, told.append), told)
        )
        for word in words:
            progress(word)
        # What is not remembered dies, and another thing may get its place: it has no name.
        for which in ("before", "after") if _REMEMBERED.get((self.peak_share, *key)) else ():
            _NAMES[id(getattr(plan, which))] = (self.peak_share, *key, which)
        return plan

    def need(
        self, expected: Expected, assessed: Assessment, active: frozenset[str] | None = None
    ) -> Need:
        return self._once(
            ("need", _name(expected), _name(assessed), active),
            lambda: Desk.need(self, expected, assessed, active),
        )

    @property
    def _is_usual(self) -> bool:
        """Tell whether nobody has changed anything about this desk that its answers depend on."""
        lent = self.past, self.grid, self.weather
        usual = _past(self.peak_share), demo(), demo_town().weather
        return (
            all(one is other for one, other in zip(lent, usual, strict=True))
            and type(self.power_flow) is PowerFlow
            and (self.margin, self.terms, self.method) == (Margin(), Terms(), Method())
        )

    def _once(self, key: tuple[Hashable, ...], work: Callable[[], Kind]) -> Kind:
        if None in key[1:3] or not self._is_usual:
            return work()
        named = self.peak_share, *key
        if named not in _REMEMBERED:
            _REMEMBERED[named] = made = work()
            _NAMES[id(made)] = named
        return cast("Kind", _REMEMBERED[named])


def _name(of: object) -> Hashable:
    """Return what tells a remembered thing, or a setting, from another; None if nothing does."""
    if isinstance(of, Setting):
        values = (getattr(of, each.name) for each in fields(of))
        return tuple(None if value is None else (value.shape, value.tobytes()) for value in values)
    return _NAMES.get(id(of))
