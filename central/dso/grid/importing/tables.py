"""The tables of pandapower, read one element at a time with gaps filled; no pandas beyond here."""

import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

Net = Any
"""A net of pandapower: a table for each kind of element."""
Record = Mapping[str, Any]


def records(net: Net, table: str) -> Iterator[tuple[int, Record]]:
    """Return index and columns of each element of a table; nothing if there is no such table."""
    if table in net and len(net[table]):
        rows = net[table].to_dict("records")
        yield from zip(net[table].index.tolist(), rows, strict=True)


def number(record: Record, column: str, default: float = math.nan) -> float:
    """Return a number, or the default where there is none."""
    value = record.get(column)
    if not isinstance(value, Real) or math.isnan(float(value)):
        return default
    return float(value)


def text(record: Record, column: str, default: str = "") -> str:
    """Return a text, or the default where there is none."""
    value = record.get(column)
    return value if isinstance(value, str) and value else default


def is_on(record: Record) -> bool:
    """Tell whether an element is in service."""
    return bool(number(record, "in_service", 1.0))


def names(net: Net, table: str) -> dict[int, str]:
    """Return a name for each element, each its own: what it is called, or its number."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for index, record in records(net, table):
        name = text(record, "name", f"{table} {index}")
        found[index] = f"{name} ({table} {index})" if name in taken else name
        taken.add(name)
    return found
