"""Weather from a file or an address, as CSV or JSON: the shell of `central.dso.forecast.weather`.

A row says what is expected from an instant on, and when that was said; rows of one issue follow one
another at the same distance, of a quarter of an hour or some. Rows may be wanting: then the issue
says nothing about their time.

```
issued,start,irradiance_w_m2,temperature_c
2026-06-21T06:00Z,2026-06-21T22:00Z,0,18.5
2026-06-21T06:00Z,2026-06-21T23:00Z,0,17.9
```

In JSON: `{"rows": [{"issued": …, "start": …, "irradiance_w_m2": …}, …]}`.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import httpx
import numpy as np
from numpy.typing import NDArray

from central.dso.forecast.weather import Issue, Weather, told_utc
from ledger.codec.jsontext import parsed
from ledger.errors import Refused, Rejected, Unavailable, unreadable
from ledger.facts.interval import QUARTER_MS

LONGEST_BYTES = 64 * 1024 * 1024
_TIMEOUT_S = 10.0
_KEYS = ("issued", "start")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its number in the file, what it says, and when it said it."""

    number: int
    issued_ms: int
    start_ms: int
    values: list[float]


class WeatherAway(Unavailable):
    """The weather cannot be had for now."""


class WeatherRefused(Refused):
    """The service understood and said no."""


def load_weather(source: str, *, transport: httpx.BaseTransport | None = None) -> Weather:
    """Return the weather at a path, or at an address that begins with http:// or https://.

    Args:
        source: path or address.
        transport: how requests travel; httpx's own by default.

    Raises:
        WeatherAway: nobody answers.
        WeatherRefused: the service said no.
        Rejected: what came is no weather, or the file is not there to be read.
        Unavailable: the disk does not give it.
    """
    if source.startswith(("http://", "https://")):
        return read_weather(_fetched(source, transport), source)
    try:
        return read_weather(Path(source).read_bytes(), source)
    except OSError as error:
        raise unreadable(source, error) from error


def read_weather(content: bytes, source: str) -> Weather:
    """Return the weather in a CSV or JSON document.

    Raises:
        Rejected: it is none; the first wrong row is named.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _reject(source, f"not UTF-8 ({error.reason})")
    rows = _json_rows(text, source) if text.lstrip()[:1] in {"{", "["} else _csv_rows(text)
    columns, table = _table(rows, source)
    return Weather(columns, tuple(_issues(table, source)))


def _fetched(address: str, transport: httpx.BaseTransport | None) -> bytes:
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_S, transport=transport, follow_redirects=True) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.is_server_error:
                raise WeatherAway(f"the service answers {answer.status_code}", where=address)
            if not answer.is_success:
                raise WeatherRefused(
                    f"the service answers {answer.status_code} {answer.reason_phrase}",
                    where=address,
                    remedy="check the address",
                    reason=str(answer.status_code),
                )
            return _bounded(answer.iter_bytes(), address)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WeatherAway(
            f"the service does not answer ({str(error) or type(error).__name__})",
            where=address,
            remedy="check the address and the network",
        ) from error


def _bounded(pieces: Iterable[bytes], address: str) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > LONGEST_BYTES:
            _reject(address, f"more than {LONGEST_BYTES} bytes", "ask for fewer days")
    return bytes(content)


def _csv_rows(text: str) -> Sequence[Mapping[str, object]]:
    return list(csv.DictReader(io.StringIO(text)))


def _json_rows(text: str, source: str) -> Sequence[Mapping[str, object]]:
    try:
        document = parsed(text)
    except Rejected as error:
        _reject(source, error.what)
    rows = document.get("rows") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _reject(source, "no list of rows", 'write {"rows": [{"issued": …, "start": …}, …]}')
    return rows


def _table(rows: Sequence[Mapping[str, object]], source: str) -> tuple[tuple[str, ...], list[_Row]]:
    if not rows:
        _reject(source, "no rows")
    columns = tuple(name for name in rows[0] if name not in _KEYS)
    if not columns or any(key not in rows[0] for key in _KEYS):
        remedy = "give issued, start and at least one value, for example irradiance_w_m2"
        _reject(source, f"the columns are {', '.join(map(str, rows[0]))}", remedy)
    table: list[_Row] = []
    for number, row in enumerate(rows, 1):
        where = f"{source}, row {number}"
        if row.keys() != rows[0].keys() or None in row.values():
            _reject(where, "the columns are not those of the first row")
        issued_ms, start_ms = (_instant_ms(row[key], key, where) for key in _KEYS)
        values = [_number(row[name], name, where) for name in columns]
        table.append(_Row(number, issued_ms, start_ms, values))
    return columns, table


def _instant_ms(told: object, key: str, where: str) -> int:
    try:
        instant = datetime.fromisoformat(str(told))
    except ValueError:
        _reject(where, f"{key} {told!r} is no instant", "write 2026-06-21T06:00Z")
    if instant.tzinfo is None:
        _reject(where, f"{key} {told!r} has no offset from UTC", "write 2026-06-21T06:00Z")
    return int(instant.timestamp()) * 1000


def _number(told: object, name: str, where: str) -> float:
    try:
        value = float(str(told))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        _reject(where, f"{name} {told!r} is no number")
    return value


def _issues(table: list[_Row], source: str) -> Iterator[Issue]:
    """Yield each issue, one with holes in pieces."""
    in_turn = sorted(table, key=lambda row: (row.issued_ms, row.start_ms))
    for issued_ms, of_issue in groupby(in_turn, lambda row: row.issued_ms):
        rows = list(of_issue)
        apart_ms = np.diff([row.start_ms for row in rows])
        step_ms = int(min(apart_ms, default=QUARTER_MS))
        _need_one_distance(rows, apart_ms, step_ms, source)
        for piece in np.split(np.arange(len(rows)), np.flatnonzero(apart_ms > step_ms) + 1):
            values = np.array([rows[place].values for place in piece])
            of_quarters = np.repeat(values, step_ms // QUARTER_MS, axis=0)
            yield Issue(issued_ms, rows[piece[0]].start_ms, of_quarters)


def _need_one_distance(
    rows: Sequence[_Row], apart_ms: NDArray[np.int64], step_ms: int, source: str
) -> None:
    """Refuse rows that are not at one distance but for holes of whole steps.

    Two longer distances in a row are no holes, but another distance.
    """
    if step_ms <= 0 or step_ms % QUARTER_MS:
        odd = apart_ms == step_ms
    else:
        longer = apart_ms > step_ms
        odd = apart_ms % step_ms > 0
        odd[1:] |= longer[1:] & longer[:-1]
    for place in np.flatnonzero(odd)[:1]:
        row = rows[place + 1]
        _reject(
            f"{source}, row {row.number}",
            f"start {told_utc(row.start_ms)} is {apart_ms[place] // 1000} s after the one before "
            f"it in the issue of {told_utc(row.issued_ms)}",
            "one distance in an issue, of a quarter of an hour or some, and no row twice; rows may "
            "be wanting, but not on both sides of one",
        )


def _reject(where: str, what: str, remedy: str = "mend the source") -> NoReturn:
    raise Rejected(what, where=where, remedy=remedy, reason="weather")
