"""One Arrow table, told as JSON, CSV, Parquet or an Arrow stream, as the client likes it."""

import json
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from starlette.requests import Request
from starlette.responses import Response

from central.api.problems import Problem

_UNITS = {
    "w": "W", "wh": "Wh", "var": "var", "mv": "mV", "ma": "mA", "mhz": "mHz", "ms": "ms", "s": "s",
}  # fmt: skip
_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"


class Format(StrEnum):
    """The formats that tables come in."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.ARROW: "application/vnd.apache.arrow.stream",
}


def wanted_format(request: Request, asked: Format | None) -> Format:
    """Return the format that the query asks for, or else the Accept header.

    Raises:
        Problem: nothing that the client accepts is there.
    """
    if asked is not None:
        return asked
    accepted = _accepted(request.headers.get("accept", "*/*"))
    for media_range in accepted:
        for known, media_type in MEDIA_TYPES.items():
            if _matches(media_range, media_type):
                return known
    offered = ", ".join(MEDIA_TYPES.values())
    raise Problem(406, "not-acceptable", f"this comes as {offered}")


def rendered(
    table: pa.Table, told_as: Format, document: dict[str, Any], links: dict[str, str]
) -> Response:
    """Return a table as a response.

    Args:
        table: columns with the unit at the end of their name; times as Arrow timestamps.
        told_as: the format.
        document: what stands around the rows in JSON.
        links: relations and targets for the Link header.
    """
    headers = {"Vary": "Accept, Authorization", "Cache-Control": "private, no-store"}
    if links:
        headers["Link"] = ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items())
    body = _BODIES[told_as](table, document)
    media_type = MEDIA_TYPES[told_as]
    if told_as is Format.CSV:
        media_type += "; charset=utf-8; header=present"
    return Response(body, 200, headers, media_type)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them: instants as RFC 3339 in UTC."""
    rows: list[dict[str, Any]] = _with_told_times(table).to_pylist()
    return rows


def _json(table: pa.Table, document: dict[str, Any]) -> bytes:
    return json.dumps({**document, "rows": rows_of(table)}, ensure_ascii=False).encode()


def _csv(table: pa.Table, _: dict[str, Any]) -> bytes:
    headed = _with_told_times(table).rename_columns([_headed(name) for name in table.column_names])
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(headed, sink)
    return bytes(sink.getvalue())


def _parquet(table: pa.Table, _: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(_with_units(table), sink, compression="zstd")
    return bytes(sink.getvalue())


def _arrow(table: pa.Table, _: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with_units = _with_units(table)
    with pa.ipc.new_stream(sink, with_units.schema) as writer:
        writer.write_table(with_units)
    return bytes(sink.getvalue())


_BODIES = {Format.JSON: _json, Format.CSV: _csv, Format.PARQUET: _parquet, Format.ARROW: _arrow}


def _with_told_times(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            told = pc.strftime(table.column(index), format=_RFC_3339)
            table = table.set_column(index, field.name, told)
    return table


def _with_units(table: pa.Table) -> pa.Table:
    fields = [
        field.with_metadata({"unit": unit}) if (unit := _unit(field.name)) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "") if "_" in name else ""


def _headed(name: str) -> str:
    unit = _unit(name)
    return f"{name} [{unit}]" if unit else name


def _accepted(header: str) -> list[str]:
    """Return the media ranges of an Accept header, best liked first."""
    liked: list[tuple[float, str]] = []
    for part in header.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if weight > 0 and media_range:
            liked.append((weight, media_range))
    return [media_range for _, media_range in sorted(liked, key=lambda each: -each[0])]


def _matches(media_range: str, media_type: str) -> bool:
    kind = media_type.partition("/")[0]
    return media_range in {media_type, f"{kind}/*", "*/*"}
