"""The desk of the DSO as a command line opens it, and its session gone through."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from central.calendar import day_of
from central.config import CentralConfig
from central.documents.measurement import FieldMeasurements
from central.dsos.files import many
from central.dsos.screen import progress_of
from central.service import Central, opened
from central.sessions.desk import Desk
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_real_time import dso_real_time
from central.sessions.field import field_measurements
from central.sessions.metering import newest_readings
from central.sessions.opening import opened_desk
from central.sessions.steps import Outcome
from ledger.configuration import load

_MS_PER_DAY = 86_400_000


@contextmanager
def at_desk(arguments: argparse.Namespace) -> Iterator[tuple[Desk, Central]]:
    """Yield the desk of a configuration, and the database that it is fed from."""
    config = load(CentralConfig, arguments.config, program="central").value
    with opened(config) as central:
        services = central.services()
        yield (
            opened_desk(config.dso, central.evidence, services.inquiry, central.clock), central,
        )  # fmt: skip


def day_asked(arguments: argparse.Namespace, central: Central) -> date:
    """Return the market day asked for, the next one if none is."""
    chosen: date | None = arguments.day
    return chosen or day_of(central.clock.now_ms() + _MS_PER_DAY)


def outcome_of(arguments: argparse.Namespace) -> tuple[Outcome, Desk]:
    """Go through the session of the time asked for."""
    progress = progress_of(arguments)
    with at_desk(arguments) as (desk, central):
        outages = bool(getattr(arguments, "outages", False))
        if not arguments.hours:
            day = day_asked(arguments, central)
            return dso_day_ahead(desk, day, outages=outages, progress=progress), desk
        now_ms = central.clock.now_ms()
        field = (
            many(arguments.field, FieldMeasurements)
            if arguments.field
            else field_measurements(central.documents, now_ms)
        )
        metered = newest_readings(desk.grid, central.evidence, central.services().inquiry, now_ms)
        return dso_real_time(desk, now_ms, field, metered, outages=outages, progress=progress), desk
