"""What the field shows now, and how the network of the next hours is run by it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from central.dso.estimation.estimate import Estimate
from central.dso.estimation.measuring import Metered
from central.dso.estimation.supply import supply_pu
from central.dso.forecast.intraday import HORIZON
from central.dso.powerflow import Setting
from central.dso.telling.incoming import Heard
from central.sessions.desk import Desk


@dataclass(frozen=True)
class Shown:
    """What the field shows.

    Args:
        seen: by sensors.
        metered: PODs whose certified readings took part.
        estimate: the state.
        setting: taps and capacitors as they stand, switches as breakers show them, and the grid
            above at the voltage that is measured now, for the quarters of the next hours. It is
            taken to stay: what the transmission grid will do nobody tells.
    """

    seen: Heard
    metered: tuple[str, ...]
    estimate: Estimate
    setting: Setting

    @property
    def supply_pu(self) -> float | None:
        """Return the voltage of the grid above [pu]; None where the file's stands."""
        return None if self.setting.source_pu is None else float(self.setting.source_pu[0])

    def statement(self) -> str:
        """Return in words who is not believed, and what the grid above is measured at."""
        liars = ", ".join(each.measurement.name for each in self.estimate.liars)
        doubts = "; ".join(each.statement() for each in self.seen.doubts)
        return (
            (f"; not believed: {liars}" if liars else "")
            + (f"; put aside: {doubts}" if doubts else "")
            + ("" if self.supply_pu is None else f"; the grid above is at {self.supply_pu:.4f} pu")
        )


def show(
    desk: Desk, now_ms: int, setting: Setting, seen: Heard, metered: Mapping[str, Metered]
) -> Shown:
    """Return what the field shows.

    Args:
        desk: of the DSO.
        now_ms: the instant [ms since 1970, UTC].
        setting: taps and capacitors as they stand.
        seen: what sensors said.
        metered: the newest certified readings, by POD.

    Raises:
        NotObservable: something that is needed is not known.
        Rejected: no POD has a past.
    """
    standing = replace(setting, closed=seen.closed)
    estimate = desk.estimate(now_ms, standing, seen, metered)
    above_pu = supply_pu(desk.grid, estimate, seen.measured)
    if above_pu is not None:
        standing = replace(standing, source_pu=np.full(HORIZON, above_pu))
    return Shown(seen, tuple(sorted(metered)), estimate, standing)
