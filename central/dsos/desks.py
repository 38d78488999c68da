"""The desk of the DSO as a command line opens it, and its session gone through."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from central.calendar import day_of
from central.config import CentralConfig, DsoConfig
from central.documents.configuration import GridConfiguration
from central.documents.measurement import FieldMeasurements
from central.dso.powerflow import AS_BUILT
from central.dsos.files import keep, many
from central.dsos.screen import progress_of
from central.service import Central, opened
from central.sessions.desk import Desk
from central.sessions.dso_day_ahead import dso_day_ahead
from central.sessions.dso_real_time import dso_real_time
from central.sessions.field import field_measurements
from central.sessions.metering import newest_readings
from central.sessions.opening import opened_desk, scada_of
from central.sessions.scada import hand_over, setting_of
from central.sessions.steps import Outcome
from ledger.configuration import load
from ledger.errors import Rejected

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
    """Go through the session of the time asked for.

    With `--send`, own means are kept in a file and handed to SCADA before anything is asked for.

    Raises:
        Unavailable: SCADA, or a folder to write to, is away.
        Refused: SCADA will not do it.
    """
    config = load(CentralConfig, arguments.config, program="central").value.dso
    sending = getattr(arguments, "send", False) and not arguments.dry_run
    carry_out = _carrying_out(arguments.to, config) if sending else lambda _: None
    progress = progress_of(arguments)
    with at_desk(arguments) as (desk, central):
        outages = bool(getattr(arguments, "outages", False))
        if not arguments.hours:
            day = day_asked(arguments, central)
            return dso_day_ahead(
                desk, day, outages=outages, progress=progress, carry_out=carry_out
            ), desk
        now_ms = central.clock.now_ms()
        field = (
            many(arguments.field, FieldMeasurements)
            if arguments.field
            else field_measurements(central.documents, now_ms)
        )
        scada = scada_of(config)
        setting = AS_BUILT if scada is None else setting_of(desk.grid, scada.standing())
        metered = newest_readings(desk.grid, central.evidence, central.services().inquiry, now_ms)
        return dso_real_time(
            desk, now_ms, field, metered,
            setting=setting, outages=outages, progress=progress, carry_out=carry_out,
        ), desk  # fmt: skip


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
