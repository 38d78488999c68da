"""Events: a name and its keys, for eyes and for machines."""

import json
import logging

import pytest

from ledger import logs

RECORD = logging.makeLogRecord(
    {
        "name": "gateway",
        "msg": "gateway.admitted",
        "levelname": "INFO",
        "created": 1_782_000_000.25,
        "node": 3,
        "reason": "two words",
        "empty": "",
    }
)


def test_a_line_for_eyes() -> None:
    line = logs.KeyValues().format(RECORD)
    assert line == (
        '2026-06-21T00:00:00.250Z INFO gateway.admitted node=3 reason="two words" empty=""'
    )


def test_an_object_for_machines() -> None:
    event = json.loads(logs.JsonLines().format(RECORD))
    assert event["event"] == "gateway.admitted"
    assert (event["node"], event["reason"], event["level"]) == (3, "two words", "info")


@pytest.mark.parametrize(("verbosity", "shown"), [(0, True), (-1, False), (-2, False), (1, True)])
def test_quiet_hides_info(
    verbosity: int, *, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure(verbosity)
        logging.getLogger("gateway").info("gateway.started")
        logging.getLogger("somebody.else").warning("noise")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    told = capsys.readouterr().err
    assert ("gateway.started" in told) is shown
    assert "noise" not in told
