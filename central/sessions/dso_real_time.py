"""The DSO before the real-time market, RT-1a to RT-7a: one call a row of the use case.

```
 RT-1a  forecast of the next four hours, and what the field sensors say
 RT-2a  the grid as it is: estimated state, switches as seen
 RT-3a  where limits break in the next four hours          → I-10 to the operator
 RT-4a  own means first                                    → I-11 to SCADA
 RT-5a  what customers would have to move, and where
 RT-6a  profile of the primary substations                 → I-12 to the TSO
 RT-7a  requests                                           → I-06 to the market
```
"""

from collections.abc import Callable, Mapping, Sequence

from central.documents.configuration import GridConfiguration
from central.documents.header import Horizon
from central.documents.measurement import FieldMeasurements
from central.dso.estimation.measuring import Metered
from central.dso.powerflow import AS_BUILT, Setting
from central.dso.telling.incoming import heard
from central.sessions.desk import Desk
from central.sessions.dso_work import DsoWork
from central.sessions.shown import show
from central.sessions.steps import Outcome, Steps


def dso_real_time(
    desk: Desk,
    now_ms: int,
    field: Sequence[FieldMeasurements],
    metered: Mapping[str, Metered],
    *,
    setting: Setting = AS_BUILT,
    outages: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    carry_out: Callable[[GridConfiguration], object] = lambda _: None,
) -> Outcome:
    """Return all that the DSO knows and says of the next four hours.

    Args:
        desk: of the DSO.
        now_ms: the instant [ms since 1970, UTC].
        field: what field sensors sent lately.
        metered: the newest certified readings, by POD.
        setting: taps and capacitors as they stand; switches are as breakers show them.
        outages: whether each line is taken out in turn as well.
        progress: told each row that begins, and each device that is tried.
        carry_out: hands own means over before anything is asked for; if it raises, nothing is.

    Raises:
        Rejected: there is no past to forecast from.
        NotConverged: a quarter has no power flow: nothing can be said of it.
    """
    session = f"real-time {now_ms}"
    row = Steps(session, progress)
    with row("RT-1a"):
        forecast = desk.forecast_hours(now_ms)
        seen = heard(desk.grid, field, now_ms)
    with row("RT-2a"):
        shown = show(desk, now_ms, setting, seen, metered)
        work = DsoWork(
            desk, session, Horizon.REAL_TIME, lambda: forecast,
            setting=shown.setting, outages=outages, progress=progress,
        )  # fmt: skip
        expected = work.expected
    with row("RT-3a"):
        alert = work.alert()
    with row("RT-4a"):
        configuration = work.configuration()
        carry_out(configuration)
    with row("RT-5a"):
        need = work.need
    with row("RT-6a"):
        profiles = work.profiles()
    with row("RT-7a"):
        requests = work.requests()
    documents = (alert, configuration, *profiles, *requests)
    return Outcome(expected, work.assessed, work.plan, need, documents, row.done, shown)
