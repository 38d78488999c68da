"""Files as somebody else would bring them: history that nobody certifies, and a weather service."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from central.dso.forecast.history import History
from central.dso.forecast.weather import Weather
from ledger.facts.interval import QUARTER_MS

_DECIMALS = 2


def write_history(file: Path, history: History, before_ms: int, quarters: int) -> int:
    """Write the last quarter-hours before an instant, and return the number of rows."""
    end = history.position(before_ms)
    span = range(end - quarters, end)
    starts = {at: told_at(history.start_ms + at * QUARTER_MS) for at in span}
    with file.open("w", encoding="utf-8", newline="") as writing:
        rows = csv.writer(writing)
        rows.writerow(("pod", "start", "import_wh", "export_wh"))
        for pod, power_w in zip(history.pods, history.power_w, strict=True):
            for at in span:
                wh = round(float(power_w[at]) / 4, 1)
                rows.writerow((pod, starts[at], max(wh, 0.0), max(-wh, 0.0)))
    return len(span) * len(history.pods)


def write_weather(file: Path, weather: Weather, columns: Sequence[str] | None = None) -> None:
    """Write what a service said, of all columns or of some."""
    named = tuple(columns or weather.columns)
    chosen = [weather.columns.index(name) for name in named]
    with file.open("w", encoding="utf-8", newline="") as writing:
        rows = csv.writer(writing)
        rows.writerow(("issued", "start", *named))
        for issue in weather.issues:
            for at, values in enumerate(issue.values):
                start = told_at(issue.start_ms + at * QUARTER_MS)
                said = np.round(values[chosen], _DECIMALS)
                rows.writerow((told_at(issue.issued_ms), start, *said))


def told_at(unix_ms: int) -> str:
    """Return an instant as a file has it."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat()
