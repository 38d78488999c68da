"""The desk of the DSO as a command line opens it, and its session gone through."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from central.calendar import day_interval, day_of
from central.config import DsoConfig, configured
from central.documents.configuration import GridConfiguration
from central.documents.files import many
from central.documents.header import Horizon
from central.documents.measurement import FieldMeasurements
from central.dso.forecast.intraday import coming_hours
from central.dso.grid.model import Grid
from central.dso.powerflow import AS_BUILT, Setting
from central.dso.telling.incoming import heard
from central.dsos.files import keep
from central.dsos.screen import progress_of
from central.service import Central, opened
from central.sessions.desk import Desk, Expected
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_real_time import dso_real_time
from central.sessions.dso_work import DsoWork
from central.sessions.field import field_measurements
from central.sessions.metering import newest_readings
from central.sessions.opening import opened_desk, scada_of
from central.sessions.scada import hand_over, setting_of
from central.sessions.shown import Shown, show
from central.sessions.steps import Outcome
from ledger.errors import Rejected
from ledger.facts.interval import Interval

_MS_PER_DAY = 86_400_000


@contextmanager
def at_desk(arguments: argparse.Namespace) -> Iterator[tuple[Desk, Central]]:
    """Yield the desk of a configuration, and the database that it is fed from.

    Raises:
        Rejected: `not_now`: field measurements are given for a day that no sensor has seen yet.
    """
    if getattr(arguments, "field", None) and not arguments.hours:
        raise Rejected(
            f"{arguments.field} is of the grid as it is now; a market day looks at no sensor",
            where="--field",
            remedy="give --hours as well, or leave --field out",
            reason="not_now",
        )
    config = configured(arguments.config)
    with opened(config) as central:
        desk = opened_desk(
            config.dso, central.evidence, central.inquiry(), central.documents, central.clock
        )
        yield desk, central


def day_asked(arguments: argparse.Namespace, central: Central) -> date:
    """Return the market day asked for, the next one if none is."""
    chosen: date | None = arguments.day
    return chosen or day_of(central.clock.now_ms() + _MS_PER_DAY)


def outcome_of(arguments: argparse.Namespace) -> tuple[Outcome, Desk]:
    """Go through the session of the time asked for.

    With `--send`, own means are kept in a file and handed to SCADA before anything is asked for.

    Raises:
        Unavailable: SCADA, or a folder to write to, is away.
        Refused: SCADA will not do it.
    """
    config = configured(arguments.config).dso
    sending = getattr(arguments, "send", False) and not arguments.dry_run
    carry_out = _carrying_out(arguments.to, config) if sending else lambda _: None
    progress = progress_of(arguments)
    with at_desk(arguments) as (desk, central):
        if not arguments.hours:
            day = day_asked(arguments, central)
            return dso_day_ahead(desk, day, progress=progress, carry_out=carry_out), desk
        now_ms = central.clock.now_ms()
        field, setting = _field(arguments, central, now_ms), _standing(config, desk.grid)
        metered = newest_readings(desk.grid, central.evidence, central.inquiry(), now_ms)
        return dso_real_time(
            desk, now_ms, field, metered, setting=setting, progress=progress, carry_out=carry_out
        ), desk


@dataclass(frozen=True)
class Located:
    """The rows before own means: what is expected, and of the next hours what the field showed.

    Args:
        desk: of the DSO.
        work: of which the rest needs no database.
        expected: what the grid must carry.
        steps: rows that an assessment ends.
        shown: what the field shows; None for the day after.
    """

    desk: Desk
    work: DsoWork
    expected: Expected
    steps: tuple[str, ...]
    shown: Shown | None = None


def located(arguments: argparse.Namespace) -> Located:
    """Return what an assessment of the time asked for begins with.

    Raises:
        Rejected: there is no past to forecast from.
        Unavailable: SCADA does not say how the network is run.
    """
    with at_desk(arguments) as (desk, central):
        work, _, shown = work_of(arguments, desk, central)
        rows = ("DA-3a", "DA-4a", "DA-5a") if shown is None else ("RT-1a", "RT-2a", "RT-3a")
        return Located(desk, work, work.expected, rows, shown)


def work_of(
    arguments: argparse.Namespace, desk: Desk, central: Central
) -> tuple[DsoWork, Interval, Shown | None]:
    """Return the DSO's work of a time, nothing of it done, that time, and what the field shows."""
    outages, progress = bool(getattr(arguments, "outages", False)), progress_of(arguments)
    if not arguments.hours:
        day = day_asked(arguments, central)
        work = DsoWork(
            desk, str(day), Horizon.DAY_AHEAD, partial(desk.forecast_day, day),
            outages=outages, progress=progress,
        )  # fmt: skip
        return work, day_interval(day), None
    now_ms = central.clock.now_ms()
    seen = heard(desk.grid, _field(arguments, central, now_ms), now_ms)
    metered = newest_readings(desk.grid, central.evidence, central.inquiry(), now_ms)
    shown = show(desk, now_ms, _standing(central.config.dso, desk.grid), seen, metered)
    work = DsoWork(
        desk, str(now_ms), Horizon.REAL_TIME, partial(desk.forecast_hours, now_ms),
        setting=shown.setting, outages=outages, progress=progress,
    )  # fmt: skip
    return work, coming_hours(now_ms), shown


def _field(arguments: argparse.Namespace, central: Central, now_ms: int) -> list[FieldMeasurements]:
    if arguments.field:
        return many(arguments.field, FieldMeasurements)
    return field_measurements(central.documents, now_ms)


def _standing(config: DsoConfig, grid: Grid) -> Setting:
    """Return how the network is run now: as SCADA says, or as in the grid's file without one."""
    scada = scada_of(config)
    return AS_BUILT if scada is None else setting_of(grid, scada.standing())


def _carrying_out(folder: Path | None, config: DsoConfig) -> Callable[[GridConfiguration], None]:
    """Return what keeps own means in a folder, and then hands them over."""
    if folder is None:
        raise Rejected(
            "nothing is sent that is not kept",
            where="--send",
            remedy="say where to keep it: --to DIR",
            reason="not_kept",
        )
    scada = scada_of(config)

    def carry_out(configuration: GridConfiguration) -> None:
        file = keep(folder, configuration)
        print(f"{file}: {hand_over(scada, configuration)}", file=sys.stderr)

    return carry_out
