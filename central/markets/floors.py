"""The floor of a market session as a configuration sets it up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from central.config import CentralConfig
from central.scd.documents_entries import SealReason
from central.scd.sessions_store import SqliteSessions
from central.service import Central, opened
from central.sessions.field import field_measurements
from central.sessions.floor import Floor
from central.sessions.metering import newest_readings
from central.sessions.opening import (
    opened_desk,
    rules_of,
    scada_of,
    seats_of,
    transmission_of,
)
from central.sessions.real_time import real_time

_UEUR_PER_EUR = 1_000_000


@contextmanager
def opened_floor(
    config: CentralConfig,
    **told: Any,  # noqa: ANN401 -- fields of the floor
) -> Iterator[tuple[Floor, Central]]:
    """Yield the floor that a configuration sets up, and the database under it.

    Raises:
        Rejected: something that is named is not what it should be.
        Unavailable: it cannot be read.
    """
    with opened(config) as central:
        keys = config.played_keys()
        log = central.market_log() if config.market_log else None

        def seal(reason: SealReason, session: str) -> None:
            if log is not None:
                log.seal(reason, session)

        desk = opened_desk(
            config.dso, central.evidence, central.inquiry(), central.documents, central.clock
        )
        yield (
            Floor(
                desk=desk,
                sessions=SqliteSessions(central.database),
                documents=central.documents,
                keys=keys,
                clock=central.clock,
                rules=rules_of(config.market),
                seats=seats_of(config.market),
                scada=scada_of(config.dso),
                transmission=transmission_of(config.market, played=desk.parties.tso in keys),
                tso_price_ueur_per_mwh=round(
                    config.market.tso_maximum_price_eur_per_mwh * _UEUR_PER_EUR
                ),
                seal=seal,
                **told,
            ),
            central,
        )


def run_hours(floor: Floor, central: Central, now_ms: int) -> str:
    """Go through the session of the hours that follow an instant; return its name.

    Raises:
        CertiflexError: a row failed.
    """
    metered = newest_readings(floor.desk.grid, central.evidence, central.inquiry(), now_ms)
    return real_time(floor, now_ms, field_measurements(central.documents, now_ms), metered).name
