"""The forms a field can have: how each is read, strictly, how it is told, and its JSON Schema.

A form stands in the annotation of the field it describes, with what the field means:

```python
power_w: Annotated[int, Whole("what it takes from the grid", least=0)]
```

Every form has one way to stand in the canonical bytes. Only instants, and the shapes made of
forms, look different in JSON: there they are text, and fields have names.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from central.documents.faults import Fault, Reading, Wire, shown
from ledger.facts.interval import QUARTER_MS, Interval
from ledger.facts.pod import Pod

MOST = (1 << 48) - 1
MAX_TEXT = 200

UNITS = (
    "_ueur_per_mwh", "_nano_per_w", "_nano_per_var", "_permille", "_milli", "_ppm", "_ueur", "_wh",
    "_mwh", "_varh", "_var", "_mv", "_ma", "_w", "_ms", "_s",
)  # fmt: skip
"""How the names of numbers end, longest first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?P<offset>Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


class Form(Protocol):
    """How one field is read and told; a form never holds anything of a document."""

    @property
    def meaning(self) -> str:
        """Return what the field says."""
        ...

    def read(self, value: Any, reading: Reading) -> Any:  # noqa: ANN401 -- checks what it is given
        """Return what a value as it came stands for.

        Raises:
            Fault: it is not as described.
        """
        ...

    def tell(self, value: Any, wire: Wire) -> Any:  # noqa: ANN401 -- any form's value
        """Return a value as it goes out."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the value."""
        ...

    def valid(self) -> str:
        """Return the valid values in words, for a table; nothing if there is nothing to say."""
        ...


@dataclass(frozen=True, slots=True)
class NotWhole:
    """A number in a JSON text that is no plain integer, as it was written."""

    written: str


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer, both bounds included; 1.0, 1e3, -0 and "1" are none."""

    meaning: str
    least: int = -MOST
    most: int = MOST

    def read(self, value: Any, _: Reading) -> int:  # noqa: ANN401 -- checks what it is given
        """Return the integer."""
        if isinstance(value, NotWhole):
            raise Fault(
                f"expected a plain integer, found {shown(value.written)}", "not_whole",
                "send whole units, without point or exponent",
            )  # fmt: skip
        if type(value) is not int:
            raise Fault(f"expected an integer, found {shown(value)}", "wrong_type")
        if not self.least <= value <= self.most:
            raise Fault(
                f"expected {self.least} … {self.most}, found {shown(value)}", "out_of_range"
            )
        return value

    def tell(self, value: int, _: Wire) -> int:
        """Return the integer itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def valid(self) -> str:
        """Return the bounds that are the field's own."""
        least = "" if self.least == -MOST else str(self.least)
        most = "" if self.most == MOST else str(self.most)
        return f"{least} … {most}".strip() if least or most else ""


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant [ms since 1970, UTC]; text with an offset in JSON (RFC 3339).

    `within` says that it lies in what the document speaks of.
    """

    meaning: str
    within: bool = False

    def read(self, value: Any, reading: Reading) -> int:  # noqa: ANN401 -- checks what it is given
        """Return the instant."""
        unix_ms = _instant_ms(value, reading.wire)
        span = reading.span
        if self.within and span is not None and unix_ms not in span:
            raise _outside(unix_ms, span)
        return unix_ms

    def tell(self, value: int, wire: Wire) -> Any:  # noqa: ANN401 -- text or number
        """Return the instant in UTC."""
        return _told(value) if wire is Wire.JSON else value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string", "format": "date-time"}

    def valid(self) -> str:
        """Return where it must lie."""
        return "within `validity`" if self.within else ""


@dataclass(frozen=True, slots=True)
class Quarter:
    """The first instant of a quarter-hour that the document speaks of."""

    meaning: str = "first instant of the quarter-hour"

    def read(self, value: Any, reading: Reading) -> int:  # noqa: ANN401 -- checks what it is given
        """Return the instant."""
        unix_ms = _aligned_ms(value, reading.wire)
        if reading.span is not None and unix_ms not in reading.span:
            raise _outside(unix_ms, reading.span)
        return unix_ms

    def tell(self, value: int, wire: Wire) -> Any:  # noqa: ANN401 -- text or number
        """Return the instant in UTC."""
        return _told(value) if wire is Wire.JSON else value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string", "format": "date-time"}

    def valid(self) -> str:
        """Return where it must lie."""
        return "a quarter-hour within `validity`"


@dataclass(frozen=True, slots=True)
class Span:
    """Whole quarter-hours, half-open, at least one: what the document speaks of."""

    meaning: str

    def read(self, value: Any, reading: Reading) -> Interval:  # noqa: ANN401 -- checks what it is given
        """Return the interval; from here on everything that is read must lie in it."""
        start, end = self._ends(value, reading.wire)
        if end <= start:
            raise Fault("it ends before it starts: [start, end)", "contradiction")
        reading.span = Interval(start, end)
        return reading.span

    def _ends(self, value: Any, wire: Wire) -> tuple[int, int]:  # noqa: ANN401 -- checks what it is given
        names: tuple[Any, Any] = ("start_at", "end_at") if wire is Wire.JSON else (0, 1)
        match wire, value:
            case Wire.JSON, {"start_at": start, "end_at": end} if len(value) == len(names):
                pass
            case Wire.BINARY, [start, end]:
                pass
            case _:
                raise Fault(f"expected start_at and end_at, found {shown(value)}", "wrong_type")
        ends = []
        for name, end_value in zip(names, (start, end), strict=True):
            try:
                ends.append(_aligned_ms(end_value, wire))
            except Fault as fault:
                raise fault.within(name) from None
        return ends[0], ends[1]

    def tell(self, value: Interval, wire: Wire) -> Any:  # noqa: ANN401 -- an object or an array
        """Return both ends."""
        if wire is Wire.BINARY:
            return [value.start_ms, value.end_ms]
        return {"start_at": _told(value.start_ms), "end_at": _told(value.end_ms)}

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        end = {"type": "string", "format": "date-time"}
        return {
            "type": "object",
            "properties": {"start_at": end, "end_at": end},
            "required": ["start_at", "end_at"],
            "additionalProperties": False,
        }

    def valid(self) -> str:
        """Return what it is made of."""
        return "whole quarter-hours, at least one"


@dataclass(frozen=True, slots=True)
class Words:
    """Text of printable characters, of a given pattern if there is one."""

    meaning: str
    pattern: re.Pattern[str] | None = None
    told: str = ""

    def read(self, value: Any, _: Reading) -> str:  # noqa: ANN401 -- checks what it is given
        """Return the text."""
        if type(value) is not str:
            raise Fault(f"expected text, found {shown(value)}", "wrong_type")
        if not 0 < len(value) <= MAX_TEXT or not value.isprintable():
            raise Fault(f"expected 1 … {MAX_TEXT} printable characters", "bad_text")
        if self.pattern and not self.pattern.fullmatch(value):
            raise Fault(f"expected {self.told}, found {shown(value)}", "bad_text")
        return value

    def tell(self, value: str, _: Wire) -> str:
        """Return the text itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        described: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
        return described | ({"pattern": f"^{self.pattern.pattern}$"} if self.pattern else {})

    def valid(self) -> str:
        """Return what it must look like."""
        return self.told


