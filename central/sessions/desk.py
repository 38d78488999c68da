"""The DSO's desk: the grid with its engine, where inputs come from, who is who.

Everything that the platform's sessions share. What is worked out here is handed to the actors of
`central.dso`, which know neither database nor clock.
"""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from central.dso.expectation import Expectation
from central.dso.forecast.calendar import day_start_ms, gate_ms
from central.dso.forecast.day_ahead import day_ahead
from central.dso.forecast.history import History
from central.dso.forecast.intraday import intraday
from central.dso.forecast.method import Method
from central.dso.forecast.result import Forecast
from central.dso.forecast.weather import Weather
from central.dso.grid.checking import check
from central.dso.grid.model import Grid
from central.dso.limits import Margin
from central.dso.powerflow import PowerFlow
from central.dso.scenarios import confidence_of, feeders_of, scenario_expectation
from central.dso.telling.elements import Envelope
from central.sessions.history import customers_of
from ledger.facts.clock import Clock
from ledger.facts.interval import QUARTER_MS, Interval

log = logging.getLogger("central")

_MS_PER_DAY = 86_400_000
_SPARE_DAYS = 2


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sends and receives the platform's documents."""

    dso: str = "dso"
    operator: str = "dso-operator"
    scada: str = "scada"
    tso: str = "tso"
    market: str = "market"


@dataclass(frozen=True)
class Desk:
    """What the platform's sessions work with.

    Args:
        grid: checked when the desk is set up.
        past: returns the history of the grid's PODs in an interval.
        weather: what a service says, None if there is none.
        clock: for the instant that documents are made at.
        margin: kept free of every limit.
        parties: names in the documents' headers.
        method: how much past the forecast uses.
        names: makes the documents' identifiers.

    Raises:
        BadGrid: the grid has faults.
    """

    grid: Grid
    past: Callable[[Interval], History]
    weather: Weather | None
    clock: Clock
    margin: Margin = field(default_factory=Margin)
    parties: Parties = field(default_factory=Parties)
    method: Method = field(default_factory=Method)
    names: Callable[[], str] = lambda: str(uuid.uuid4())
    power_flow: PowerFlow = field(init=False)

    def __post_init__(self) -> None:
        """Refuse a grid that nothing good could come of."""
        check(self.grid)
        object.__setattr__(self, "power_flow", PowerFlow(self.grid))

    def forecast_day(self, day: date) -> Forecast:
        """Return the forecast of a market day, as known at its gate.

        Raises:
            Rejected: no POD has a past.
        """
        history = self.past(self._before(day_start_ms(day), gate_ms(day)))
        return day_ahead(
            history,
            customers_of(self.grid),
            day,
            weather=self.weather,
            feeders=feeders_of(self.grid),
            method=self.method,
        )

    def forecast_hours(self, now_ms: int) -> Forecast:
        """Return the forecast of the sixteen quarters from the next one on.

        Raises:
            Rejected: no POD has a past.
        """
        history = self.past(self._before(now_ms, now_ms))
        return intraday(
            history,
            customers_of(self.grid),
            now_ms,
            weather=self.weather,
            feeders=feeders_of(self.grid),
            method=self.method,
        )

    def expectation(self, forecast: Forecast) -> tuple[Expectation, float]:
        """Return what the grid must carry, and the quantile that it is sure to."""
        return scenario_expectation(self.grid, forecast), confidence_of(forecast)

    def envelope(self, receiver: str) -> Envelope:
        """Return the header of a new document of the DSO."""
        return Envelope(
            mrid=self.names(),
            created_ms=self.clock.now_ms(),
            sender=self.parties.dso,
            receiver=receiver,
        )

    def _before(self, start_ms: int, known_ms: int) -> Interval:
        """Return the past that a forecast may look at, on quarters."""
        days = self.method.trained_days + self.method.earlier_days + _SPARE_DAYS
        first_ms = start_ms - days * _MS_PER_DAY
        return Interval(first_ms - first_ms % QUARTER_MS, known_ms - known_ms % QUARTER_MS)


@contextmanager
def step(row: str, **keys: object) -> Iterator[None]:
    """Log one row of the use case, when it begins and what became of it."""
    log.info("session.step", extra={"step": row, **keys})
    try:
        yield
    except Exception:
        log.warning("session.step_failed", extra={"step": row, **keys})
        raise
