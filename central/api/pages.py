"""What routes of rows have in common: the query, one page of an answer, and the next link."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from central.api.instants import interval, told_instant
from central.api.rendering import Format, rendered, wanted_format
from ledger.facts.interval import Interval

LONGEST_DAYS = 366
MAX_ROWS = 100_000

From = Annotated[str, Query(alias="from", description="RFC 3339 with offset, included")]
To = Annotated[str, Query(description="RFC 3339 with offset, not included")]
Limit = Annotated[int, Query(ge=1, le=MAX_ROWS, description="rows in one answer, at most")]
Cursor = Annotated[
    str | None, Query(alias="cursor", description="where the answer before this one ended")
]
As = Annotated[Format | None, Query(alias="format", description="wins over Accept")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The half-open interval that a request asks for."""

    span: Interval

    @classmethod
    def of(cls, start: str, end: str) -> "Asked":
        """Return what is asked for.

        Raises:
            Problem: the interval is bad.
        """
        return cls(interval(start, end, longest_days=LONGEST_DAYS))

    def document(self, schema: str, pod: str, ii: str | None) -> dict[str, Any]:
        """Return what stands around the rows about a POD."""
        return {
            "schema": f"certiflex/{schema}/v1",
            "ii": ii,
            "pod": pod,
            "from": told_instant(self.span.start_ms),
            "to": told_instant(self.span.end_ms),
        }


def answer(
    request: Request,
    asked_format: Format | None,
    table: pa.Table,
    document: dict[str, Any],
    *,
    following: str | None = None,
) -> Response:
    """Return one page; `following` is the cursor of the next one, None on the last."""
    links = {}
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        links["next"] = f"{url.path}?{url.query}"
    told_as = wanted_format(request, asked_format)
    return rendered(table, told_as, {**document, "next": following}, links)


def table_from(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def time_field(name: str, *, nullable: bool = False) -> pa.Field:
    """Return a column of instants."""
    return pa.field(name, pa.timestamp("ms", "UTC"), nullable=nullable)