def uuid(meaning: str) -> Words:
    """Return the form of an mRID: a UUID in lower case."""
    return Words(meaning, _UUID, "a UUID in lower case")


def party(meaning: str) -> Words:
    """Return the form of a party's identifier: an EIC code, or another name without blanks."""
    return Words(meaning, _PARTY, "letters, digits and . _ : - (an EIC code, say), at most 64")


@dataclass(frozen=True, slots=True)
class PodCode:
    """A point of delivery."""

    meaning: str

    def read(self, value: Any, _: Reading) -> Pod:  # noqa: ANN401 -- checks what it is given
        """Return the POD."""
        if type(value) is not str:
            raise Fault(f"expected a POD, found {shown(value)}", "wrong_type")
        try:
            return Pod(value)
        except ValueError as error:
            raise Fault(str(error)[:MAX_TEXT], "bad_pod") from error

    def tell(self, value: Pod, _: Wire) -> str:
        """Return its code."""
        return value.code

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"type": "string", "pattern": "^IT[0-9]{3}E[0-9]{8}[0-9A-Z]?$"}

    def valid(self) -> str:
        """Return what it must look like."""
        return "`IT` 3 digits `E` 8 digits, one more character allowed"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the names of an enumeration."""

    meaning: str
    names: type[StrEnum]

    def read(self, value: Any, _: Reading) -> StrEnum:  # noqa: ANN401 -- checks what it is given
        """Return the member."""
        if type(value) is not str or value not in self._values():
            wanted = ", ".join(self._values())
            raise Fault(f"expected one of {wanted}, found {shown(value)}", "wrong_type")
        return self.names(value)

    def tell(self, value: StrEnum, _: Wire) -> str:
        """Return its name on the wire."""
        return value.value

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"enum": self._values()}

    def valid(self) -> str:
        """Return the names."""
        return ", ".join(f"`{value}`" for value in self._values())

    def _values(self) -> list[str]:
        return [member.value for member in self.names]


def _instant_ms(value: Any, wire: Wire) -> int:  # noqa: ANN401 -- checks what it is given
    if wire is Wire.BINARY:
        if type(value) is not int:
            raise Fault(f"expected an instant in ms, found {shown(value)}", "wrong_type")
        return _bounded(value)
    if type(value) is not str:
        raise Fault(f"expected an instant as text, found {shown(value)}", "wrong_type")
    found = _RFC_3339.fullmatch(value)
    if not found:
        raise _bad_time(value)
    if found["offset"] is None:
        raise Fault(f"{shown(value)} names no offset from UTC", "naive_time", "add Z or +02:00")
    try:
        since = datetime.fromisoformat(value) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise _bad_time(value) from error
    return _bounded(since // timedelta(milliseconds=1))


def _bounded(unix_ms: int) -> int:
    if not 0 <= unix_ms < _LATEST_MS:
        raise Fault("it lies before 1970 or after 9998", "bad_time")
    return unix_ms


def _bad_time(value: str) -> Fault:
    return Fault(
        f"expected RFC 3339 to the millisecond, as 2026-06-21T00:00:00Z, found {shown(value)}",
        "bad_time",
    )


def _aligned_ms(value: Any, wire: Wire) -> int:  # noqa: ANN401 -- checks what it is given
    unix_ms = _instant_ms(value, wire)
    if unix_ms % QUARTER_MS:
        raise Fault(
            f"{_told(unix_ms)} is not the start of a quarter-hour", "unaligned_time",
            "send :00, :15, :30 or :45",
        )  # fmt: skip
    return unix_ms


def _told(unix_ms: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=unix_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _outside(unix_ms: int, span: Interval) -> Fault:
    return Fault(
        f"{_told(unix_ms)} lies outside the document's validity, "
        f"[{_told(span.start_ms)}, {_told(span.end_ms)})",
        "outside_interval",
    )
