"""The forecast, with what it rests on and what it could not do."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from central.dso.forecast.history import Floats, Origin, Past
from central.dso.forecast.weather import told_utc
from ledger.errors import InvariantBroken
from ledger.facts.interval import QUARTER_MS, Interval

_FULL_PCT = 100.0


class Reason(StrEnum):
    """What a reader of a forecast must know about it."""

    COLD_START = "cold_start"
    GAPS = "gaps"
    NOTHING_RECENT = "nothing_recent"
    NO_WEATHER = "no_weather"
    WEATHER_GAPS = "weather_gaps"
    IMPORTED = "imported"
    CALLED = "called"


@dataclass(frozen=True, slots=True)
class Note:
    """One reservation: why, about which PODs, and what it means; `missing` counts quarters."""

    reason: Reason
    said: str
    pods: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """How many quarters of the past that was looked at come from where, over all PODs."""

    certified: int
    received: int
    imported: int
    missing: int

    @classmethod
    def of(cls, past: Past) -> Self:
        """Return the counts of what was looked at."""
        total = past.totals.tolist()
        return cls(
            certified=total[Origin.CERTIFIED],
            received=total[Origin.RECEIVED],
            imported=total[Origin.IMPORTED],
            missing=total[Origin.MISSING],
        )

    @property
    def certified_pct(self) -> float:
        """Return the share of the known quarters that the ledger vouches for [%]."""
        return self._share_pct(self.certified)

    @property
    def imported_pct(self) -> float:
        """Return the share of the known quarters that were imported [%]."""
        return self._share_pct(self.imported)

    def _share_pct(self, count: int) -> float:
        return _FULL_PCT * count / max(self.certified + self.received + self.imported, 1)


@dataclass(frozen=True, slots=True)
class Band:
    """Mean and quantiles of some powers, load convention.

    Args:
        names: PODs or feeders.
        mean_w: expected mean power of each quarter [W], shape (names, quarters).
        quantile_w: shape (levels, names, quarters), rising by level.

    Raises:
        InvariantBroken: a value is not finite, or quantiles fall.
    """

    names: tuple[str, ...]
    mean_w: Floats
    quantile_w: Floats

    def __post_init__(self) -> None:
        """Let nothing out that is no number."""
        if not (np.isfinite(self.mean_w).all() and np.isfinite(self.quantile_w).all()):
            raise InvariantBroken("a forecast holds a value that is not finite")
        if (self.quantile_w[1:] < self.quantile_w[:-1]).any():
            raise InvariantBroken("the quantiles of a forecast fall")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The power of every POD in `quarter_count` quarters from `start_ms` on.

    Args:
        start_ms: first instant [ms since 1970, UTC].
        known_until_ms: nothing later than this instant was used.
        levels: of the quantiles.
        of_pods: each POD.
        of_feeders: sums over PODs, with the quantiles of the sums; empty if none were asked for.
        provenance: what the past that was looked at is made of.
        trained_days: days that errors were observed on.
        covered_pct: how much of the errors of feeders lay between outer quantiles made without
            them, see `quantiles.covered_pct`; None if it was not tested.
        weather_issued_ms: the newest word of the weather service used; None if none was.
        notes: reservations.
    """

    start_ms: int
    known_until_ms: int
    levels: tuple[float, ...]
    of_pods: Band
    of_feeders: Band
    provenance: Provenance
    trained_days: int
    covered_pct: float | None
    weather_issued_ms: int | None
    notes: tuple[Note, ...]

    @property
    def pods(self) -> tuple[str, ...]:
        """Return the points of delivery."""
        return self.of_pods.names

    @property
    def mean_w(self) -> Floats:
        """Return the expected mean power [W], shape (pods, quarters)."""
        return self.of_pods.mean_w

    @property
    def quantile_w(self) -> Floats:
        """Return the quantiles [W], shape (levels, pods, quarters)."""
        return self.of_pods.quantile_w

    @property
    def quarter_count(self) -> int:
        """Return the number of quarters."""
        return int(self.mean_w.shape[1])

    @property
    def interval(self) -> Interval:
        """Return the instants forecast."""
        return Interval(self.start_ms, self.start_ms + self.quarter_count * QUARTER_MS)

    def statement(self) -> str:
        """Return in one line how far the forecast may be trusted."""
        return "; ".join(self._statements())

    def _statements(self) -> Iterator[str]:
        if self.levels:
            inside_pct = _FULL_PCT * (self.levels[-1] - self.levels[0])
            if self.covered_pct is None:
                yield (
                    f"{inside_pct:.0f} % of the errors of {self.trained_days} days lie between the "
                    "outer quantiles by construction; not tested on other days"
                )
            else:
                yield (
                    f"between the outer quantiles of feeders, meant for {inside_pct:.0f} %, lay "
                    f"{self.covered_pct:.0f} % of what came in {self.trained_days} days, each "
                    "third tested on the errors of the others"
                )
        past = self.provenance
        yield (
            f"of the known past {past.certified_pct:.0f} % is certified and "
            f"{past.imported_pct:.0f} % imported"
        )
        if self.weather_issued_ms is None:
            yield "generation is forecast from like days alone: keep a wide margin"
        else:
            yield f"with the weather as issued {told_utc(self.weather_issued_ms)}"
        yield from (note.said for note in self.notes)
