"""Logs on stderr: an event name and its keys, for eyes or as one JSON object a line."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
_OURS = ("lightnode", "gateway", "ledger", "chain", "hil", "central")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(verbosity: int, *, as_json: bool = False) -> None:
    """Send our events to stderr from now on; other libraries speak only of errors.

    `verbosity` counts -v minus -q: 0 shows INFO, 1 and more DEBUG, -1 WARNING, -2 ERROR.
    """
    level = _LEVELS[min(max(verbosity + 2, 0), len(_LEVELS) - 1)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else KeyValues())
    logging.basicConfig(handlers=[handler], level=logging.ERROR, force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)


class KeyValues(logging.Formatter):
    """One line for eyes: time, level, event, key=value …."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        pairs = (f"{key}={_told(value)}" for key, value in keys_of(record).items())
        line = " ".join([_time(record), record.levelname, record.getMessage(), *pairs])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        event: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **keys_of(record),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)


def keys_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the keys that the caller gave with the event."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=\n') else text
