"""Power against energy: whether the meter's registers can follow from the last ones."""

from ledger.facts.record import GapCause
from lightnode.errors import MeterFault
from lightnode.ports import Measurement

_MS_PER_HOUR = 3_600_000
_BELIEVED_AFTER = 3


class EnergyWatch:
    """Compares the energy registers of successive measurements with what power allows.

    A register never runs back, nor faster than the meter's greatest power. One that does is not
    believed, until it has kept its new course three times: then the meter was changed or reset.

    Args:
        greatest_power_w: what the meter can carry in either direction.
        step_wh: what a register may jump by its own resolution.
    """

    def __init__(self, *, greatest_power_w: int, step_wh: int) -> None:
        self._greatest_power_w = greatest_power_w
        self._step_wh = step_wh
        self._believed: tuple[int, Measurement] | None = None
        self._doubted: tuple[int, Measurement] | None = None
        self._doubts = 0

    def check(self, measured: Measurement, monotonic_ms: int) -> None:
        """Refuse a measurement whose registers do not follow from the last one.

        Raises:
            MeterFault: METER_RANGE.
        """
        now = (monotonic_ms, measured)
        if self._believed is None or self._follows(self._believed, now):
            self._believe(now)
            return
        course_kept = self._doubted is not None and self._follows(self._doubted, now)
        self._doubts = self._doubts + 1 if course_kept else 1
        self._doubted = now
        if self._doubts >= _BELIEVED_AFTER:
            self._believe(now)
            return
        before = self._believed[1]
        raise MeterFault(
            f"the energy registers went from {before.import_wh} / {before.export_wh} Wh "
            f"to {measured.import_wh} / {measured.export_wh} Wh, which no power explains",
            cause=GapCause.METER_RANGE,
            remedy="check that this is still the same meter",
        )

    def _believe(self, now: tuple[int, Measurement]) -> None:
        self._believed, self._doubted, self._doubts = now, None, 0

    def _follows(self, before: tuple[int, Measurement], now: tuple[int, Measurement]) -> bool:
        elapsed_ms = max(now[0] - before[0], 0)
        most_wh = self._greatest_power_w * elapsed_ms / _MS_PER_HOUR + self._step_wh
        steps_wh = (
            now[1].import_wh - before[1].import_wh,
            now[1].export_wh - before[1].export_wh,
        )
        return all(0 <= step_wh <= most_wh for step_wh in steps_wh)
