"""History that nobody certifies: quarter-hours from elsewhere, kept apart and marked so.

A file is checked whole, then kept as Parquet in a folder of its own; nothing of it ever enters
the evidence. CSV as it comes, with times in RFC 3339 that carry their offset:

```
pod,start,import_wh,export_wh
IT002E00000001,2026-10-25T00:00:00+02:00,87.5,0
```
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from central.dso.forecast.rows import QuarterRows
from ledger.errors import Rejected, Unavailable, unreadable
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod

_COLUMNS = ("pod", "start", "import_wh", "export_wh")
_ORIGIN = {b"certiflex.origin": b"imported"}
_SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class Imported:
    """A history that was read and found good.

    Args:
        name: what it is called once it is kept; the same content has the same name.
        table: its rows, as they are kept.
    """

    name: str
    table: pa.Table

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.table.num_rows)

    def strangers(self, pods: Sequence[str]) -> dict[str, int]:
        """Return the number of rows of each POD that is none of these, as they first appear."""
        known = pc.is_in(self.table["pod"], value_set=pa.array(list(pods), pa.string()))
        of_others = self.table["pod"].filter(pc.invert(known)).to_pylist()
        return dict(Counter(of_others))


def read_import(source: Path) -> Imported:
    """Return what a CSV or Parquet file holds, checked whole.

    Raises:
        Rejected: it is no history, and the first wrong row is named; or it is not there to be read.
        Unavailable: the disk does not give it.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise unreadable(source, error) from error
    table = _stored_form(_table(content, source), source)
    _rows(table, str(source))
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Imported(f"{source.stem}-{digest}{_SUFFIX}", table)


def keep_import(imported: Imported, folder: Path) -> None:
    """Keep a history in a folder; the same content again is kept once.

    Raises:
        Unavailable: the folder cannot be written.
    """
    named = folder / imported.name
    part = named.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(imported.table.replace_schema_metadata(_ORIGIN), part, compression="zstd")
        part.replace(named)
    except OSError as error:
        raise Unavailable(error.strerror or "cannot be written", where=str(named)) from error


def imported_rows(folder: Path, pods: Sequence[str], interval: Interval) -> Iterator[QuarterRows]:
    """Yield the kept rows of some PODs in an interval, file by file in the order of names.

    Raises:
        Rejected: a file in the folder was not put there by `keep_import`.
    """
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            table = pq.read_table(file)
        except (OSError, pa.ArrowInvalid) as error:
            raise _foreign(file) from error
        if (table.schema.metadata or {}).get(b"certiflex.origin") != b"imported":
            raise _foreign(file)
        within = pc.and_(
            pc.greater_equal(table["start_ms"], interval.start_ms),
            pc.less(table["start_ms"], interval.end_ms),
        )
        wanted = pc.is_in(table["pod"], value_set=pa.array(list(pods), pa.string()))
        chosen = table.filter(pc.and_(within, wanted))
        if chosen.num_rows:
            yield _rows(chosen, file.name)


def _foreign(file: Path) -> Rejected:
    return Rejected(
        "is no imported history",
        where=str(file),
        remedy="take it away, and bring it in by: certiflex central history import FILE",
        reason="foreign_file",
    )


def _table(content: bytes, source: Path) -> pa.Table:
    try:
        if source.suffix == _SUFFIX:
            return pq.read_table(pa.BufferReader(content))
        as_written = pa_csv.ConvertOptions(
            column_types={"pod": pa.string(), "start": pa.string(),
                          "import_wh": pa.float64(), "export_wh": pa.float64()},
        )  # fmt: skip
        return pa_csv.read_csv(pa.BufferReader(content), convert_options=as_written)
    except pa.ArrowInvalid as error:
        raise _bad(source, str(error).splitlines()[0]) from error


def _stored_form(table: pa.Table, source: Path) -> pa.Table:
    """Return the table with whole milliseconds in place of written times."""
    if missing := [name for name in _COLUMNS if name not in table.column_names]:
        raise _bad(source, f"has no column {missing[0]}")
    if unknown := [name for name in table.column_names if name not in _COLUMNS]:
        raise _bad(source, f"has a column {unknown[0]} that nobody knows")
    for name in _COLUMNS:
        if table[name].null_count:
            row = pc.index(pc.is_null(table[name]), value=True).as_py()
            raise _bad(source, f"has no {name} in row {row + 1}")
    try:
        return pa.table(
            {
                "pod": table["pod"].cast(pa.string()),
                "start_ms": pa.array(_starts_ms(table["start"], source), pa.int64()),
                "import_wh": table["import_wh"].cast(pa.float64()),
                "export_wh": table["export_wh"].cast(pa.float64()),
            }
        )
    except pa.ArrowInvalid as error:
        raise _bad(source, str(error).splitlines()[0]) from error


def _starts_ms(starts: Any, source: Path) -> list[int]:  # noqa: ANN401 -- an Arrow column
    if pa.types.is_timestamp(starts.type):
        if starts.type.tz is None:
            raise _bad(source, "has times without a zone in start")
        return [
            int(ms) for ms in starts.cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist()
        ]
    known: dict[str, int] = {}
    for row, text in enumerate(starts.to_pylist()):
        if text not in known:
            known[text] = _instant_ms(text, f"{source}, row {row + 1}")
    return [known[text] for text in starts.to_pylist()]


def _instant_ms(text: str, where: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(where, f"start is {text!r}, not a time") from error
    if instant.tzinfo is None:
        raise _wrong(where, f"start {text!r} has no offset")
    return round(instant.timestamp() * 1_000)


def _rows(table: pa.Table, source: str) -> QuarterRows:
    pods = table["pod"].to_pylist()
    for code in dict.fromkeys(pods):
        try:
            Pod(code)
        except ValueError as error:
            raise _wrong(f"{source}, row {pods.index(code) + 1}", str(error)) from error
    return QuarterRows(
        source,
        pods,
        table["start_ms"].to_numpy().astype(np.int64),
        table["import_wh"].to_numpy().astype(np.float64),
        table["export_wh"].to_numpy().astype(np.float64),
    )


def _bad(source: Path, what: str) -> Rejected:
    return _wrong(str(source), what)


def _wrong(where: str, what: str) -> Rejected:
    return Rejected(
        what,
        where=where,
        remedy=f"a history has the columns {', '.join(_COLUMNS)}; start as 2026-10-25T00:00+02:00",
        reason="bad_history",
    )
