"""15-minute energies (I-01) out of 4-second readings, whatever order they arrive in.

Each reading stands for its own slot: its power times four seconds, taken from the grid or given
to it, never netted. Slots without a reading add nothing and are not guessed: the seconds covered
are stated beside the energy. Sums are whole watt-seconds, so they can be added in any order.

```
 slot      |-p0-|-p1-|    |-p3-|          a quarter-hour is 225 slots
 energy     p0*4 + p1*4  +  p3*4  [Ws]    covered 12 s of 16 s; slot 2 is a gap
```
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from central.scd.stored import QUARTER_SLOTS, QuarterSums
from ledger.codec import Row
from ledger.facts.interval import QUARTER_MS, SLOT_MS, Interval

SLOT_S = SLOT_MS // 1000
WS_PER_WH = 3600

_SLOT, _POWER, _IMPORT, _EXPORT, _QUALITY = 3, 6, 11, 12, 13


def sums_of(node_index: int, readings: Sequence[Row]) -> tuple[QuarterSums, ...]:
    """Return what checked reading rows, in order, add up to: a sum for each quarter touched."""
    if not readings:
        return ()
    first, last = (readings[edge][_SLOT] // QUARTER_SLOTS for edge in (0, -1))
    if first == last:
        return (_sum(node_index, first, readings),)
    by_quarter: dict[int, list[Row]] = {}
    for row in readings:
        by_quarter.setdefault(row[_SLOT] // QUARTER_SLOTS, []).append(row)
    return tuple(_sum(node_index, quarter, found) for quarter, found in by_quarter.items())


def _sum(node_index: int, quarter: int, readings: Sequence[Row]) -> QuarterSums:
    powers_w = [row[_POWER] for row in readings]
    net_w, gross_w = sum(powers_w), sum(map(abs, powers_w))
    first, last = readings[0], readings[-1]
    return QuarterSums(
        node_index=node_index,
        quarter=quarter,
        reading_count=len(readings),
        flagged_count=len(readings) - [row[_QUALITY] for row in readings].count(0),
        import_ws=(gross_w + net_w) // 2 * SLOT_S,
        export_ws=(gross_w - net_w) // 2 * SLOT_S,
        first_slot=first[_SLOT],
        first_import_wh=first[_IMPORT],
        first_export_wh=first[_EXPORT],
        last_slot=last[_SLOT],
        last_power_w=last[_POWER],
        last_import_wh=last[_IMPORT],
        last_export_wh=last[_EXPORT],
    )


def add(one: QuarterSums, other: QuarterSums) -> QuarterSums:
    """Return the sums of two sets of readings of the same node and quarter; order is free."""
    first = one if one.first_slot <= other.first_slot else other
    last = one if one.last_slot >= other.last_slot else other
    return QuarterSums(
        node_index=one.node_index,
        quarter=one.quarter,
        reading_count=one.reading_count + other.reading_count,
        flagged_count=one.flagged_count + other.flagged_count,
        import_ws=one.import_ws + other.import_ws,
        export_ws=one.export_ws + other.export_ws,
        first_slot=first.first_slot,
        first_import_wh=first.first_import_wh,
        first_export_wh=first.first_export_wh,
        last_slot=last.last_slot,
        last_power_w=last.last_power_w,
        last_import_wh=last.last_import_wh,
        last_export_wh=last.last_export_wh,
    )


def total(parts: Iterable[QuarterSums]) -> dict[tuple[int, int], QuarterSums]:
    """Return the sums by (node index, quarter)."""
    sums: dict[tuple[int, int], QuarterSums] = {}
    for part in parts:
        key = (part.node_index, part.quarter)
        known = sums.get(key)
        sums[key] = part if known is None else add(known, part)
    return sums


class RegisterCheck(StrEnum):
    """What the meter's energy registers say about the energy summed from power."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far summed energy and registers may lie apart: the larger of the two bounds.

    Power sampled every 4 s misses what happens in between, and registers count in steps.
    """

    absolute_wh: float
    relative_pct: float

    def allows(self, summed_wh: float, registers_wh: float) -> bool:
        """Tell whether the two are close enough."""
        bound_wh = max(self.absolute_wh, abs(registers_wh) * self.relative_pct / 100)
        return abs(summed_wh - registers_wh) <= bound_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredQuarter:
    """The energy of one quarter-hour (I-01), with what it rests on.

    `import_wh` and `export_wh` are summed from power over `covered_s` seconds. The registers'
    figures span the quarter from its first slot to the next quarter's first slot, or, where one
    of those has no reading, from the first to the last reading in it; `compared_…` is the
    energy summed over the same span. All are None where there is nothing to compare.
    """

    node_index: int
    interval: Interval
    import_wh: float
    export_wh: float
    covered_s: int
    flagged_s: int
    register_check: RegisterCheck
    register_import_wh: int | None
    register_export_wh: int | None
    compared_import_wh: float | None
    compared_export_wh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    check: RegisterCheck
    import_wh: int | None = None
    export_wh: int | None = None
    summed_import_wh: float | None = None
    summed_export_wh: float | None = None


def metered(
    sums: QuarterSums, following: QuarterSums | None, tolerance: Tolerance
) -> MeteredQuarter:
    """Return the quarter-hour's energy, checked against the registers around it.

    `following` are the sums of the next quarter-hour of the same node, if there are any.
    """
    compared = _compare(sums, following, tolerance)
    start_ms = sums.quarter * QUARTER_MS
    return MeteredQuarter(
        node_index=sums.node_index,
        interval=Interval(start_ms, start_ms + QUARTER_MS),
        import_wh=sums.import_ws / WS_PER_WH,
        export_wh=sums.export_ws / WS_PER_WH,
        covered_s=sums.reading_count * SLOT_S,
        flagged_s=sums.flagged_count * SLOT_S,
        register_check=compared.check,
        register_import_wh=compared.import_wh,
        register_export_wh=compared.export_wh,
        compared_import_wh=compared.summed_import_wh,
        compared_export_wh=compared.summed_export_wh,
    )


def unmetered(node_index: int, quarter: int) -> MeteredQuarter:
    """Return a quarter-hour without any reading: no energy over no seconds."""
    start_ms = quarter * QUARTER_MS
    return MeteredQuarter(
        node_index=node_index, interval=Interval(start_ms, start_ms + QUARTER_MS),
        import_wh=0.0, export_wh=0.0, covered_s=0, flagged_s=0,
        register_check=RegisterCheck.NOT_COMPARABLE, register_import_wh=None,
        register_export_wh=None, compared_import_wh=None, compared_export_wh=None,
    )  # fmt: skip


def _compare(sums: QuarterSums, following: QuarterSums | None, tolerance: Tolerance) -> _Comparison:
    start_slot = sums.quarter * QUARTER_SLOTS
    closes = following is not None and following.first_slot == start_slot + QUARTER_SLOTS
    if following is not None and closes and sums.first_slot == start_slot:
        end_import_wh, end_export_wh = following.first_import_wh, following.first_export_wh
        import_ws, export_ws, slots = sums.import_ws, sums.export_ws, QUARTER_SLOTS
        seen = sums.reading_count
    else:
        # The last reading's registers do not know yet what its own slot will take.
        end_import_wh, end_export_wh = sums.last_import_wh, sums.last_export_wh
        import_ws = sums.import_ws - max(sums.last_power_w, 0) * SLOT_S
        export_ws = sums.export_ws - max(-sums.last_power_w, 0) * SLOT_S
        slots, seen = sums.last_slot - sums.first_slot, sums.reading_count - 1
    if slots == 0:
        return _Comparison(check=RegisterCheck.NOT_COMPARABLE)
    figures = _Comparison(
        check=RegisterCheck.NOT_COMPARABLE,
        import_wh=end_import_wh - sums.first_import_wh,
        export_wh=end_export_wh - sums.first_export_wh,
        summed_import_wh=import_ws / WS_PER_WH,
        summed_export_wh=export_ws / WS_PER_WH,
    )
    if seen < slots:
        return figures
    agrees = tolerance.allows(import_ws / WS_PER_WH, end_import_wh - sums.first_import_wh)
    agrees &= tolerance.allows(export_ws / WS_PER_WH, end_export_wh - sums.first_export_wh)
    return replace(figures, check=RegisterCheck.AGREES if agrees else RegisterCheck.DISAGREES)


def quarters_in(interval: Interval) -> range:
    """Return the numbers of the quarter-hours that begin in an interval.

    A local day has 92, 96 or 100 of them; in UTC, half-open, that needs no rule of its own.
    """
    return range(-(-interval.start_ms // QUARTER_MS), -(-interval.end_ms // QUARTER_MS))
