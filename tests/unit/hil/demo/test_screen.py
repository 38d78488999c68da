"""The screen: lines for a file, figures for a terminal."""

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from hil.demo.screen import Screen


def test_without_a_terminal_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("demo", color=False) as screen:
        screen.tell(1_782_000_000_000, "fault", "the broker is killed")
        screen.tell(1_782_000_004_000, "back", "it is back")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "02:00:00  ✗ the broker is killed",
        "02:00:04  ✓ it is back",
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
        "demo · 02:00:00",
    ):
        assert expected in text


def test_a_table_takes_the_place_of_the_figures_and_is_told_at_once_in_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("merit order")
    table.add_row("aggregator-1")
    screen = Screen("demo", color=False)
    for number in range(20):
        screen.tell(1_782_000_000_000, "seen", f"event {number}")
    screen.lay_out(table)
    assert "aggregator-1" in capsys.readouterr().err
    console = Console(width=100, record=True, color_system=None, file=io.StringIO())
    console.print(screen._drawn())
    text = console.export_text()
    assert "aggregator-1" in text
    assert "light nodes" not in text
    assert ["event 15" in text, "event 16" in text] == [False, True]
