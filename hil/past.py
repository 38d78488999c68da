"""The past of a plant as files: quarter-hours of every customer, and what a weather service said.

Both are functions of seeds and time: the plant need not have run.
"""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hil.consumption import Consumption, Floats
from hil.feeder.customers import Customer
from hil.noise import seed_of, wander
from hil.sky import MINUTES_PER_DAY, MS_PER_DAY, roof_shares
from ledger.errors import Unavailable
from ledger.facts.interval import QUARTER_MS

_SAMPLES = 3
_H_PER_QUARTER = 0.25
_ISSUED_MS = 6 * 3_600_000
_HOURS_AHEAD = 84
_MS_PER_HOUR = 3_600_000
_STANDARD_W_M2 = 1000.0
# How far a word of the service is off: by a share that changes slowly, and grows a day ahead.
_STRAY, _STRAY_PER_DAY, _STRAY_KNOT_MS = 0.08, 0.05, 4 * _MS_PER_HOUR


def quarters_wh(consumption: Consumption, start_ms: int) -> Floats:
    """Return what each customer took in the quarter-hour from *start_ms* on [Wh]; negative: gave.

    The mean of three instants stands for the quarter.
    """
    steps_ms = (QUARTER_MS * (2 * step + 1) // (2 * _SAMPLES) for step in range(_SAMPLES))
    powers_w = [consumption.at_va(start_ms + step_ms).real for step_ms in steps_ms]
    energies_wh: Floats = np.mean(powers_w, axis=0) * _H_PER_QUARTER
    return energies_wh


def write_history(
    file: Path, customers: Sequence[Customer], consumption: Consumption, *, days: int, until_ms: int
) -> int:
    """Write the quarter-hours of whole *days* before an instant as CSV; return the rows written.

    Raises:
        Unavailable: the file cannot be written.
    """
    end_ms = until_ms - until_ms % QUARTER_MS
    starts_ms = range(end_ms - days * MS_PER_DAY, end_ms, QUARTER_MS)
    rows = (
        (one.pod, instant, f"{max(0.0, energy_wh):.1f}", f"{max(0.0, -energy_wh):.1f}")
        for start_ms in starts_ms
        for instant in (_instant(start_ms),)
        for one, energy_wh in zip(customers, quarters_wh(consumption, start_ms), strict=True)
    )
    return _write(file, ("pod", "start", "import_wh", "export_wh"), rows)


def write_weather(file: Path, weather_seed: int, *, days: int, until_ms: int) -> int:
    """Write what a service said every morning, with its errors, as CSV; return the rows written.

    Raises:
        Unavailable: the file cannot be written.
    """
    rows = (
        (_instant(issued_ms), _instant(start_ms), f"{_foretold_w_m2(weather_seed, *at):.1f}")
        for day in range(until_ms // MS_PER_DAY - days, until_ms // MS_PER_DAY + 1)
        for issued_ms in (day * MS_PER_DAY + _ISSUED_MS,)
        if issued_ms <= until_ms
        for start_ms in (issued_ms + hour * _MS_PER_HOUR for hour in range(_HOURS_AHEAD))
        for at in ((issued_ms, start_ms),)
    )
    return _write(file, ("issued", "start", "irradiance_w_m2"), rows)


def _foretold_w_m2(weather_seed: int, issued_ms: int, start_ms: int) -> float:
    """Return the irradiance on a south roof in an hour, as it was said at *issued_ms*."""
    day, offset_ms = divmod(start_ms, MS_PER_DAY)
    minute = offset_ms * MINUTES_PER_DAY // MS_PER_DAY
    shares = roof_shares(weather_seed, day)[minute : minute + 60]
    seed = seed_of("forecaster", weather_seed, issued_ms)
    size = _STRAY + _STRAY_PER_DAY * (start_ms - issued_ms) / MS_PER_DAY
    stray = 1.0 + size * wander(seed, start_ms, _STRAY_KNOT_MS)
    return _STANDARD_W_M2 * float(np.mean(shares)) * stray


def _instant(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")


def _write(
    file: Path, columns: Sequence[str], rows: Iterator[tuple[str, str, *tuple[str, ...]]]
) -> int:
    try:
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(columns)
            return sum(1 for row in rows if writer.writerow(row))
    except OSError as error:
        raise Unavailable(error.strerror or "cannot be written", where=str(file)) from error
