"""Instants and cursors as they stand in a URL: RFC 3339 with an offset, and opaque places."""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta

from central.api.problems import Problem
from ledger.codec import jsontext
from ledger.errors import Rejected
from ledger.facts.interval import Interval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_MAX_CURSOR = 200


def instant_ms(text: str, name: str) -> int:
    """Return an RFC 3339 instant with offset [ms since 1970, UTC].

    Raises:
        Problem: it is none, names no offset, or lies before 1970 or after 9998.
    """
    if "T" not in text.upper():
        raise _bad(text, name, "bad-time", "expected a date, T, and a time of day")
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad(text, name, "bad-time", str(error)) from error
    if parsed.tzinfo is None:
        raise _bad(text, name, "naive-time", "it names no offset from UTC")
    if not _EPOCH <= parsed < _LATEST:
        raise _bad(text, name, "bad-time", "it lies before 1970 or after 9998")
    return (parsed - _EPOCH) // timedelta(milliseconds=1)


def told_instant(unix_ms: int) -> str:
    """Return an instant as RFC 3339 in UTC, to the millisecond."""
    instant = _EPOCH + timedelta(milliseconds=unix_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def interval(start: str, end: str, *, longest_days: int) -> Interval:
    """Return the half-open interval `[from, to)` of a request.

    Raises:
        Problem: an instant is bad, the end does not lie after the start, or it is too long.
    """
    start_ms, end_ms = instant_ms(start, "from"), instant_ms(end, "to")
    if end_ms <= start_ms:
        raise Problem(400, "bad-interval", "to must lie after from: the interval is [from, to)")
    if end_ms - start_ms > longest_days * 86_400_000:
        raise Problem(400, "bad-interval", f"at most {longest_days} days can be asked for at once")
    return Interval(start_ms, end_ms)


def cursor(*place: int) -> str:
    """Return an opaque cursor for a place in an ordered answer."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(text: str, parts: int) -> list[int]:
    """Return the place that a cursor of ours stands for.

    Raises:
        Problem: it is none.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        place = jsontext.parsed(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, Rejected) as error:
        raise _no_cursor() from error
    is_ours = isinstance(place, list) and [type(each) for each in place] == [int] * parts
    if len(text) > _MAX_CURSOR or not is_ours or any(abs(each) >> 53 for each in place):
        raise _no_cursor()
    return [int(each) for each in place]


def _no_cursor() -> Problem:
    return Problem(400, "bad-cursor", "cursor must be the one that an answer gave in its next link")


def _bad(text: str, name: str, code: str, why: str) -> Problem:
    hint = "; write + as %2B in a URL" if " " in text else ""
    return Problem(
        400,
        code,
        f"{name} must be RFC 3339 with an offset, as 2026-06-21T00:00:00Z, not {text[:60]!r}: "
        f"{why}{hint}",
    )
