"""What a person sees of the demo: figures that move, what happens, and a summary."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_SHOWN_EVENTS, _EVENTS_BESIDE_A_TABLE = 14, 4
_WIDTH_OF_A_FILE = 100
_TABLE_STAYS_S = 12.0
_ROME = ZoneInfo("Europe/Rome")
_MARKS = {
    "fault": ("✗", "red"),
    "back": ("✓", "green"),
    "step": ("·", "cyan"),
    "seen": ("→", "white"),
}


@dataclass
class Figures:
    """What moves on the screen; all counts since the start."""

    readings_stored: int = 0
    gap_slots: Mapping[str, int] = field(default_factory=dict)
    segments: int = 0
    windows_closed: int = 0
    windows_anchored: int = 0
    gas_per_window: int = 0
    nodes_up: int = 0
    nodes: int = 0
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the story: `kind` is fault, back, step or seen."""

    at_ms: int
    kind: str
    told: str


class Screen:
    """A live view on a terminal, plain lines elsewhere; both on stderr."""

    def __init__(self, title: str, *, color: bool = True) -> None:
        self.figures = Figures()
        self._title = title
        self._story: list[Event | Table] = []
        self._table: tuple[Table, float] | None = None
        width = None if sys.stderr.isatty() else _WIDTH_OF_A_FILE
        self._console = Console(stderr=True, no_color=not color, highlight=False, width=width)
        self._live: Live | None = None
        self._programs: Mapping[str, bool] = {}
        self._now_ms = 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._live = Live(
                self._drawn(), console=self._console, refresh_per_second=5, transient=True
            )
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)
            for told in self._story:
                self._print(told)

    def tell(self, at_ms: int, kind: str, told: str) -> None:
        """Add a line to the story."""
        self._add(Event(at_ms, kind, told))
        self.show(at_ms, self._programs)

    def lay_out(self, table: Table) -> None:
        """Show a table: in the place of the figures for a while, and in the story at the end."""
        self._add(table)
        self._table = table, time.monotonic() + _TABLE_STAYS_S
        self.show(self._now_ms, self._programs)

    def _add(self, told: Event | Table) -> None:
        self._story.append(told)
        if self._live is None:
            self._print(told)

    def _print(self, told: Event | Table) -> None:
        self._console.print(told if isinstance(told, Table) else _line(told))

    def show(self, now_ms: int, programs: Mapping[str, bool]) -> None:
        """Draw the figures of this instant; `programs` says which of them run."""
        self._now_ms, self._programs = now_ms, programs
        if self._live is not None:
            self._live.update(self._drawn())

    def _drawn(self) -> Group:
        title = f"{self._title} · {_clock(self._now_ms)}"
        states = Text()
        for name, running in self._programs.items():
            states.append("● " if running else "○ ", style="green" if running else "red")
            states.append(f"{name}  ")
        events = [told for told in self._story if isinstance(told, Event)]
        if self._table is not None and time.monotonic() < self._table[1]:
            told = map(_line, events[-_EVENTS_BESIDE_A_TABLE:])
            return Group(Panel(states, title=title, title_align="left"), self._table[0], *told)
        figures = Panel(Group(self._figures(), Text(), states), title=title, title_align="left")
        return Group(figures, *map(_line, events[-_SHOWN_EVENTS:]))

    def _figures(self) -> Table:
        figures = self.figures
        table = Table.grid(padding=(0, 3))
        for name, value in [
            ("light nodes", f"{figures.nodes_up} of {figures.nodes} up"),
            ("readings stored", f"{figures.readings_stored:,}"),
            ("slots in gaps", _gaps(figures.gap_slots)),
            ("segments", f"{figures.segments:,}"),
            ("windows", f"{figures.windows_closed} closed, {figures.windows_anchored} anchored"),
            (
                "gas per window",
                f"{figures.gas_per_window:,}" if figures.gas_per_window else "none yet",
            ),
            ("waiting at the gateway", f"{figures.backlog:,} segments"),
        ]:
            table.add_row(Text(name, style="dim"), value)
        return table


def _gaps(gap_slots: Mapping[str, int]) -> str:
    named = ", ".join(f"{cause} {count}" for cause, count in sorted(gap_slots.items()))
    return named or "none"


def _line(event: Event) -> Text:
    mark, style = _MARKS[event.kind]
    line = Text(f"{_clock(event.at_ms)}  ", style="dim")
    line.append(f"{mark} ", style=style)
    line.append(event.told, style="bold" if event.kind in {"fault", "back"} else "")
    return line


def _clock(unix_ms: int) -> str:
    """Return the instant as the clocks of the demo's town show it."""
    return datetime.fromtimestamp(unix_ms / 1000, _ROME).strftime("%H:%M:%S")
