"""Which Parquet file holds which hour of the series, and which arrivals it was made from.

The manifest is replaced in one step. A crash before that leaves a file nobody names, and the
hour is sealed again; a crash after it leaves nothing to do.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from central.errors import StoreAway
from ledger.errors import Rejected
from ledger.facts.interval import Interval

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_SCHEMA = "certiflex/series/v1"
_NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedHour:
    """An hour that `file` holds, with every arrival up to `through_arrival` and none after.

    `open_count` of its `row_count` readings were in no window of the log when it was sealed.
    """

    start_ms: int
    file: str
    through_arrival: int
    row_count: int
    open_count: int

    @property
    def interval(self) -> Interval:
        """Return the hour."""
        return Interval(self.start_ms, self.start_ms + HOUR_MS)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The sealed hours by their start; `offset` is the arrival up to which the feed was read.

    `waiting` are hours that changed but were not sealed yet.
    """

    offset: int = 0
    waiting: frozenset[int] = frozenset()
    hours: dict[int, SealedHour] = field(default_factory=dict)

    def read_up_to(self, offset: int, touched: Iterable[int]) -> "Manifest":
        """Return the manifest after the feed was read further and touched these hours."""
        return replace(self, offset=offset, waiting=self.waiting | frozenset(touched))

    def sealed(self, hour: SealedHour) -> "Manifest":
        """Return the manifest with an hour sealed."""
        hours = {**self.hours, hour.start_ms: hour}
        return replace(self, waiting=self.waiting - {hour.start_ms}, hours=hours)

    def moved(self, starts_ms: Iterable[int], file: str) -> "Manifest":
        """Return the manifest with some hours in another file, unchanged."""
        moved = {start: replace(self.hours[start], file=file) for start in starts_ms}
        return replace(self, hours={**self.hours, **moved})

    def files(self) -> frozenset[str]:
        """Return the files that hold at least one hour."""
        return frozenset(hour.file for hour in self.hours.values())


def read_manifest(directory: Path) -> Manifest:
    """Return what a directory's manifest says; an empty one where there is none.

    Raises:
        Rejected: the file is no manifest.
        StoreAway: it cannot be read.
    """
    path = directory / _NAME
    try:
        parsed = json.loads(path.read_text())
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise StoreAway(f"the series cannot be read ({error.strerror})", where=str(path)) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    try:
        return _manifest(parsed)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace a directory's manifest, durably and in one step.

    Raises:
        StoreAway: the disk refuses; the old manifest stands.
    """
    document = {
        "schema": _SCHEMA,
        "offset": manifest.offset,
        "waiting": sorted(manifest.waiting),
        "hours": [
            [h.start_ms, h.file, h.through_arrival, h.row_count, h.open_count]
            for h in sorted(manifest.hours.values(), key=lambda hour: hour.start_ms)
        ],
    }
    fresh = directory / f"{_NAME}.new"
    try:
        fresh.write_text(json.dumps(document))
        make_durable(fresh)
        fresh.replace(directory / _NAME)
        make_durable(directory)
    except OSError as error:
        raise StoreAway(
            f"the series cannot be written ({error.strerror})",
            where=str(directory),
            remedy="free some space on that disk; the series is made again from evidence",
        ) from error


def make_durable(path: Path) -> None:
    """Wait until a file or directory survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(parsed: dict[str, Any]) -> Manifest:
    if parsed["schema"] != _SCHEMA:
        msg = f"schema {parsed['schema']!r}"
        raise ValueError(msg)
    hours = [
        SealedHour(
            start_ms=int(start), file=str(file), through_arrival=int(through),
            row_count=int(rows), open_count=int(unplaced),
        )
        for start, file, through, rows, unplaced in parsed["hours"]
    ]  # fmt: skip
    waiting = frozenset(map(int, parsed["waiting"]))
    return Manifest(int(parsed["offset"]), waiting, {hour.start_ms: hour for hour in hours})


def _damaged(path: Path, detail: str) -> Rejected:
    return Rejected(
        f"the manifest of the series is damaged ({detail})",
        where=str(path),
        remedy="type: certiflex central scd rebuild; the series is made again from evidence",
        reason="damaged_series",
    )
