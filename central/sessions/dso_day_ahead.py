"""The DSO before the day-ahead market, DA-3a to DA-9a: one call a row of the use case.

```
 DA-3a  forecast of every point of delivery
 DA-4a  what the grid must carry, under every scenario
 DA-5a  where limits break                                 → I-10 to the operator
 DA-6a  own means first                                    → I-11 to SCADA
 DA-7a  what customers would have to move, and where
 DA-8a  profile of the primary substations                 → I-12 to the TSO
 DA-9a  requests                                           → I-06 to the market
```
"""

from collections.abc import Callable
from datetime import date
from functools import partial

from central.documents.configuration import GridConfiguration
from central.documents.header import Horizon
from central.dso.powerflow import AS_BUILT, Setting
from central.sessions.desk import Desk
from central.sessions.dso_work import DsoWork
from central.sessions.steps import Outcome, Steps


def dso_day_ahead(
    desk: Desk,
    day: date,
    *,
    setting: Setting = AS_BUILT,
    outages: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    carry_out: Callable[[GridConfiguration], object] = lambda _: None,
) -> Outcome:
    """Return all that the DSO knows and says before the market of a day.

    Args:
        desk: of the DSO.
        day: the market day.
        setting: how the network is run now.
        outages: whether each line is taken out in turn as well.
        progress: told each row that begins, and each device that is tried.
        carry_out: hands own means over before anything is asked for; if it raises, nothing is.

    Raises:
        Rejected: there is no past to forecast from.
        NotConverged: a quarter has no power flow: nothing can be said of it.
    """
    session = f"day-ahead {day.isoformat()}"
    row = Steps(session, progress)
    work = DsoWork(
        desk, session, Horizon.DAY_AHEAD, partial(desk.forecast_day, day),
        setting=setting, outages=outages, progress=progress,
    )  # fmt: skip
    with row("DA-3a"):
        _ = work.forecast
    with row("DA-4a"):
        expected = work.expected
    with row("DA-5a"):
        alert = work.alert()
    with row("DA-6a"):
        configuration = work.configuration()
        carry_out(configuration)
    with row("DA-7a"):
        need = work.need
    with row("DA-8a"):
        profiles = work.profiles()
    with row("DA-9a"):
        requests = work.requests()
    documents = (alert, configuration, *profiles, *requests)
    return Outcome(expected, work.assessed, work.plan, need, documents, row.done)
