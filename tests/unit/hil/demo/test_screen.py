"""The screen: lines for a file, figures for a terminal."""

import io
import re

import pytest
from rich.console import Console

from hil.demo.screen import Screen


def test_without_a_terminal_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("demo", color=False) as screen:
        screen.tell(1_782_000_000_000, "fault", "the broker is killed")
        screen.tell(1_782_000_004_000, "back", "it is back")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "00:00:00  ✗ the broker is killed",
        "00:00:04  ✓ it is back",
    ]


def test_the_picture_shows_every_figure() -> None:
    screen = Screen("demo", color=False)
    figures = screen.figures
    figures.readings_stored, figures.gap_slots = 12_345, {"METER_TIMEOUT": 10, "POWER_OFF": 2}
    figures.windows_closed, figures.windows_anchored, figures.gas_per_window = 9, 7, 52_000
    screen.show(1_782_000_000_000, {"broker": True, "chain": False})
    console = Console(width=100, record=True, color_system=None, file=io.StringIO())
    with console:
        console.print(screen._drawn())
    text = re.sub(" +", " ", console.export_text())
    for expected in (
        "12,345",
        "METER_TIMEOUT 10, POWER_OFF 2",
        "9 closed, 7 anchored",
        "52,000",
        "● broker ○ chain",
        "demo · 00:00:00",
    ):
        assert expected in text
